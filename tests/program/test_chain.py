"""Rows of a chain: which loss a metric follows, losses that are missing, losses that repeat."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pandas as pd
import pytest
from numpyro.infer.util import log_density
from scipy import integrate, special, stats

from bayes_scaling.errors import TableError, UsageError
from bayes_scaling.law import Law, chain
from bayes_scaling.law.priors import LINKS
from bayes_scaling.models import registry
from bayes_scaling.program import Data, Spec, Structure, build_data, build_spec, program
from bayes_scaling.program.chain import NODES, Metrics, node_log_weights, reached
from bayes_scaling.program.noise import NOISES
from bayes_scaling.runs import Runs, read_runs

DECAY = chain(registry["power_law"], registry["error_decay"])
COUNTS = chain(registry["power_law"], registry["cloglog_accuracy"])
X = np.geomspace(1e7, 1e10, 8)
LOSS = np.array([3.9, 3.55, 3.3, 3.02, 2.88, 2.7, 2.62, 2.5])
ERROR = np.array([0.75, 0.7, 0.66, 0.61, 0.58, 0.52, 0.49, 0.45])
RIGHT = np.array([20.0, 30.0, 33.0, 45.0, 50.0, 60.0, 62.0, 70.0])
SIGMA, LOSS_SIGMA, NU, PHI = 0.02, 0.03, 5.0, 80.0
SCALARS = {"sigma": SIGMA, "nu": NU, "loss_sigma": LOSS_SIGMA, "loss_nu": NU, "concentration": PHI}


def table(counts: bool = False, **changes: Any) -> pd.DataFrame:
    columns: dict[str, Any] = {"X": X, "loss": LOSS, "metric": RIGHT if counts else ERROR}
    if counts:
        columns["n"] = 100.0
    return pd.DataFrame(columns | changes)


def read(frame: pd.DataFrame, **options: Any) -> Runs:
    more = {"trials": "n"} if "n" in frame else {}
    return read_runs(frame, inputs={"X": "X"}, response="metric", through="loss", **more, **options)  # type: ignore[arg-type]


def built(law: Law, runs: Runs, **options: Any) -> tuple[Spec, Structure, Data]:
    spec = build_spec(law, runs, rung=False, **options)
    return spec, spec.structure(law), build_data(spec, law, runs)


def values_of(structure: Structure, data: Data, shift: float = 0.1) -> dict[str, jax.Array]:
    """Every site a little off the prior's middle, on its own scale."""
    found = {}
    for name, site in structure.sites().items():
        if site.kind == "noise":
            found[name] = jnp.asarray(SCALARS[name])
        elif site.kind == "centre":
            link = LINKS[structure.law.parameters[site.parameter].prior.link]
            found[name] = link.to_support(data.prior_loc[site.parameter] + shift)
        elif site.kind in ("group_sd", "rung_sd"):
            found[name] = jnp.asarray(0.3)
        else:
            found[name] = jnp.linspace(-0.2, 0.2, site.shape[0])
    return found


def traced(structure: Structure, data: Data, values: dict[str, jax.Array]) -> dict[str, Any]:
    fixed = numpyro.handlers.substitute(program, data=values)
    return numpyro.handlers.trace(numpyro.handlers.seed(fixed, 0)).get_trace(structure, data)


def terms(structure: Structure, data: Data, values: dict[str, jax.Array]) -> tuple[Any, Any]:
    """Log densities of the losses and of the metrics."""
    sites = traced(structure, data, values)
    loss, response = sites["loss"], sites["response"]
    return (
        np.asarray(loss["fn"].log_prob(loss["value"])),
        np.asarray(response["fn"].log_prob(response["value"])),
    )


def by_hand(spec: Spec, values: dict[str, Any], loss: np.ndarray) -> tuple[Any, Any]:
    """Expected log loss, and expected metric of runs with measured losses, by the formulas."""
    p = {k: float(v) for k, v in values.items()}
    x = X / spec.references["X"]
    expected = np.log(p["level"] * (1 - p["reducible"] + p["reducible"] * x ** -p["alpha"]))
    return expected, np.exp(expected + p["carry"] * (np.log(loss) - expected))


def decay_by_hand(spec: Spec, values: dict[str, Any], loss: Any) -> Any:
    p = {k: float(v) for k, v in values.items()}
    limit = p["metric_level"] + (1 - p["metric_level"]) * p["limit"]
    rate = p["slope"] / (limit - p["metric_level"])
    return limit - (limit - p["metric_level"]) * np.exp(-rate * (loss / spec.references["L"] - 1))


def test_the_metric_follows_the_observed_loss_by_carry() -> None:
    spec, structure, data = built(DECAY, read(table()))
    values = values_of(structure, data)
    loss, metric = terms(structure, data, values)
    expected, followed = by_hand(spec, values, LOSS)
    wanted = stats.t.logpdf(np.log(LOSS), NU, expected, LOSS_SIGMA) - np.log(LOSS)
    np.testing.assert_allclose(loss, wanted, rtol=1e-7)
    mean = decay_by_hand(spec, values, followed)
    np.testing.assert_allclose(metric, stats.t.logpdf(ERROR, NU, mean, SIGMA), rtol=1e-6)
    # with carry at its ends, the metric follows the law of the loss, or the loss itself
    for carry, there in ((1e-9, np.exp(expected)), (1 - 1e-9, LOSS)):
        own = values | {"carry": jnp.asarray(carry)}
        wanted = stats.t.logpdf(ERROR, NU, decay_by_hand(spec, own, there), SIGMA)
        np.testing.assert_allclose(terms(structure, data, own)[1], wanted, rtol=1e-5)


def test_reached() -> None:
    found = reached(jnp.asarray(1.0), jnp.asarray(np.exp(1.4)), jnp.asarray(0.25))
    assert float(found) == pytest.approx(1.1)


def test_known_errors_of_loss_and_metric_add_in_quadrature() -> None:
    runs = read(table(a=0.05, b=0.04), se="b", through_se="a")
    spec, structure, data = built(DECAY, runs)
    values = values_of(structure, data)
    loss, metric = terms(structure, data, values)
    expected, followed = by_hand(spec, values, LOSS)
    spread = np.hypot(LOSS_SIGMA, 0.05 / np.exp(expected))
    wanted = stats.t.logpdf(np.log(LOSS), NU, expected, spread) - np.log(LOSS)
    np.testing.assert_allclose(loss, wanted, rtol=1e-7)
    mean = decay_by_hand(spec, values, followed)
    wanted = stats.t.logpdf(ERROR, NU, mean, np.hypot(SIGMA, 0.04))
    np.testing.assert_allclose(metric, wanted, rtol=1e-6)


@pytest.mark.parametrize("counts", [False, True], ids=["error", "counts"])
def test_a_loss_that_is_not_known_is_integrated_out(counts: bool) -> None:
    law = COUNTS if counts else DECAY
    gone = [1, 6]
    loss = LOSS.copy()
    loss[gone] = np.nan
    spec, structure, data = built(law, read(table(counts, loss=loss)))
    assert data.losses is not None
    assert len(data.losses.value) == 6
    values = values_of(structure, data)
    found = terms(structure, data, values)[1]
    expected, followed = by_hand(spec, values, LOSS)
    p = {k: float(v) for k, v in values.items()}

    def likelihood(row: int, log_loss: Any) -> Any:
        if not counts:
            mean = decay_by_hand(spec, values, np.exp(log_loss))
            return stats.t.pdf(ERROR[row], NU, mean, SIGMA)
        ratio = np.exp(log_loss) / spec.references["L"]
        chance = (1 - p["lapse"]) * np.exp(-np.exp(p["place"] + p["slope"] * np.log(ratio)))
        chance = np.clip(chance, 1e-12, 1 - 1e-12)  # in the far tails
        return stats.betabinom.pmf(RIGHT[row], 100, chance * PHI, (1 - chance) * PHI)

    z = np.linspace(-100, 100, 400_001)
    for row in gone:
        there = likelihood(row, expected[row] + p["carry"] * LOSS_SIGMA * z)
        wanted = integrate.simpson(stats.t.pdf(z, NU) * there, x=z)
        # 49 nodes; the metric is many nats away from what the loss makes likely
        assert found[row] == pytest.approx(np.log(wanted), abs=3e-3)
    for row in set(range(8)) - set(gone):
        assert found[row] == pytest.approx(np.log(likelihood(row, np.log(followed[row]))), abs=1e-6)


@pytest.mark.parametrize("nu", [2.2, 5.0, 50.0])
def test_the_nodes_integrate_functions_of_a_deviation(nu: float) -> None:
    weights = np.exp(node_log_weights(NOISES["student-t"], {"nu": jnp.asarray(nu)}))
    assert weights.sum() == pytest.approx(1.0)
    for shift, width in ((0.0, 1.0), (2.0, 0.7), (-4.0, 3.0)):

        def smooth(z: Any, shift: float = shift, width: float = width) -> Any:
            return special.expit((z - shift) / width)

        wanted = integrate.quad(
            lambda z: stats.t.pdf(z, nu) * smooth(z), -400, 400, limit=800, points=[-5, 0, 5]
        )[0]
        assert (weights * smooth(NODES)).sum() == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("counts", [False, True], ids=["error", "counts"])
def test_rows_without_a_metric_add_nothing(counts: bool) -> None:
    law = COUNTS if counts else DECAY
    metric = (RIGHT if counts else ERROR).copy()
    metric[[0, 3]] = np.nan
    # the number of trials of a run that was not evaluated may be missing, too
    more = {"n": np.where(np.isnan(metric), np.nan, 100.0)} if counts else {}
    spec, structure, data = built(law, read(table(counts, metric=metric, **more)))
    values = values_of(structure, data)
    loss, found = terms(structure, data, values)
    assert len(loss) == 8
    np.testing.assert_array_equal(found[[0, 3]], 0.0)
    assert np.all(found[[1, 2, 4, 5, 6, 7]] != 0)
    full = build_data(spec, law, read(table(counts)))
    np.testing.assert_allclose(found[[1, 2, 4, 5]], terms(structure, full, values)[1][[1, 2, 4, 5]])

    def density(level: jax.Array) -> jax.Array:
        return log_density(program, (structure, data), {}, values | {"level": level})[0]

    slope = jax.grad(density)(values["level"])
    step = 1e-5
    up, down = (float(density(values["level"] + s)) for s in (step, -step))
    assert float(slope) == pytest.approx((up - down) / (2 * step), rel=1e-4)


def tasks() -> pd.DataFrame:
    """Each run on two tasks with chance levels of their own: its loss is in two rows."""
    one = table(counts=True)
    other = one.assign(metric=one["metric"] - 10)
    return pd.concat([one.assign(task="a", q=0.25), other.assign(task="b", q=0.0)])


def read_tasks(frame: pd.DataFrame, **options: Any) -> Runs:
    return read_runs(
        frame, inputs={"X": "X", "chance": "q"}, response="metric", trials="n", through="loss",
        group="task", **options,
    )  # fmt: skip


def test_a_loss_in_the_rows_of_several_tasks_counts_once() -> None:
    spec, structure, data = built(COUNTS, read_tasks(tasks()))
    assert data.losses is not None
    assert len(data.losses.value) == 8
    np.testing.assert_array_equal(data.losses.of, np.tile(np.arange(8), 2))
    # the law of the loss does not differ between tasks, the metric does
    assert {
        how["task"] for p, how in spec.pool.items() if p in registry["power_law"].parameters
    } == {"complete"}
    assert spec.pool["place"]["task"] == "partial"
    values = values_of(structure, data)
    loss, metric = terms(structure, data, values)
    assert (loss.shape, metric.shape) == ((8,), (16,))
    alone = build_data(spec, COUNTS, read_tasks(tasks()).select(np.arange(16) < 8))
    np.testing.assert_allclose(terms(structure, alone, values)[0], loss)


def test_losses_of_separate_seeds_count_apart_though_they_are_equal() -> None:
    frame = pd.concat([table().assign(s=1), table().assign(s=2)])
    data = built(DECAY, read(frame, seed="s"))[2]
    assert data.losses is not None
    assert len(data.losses.value) == 16


def test_tasks_with_chance_levels_of_their_own_share_the_rungs_of_their_runs() -> None:
    runs = read_tasks(tasks())
    spec = build_spec(COUNTS, runs, rung=True)
    assert len(spec.labels["rung"]) == 8
    data = build_data(spec, COUNTS, runs)
    np.testing.assert_array_equal(data.rung[:8], data.rung[8:])


def test_rung_effects_move_the_loss_and_the_metric_with_it() -> None:
    runs = read(table())
    spec = build_spec(DECAY, runs, rung=True)
    structure, data = spec.structure(DECAY), build_data(spec, DECAY, runs)
    values = values_of(structure, data) | {"rung_sd": jnp.asarray(0.01)}
    effect = np.asarray(values["rung_effect"])[np.asarray(data.rung)]
    loss, metric = terms(structure, data, values)
    scalars = {k: v for k, v in values.items() if not k.startswith("rung")}
    expected, _ = by_hand(spec, scalars, LOSS)
    wanted = stats.t.logpdf(np.log(LOSS), NU, expected + effect, LOSS_SIGMA) - np.log(LOSS)
    np.testing.assert_allclose(loss, wanted, rtol=1e-7)
    carry = float(values["carry"])
    followed = expected + effect + carry * (np.log(LOSS) - expected - effect)
    mean = decay_by_hand(spec, scalars, np.exp(followed))
    np.testing.assert_allclose(metric, stats.t.logpdf(ERROR, NU, mean, SIGMA), rtol=1e-6)


def test_draws_of_metrics_have_the_distribution_of_their_density() -> None:
    loss = LOSS.copy()
    loss[2] = np.nan
    _, structure, data = built(DECAY, read(table(loss=loss)))
    values = values_of(structure, data)
    metrics = traced(structure, data, values)["response"]["fn"]
    assert isinstance(metrics, Metrics)
    drawn = np.asarray(jax.jit(lambda key: metrics.sample(key, (4000,)))(jax.random.key(1)))
    grid = jnp.linspace(-0.2, 1.6, 4001)
    for row in (0, 2):
        density = jax.vmap(lambda v, r=row: metrics.log_prob(jnp.full(8, v))[r])(grid)
        cdf = integrate.cumulative_simpson(np.exp(density), x=np.asarray(grid), initial=0.0)
        assert cdf[-1] == pytest.approx(1.0, abs=2e-3)
        uniform = np.interp(drawn[:, row], np.asarray(grid), cdf / cdf[-1])
        assert stats.kstest(uniform, "uniform").pvalue > 1e-3


def test_what_a_chain_needs() -> None:
    plain = read_runs(table(), inputs={"X": "X"}, response="metric", unit="fraction")
    with pytest.raises(UsageError, match=r"names no loss: name its column with through= \(--thr"):
        build_spec(DECAY, plain)
    with pytest.raises(UsageError, match=r"law power_law is no chain.*chinchilla\+error_decay"):
        build_spec(registry["power_law"], read(table()))
    with pytest.raises(
        TableError, match=r"column 'loss' has 1 value that is not positive \(row 1\).*--through"
    ):
        read(table(loss=[-1.0, *LOSS[1:]]))
