"""Rows that the posterior finds out of line: diverged, off schedule, copied, or a bad rung.

A robust noise keeps such rows from moving the fit, and so hides them: the tail that it learns from
them excuses them. Here a row must answer two questions. It must be impossible for normal noise of
the fitted scale: five sds off, and in a tail of less than .01 over the number of rows. Alone that
would name two rows of every clean table of 245 whose noise is Student-t with 4 degrees of freedom.
So a mixture must put it among strays, too: rows come from Student-t noise of unknown tail and
scale, with 4 degrees of freedom or more, or are strays of any size. What speaks for a stray is then
the gap to the other rows, whose tail is learned without it, and several do not hide one another.

Of tables simulated from Student-t(4) with 12 to 1,000 rows, 2 to 5 % name a row at all, and of
those of normal noise none; a run 20 sds off is found in all, up to 245 rows; one that is 6.7 sds
off (2 % at noise of .3 %) among normal ones in two of three or more. In Student-t(4) noise such a
run is nothing unusual, and no rule can find it there without naming clean ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from jaxtyping import Bool, Float, Int
from scipy.special import betaln, gammaln, logsumexp, ndtr

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.program import Data
from bayes_scaling.program.noise import RUNG_NU, Noise
from bayes_scaling.runs import Runs

from .levels import OddSet, odd_sets, usual_sd
from .pointwise import Trace, at_draws, data_of, drawn_sites, runs_of

if TYPE_CHECKING:
    from .fit import Fit

LEAST = 5.0  # sds
TAIL = 0.01  # of normal noise, over the number of rows
CHANCE = 0.5  # of being a stray
NUS = np.array([4.0, 5.0, 7.0, 10.0, 16.0, 30.0, 100.0])
SCALES = np.exp(np.linspace(-0.5, 0.5, 11))  # of the fitted one
FARTHEST = 200.0  # strays are spread evenly over the logarithm of 1 to this many sds
MOST = 0.2  # of the rows
DRAWS = 200
MOST_PULL = 0.5
COINCIDENCES = 0.05  # equal responses that chance may bring about
NAMED = 5
FAR, RUNG, COPY = "far from the law", "rung far from the law", "copy of"
SET = "in a set that is out of line:"


def suspicious(fit: Fit) -> pd.DataFrame:
    """Judge every row of the fitted table by the posterior.

    Parameters
    ----------
    fit : Fit
        With noise around the law (not counts, shares, chains or frontiers), without serial
        correlation: points of one curve are no rows of their own.

    Returns
    -------
    DataFrame
        One row a run that finished, the worst first. Columns: ``row`` (its number in the
        source) and ``run`` where it has a name; inputs and grouping columns; ``response`` and
        ``expected`` (the law with the effect of its rung, unless it is alone in it; unit of the
        response); ``residual`` in sds of the noise, known errors included, as it were without
        the row; ``pull``, how far the row itself decides what is expected of it: where it is
        near one, no other row can tell; ``tail``, the two-sided share of normal noise that lies
        farther off; ``chance`` of being a stray; ``reason``, empty for rows that are in line.

    Raises
    ------
    UsageError
        If the fit has another kind of noise, or serial correlation.

    Notes
    -----
    Nothing is dropped: `Fit.warnings` names the worst rows under the code ``suspicious-rows``.
    """
    if not judged(fit):
        raise UsageError(
            f"rows are judged where each is one run with noise around the law; this fit has noise "
            f"{fit.spec.noise}{', in a chain' if fit.law.link else ''}"
            f"{', with serial correlation' if fit.spec.serial else ''}"
        )
    return _judge(fit).table


def judged(fit: Fit) -> bool:
    """Whether rows of a fit can be judged, each by itself."""
    noise = fit.structure.noise
    return isinstance(noise, Noise) and not (noise.side or fit.law.link or fit.spec.serial)


def suspicious_findings(fit: Fit) -> Iterator[Finding]:
    """Warnings that name the worst rows, rungs and copies, and count the others."""
    if not judged(fit):
        return
    table, rungs, sets = _judge(fit)
    far = table[table["reason"] == FAR]
    if len(far):
        said = [f"{_called(fit, r)}, {_off(r)}" for _, r in far.iterrows()]
        yield _finding(
            f"{_count(len(far), 'row')} out of line, whatever tail the noise has: {_few(said)}; "
            f"look for runs that diverged (diverged_above, --diverged-above), stopped early or had "
            f"another schedule, batch size or data, and correct them or leave them out"
        )
    if rungs:
        yield _finding(
            f"{_count(len(rungs), 'rung')} out of line with the other rungs: {_few(rungs)}; look "
            f"for what its runs share, such as too few steps or another evaluation set"
        )
    if sets:
        said = [f"{s.named} ({s.rows.sum()} runs), {s.mean:+.1f} sds" for s in sets]
        yield _finding(
            f"rows that share a label are out of line together: {_few(said)}; no argument names "
            f"that column: if it matters to the loss make it a group or an input of the law "
            f"(--group, --input), or leave those rows out (--where)"
        )
    copies = table[table["reason"].str.startswith(COPY)]
    if len(copies):
        said = [
            f"{_called(fit, r)}, {r['response']:.6g}: {r['reason']}" for _, r in copies.iterrows()
        ]
        yield _finding(
            f"{_count(len(copies), 'row')} equal to another row in inputs and response, under "
            f"another label: {_few(said)}; the fit counts each as evidence of its own, so keep one "
            f"of them unless they are separate runs"
        )


def stray_chances(z: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    """Chance that each row is a stray, and no draw of a common Student-t noise.

    Parameters
    ----------
    z : (rows,) array
        Deviations in sds.

    Notes
    -----
    Given tail and scale, the strays are the farthest rows, of a number that is summed over; tail
    and scale are summed over grids. Prior odds of strays are those of a Polya urn.
    """
    rows, z = len(z), z / max(1.0, usual_sd(z))
    order = np.argsort(-np.abs(z), kind="stable")
    size = np.abs(z)[order]
    most = min(int((size >= LEAST).sum()), max(1, int(MOST * rows)))
    found = np.zeros(rows)
    if not most:
        return found
    density = _log_density(size)
    whole = density.sum(axis=-1, keepdims=True)
    left = np.concatenate([whole, whole - np.cumsum(density[..., :most], axis=-1)], axis=-1)
    evidence = logsumexp(left, axis=(0, 1))  # of the rows that are no strays, by how many are
    evidence[1:] -= np.cumsum(np.log(size[:most] * math.log(FARTHEST)))
    count = np.arange(most + 1)
    # of that set: four tables in five have half a stray, one has them in a twentieth of its rows
    urns = ((0.8, 0.5, rows), (0.2, 1.0, 20.0))
    evidence += logsumexp(
        [np.log(w) + betaln(a + count, b + rows - count) - betaln(a, b) for w, a, b in urns], axis=0
    )
    chance = np.exp(evidence - logsumexp(evidence))
    found[order[:most]] = np.cumsum(chance[::-1])[::-1][1:]
    return found


def _log_density(size: Float[np.ndarray, " row"]) -> Float[np.ndarray, "nu scale row"]:
    """Of absolute values in Student-t noise, over the grids."""
    nu, scale = NUS[:, None, None], SCALES[:, None]
    whole = gammaln((nu + 1) / 2) - gammaln(nu / 2) - np.log(np.sqrt(nu * np.pi) * scale / 2)
    return whole - (nu + 1) / 2 * np.log1p((size / scale) ** 2 / nu)


class Judged(NamedTuple):
    """Every row that finished, the worst first, what is said of bad rungs, and bad sets."""

    table: pd.DataFrame
    rungs: list[str]
    sets: list[OddSet]


def _judge(fit: Fit) -> Judged:
    runs, data = runs_of(fit), data_of(fit)
    thin = max(1, fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"] // DRAWS)
    found = at_draws(fit, _deviations, thin=thin, data=data)
    centre, off, spread = (found[k].reshape(-1, len(runs)) for k in ("centre", "off", "spread"))
    said: list[str] = []
    bad = np.zeros(len(runs), dtype=bool)
    if fit.structure.rungs:
        rung, sites = np.asarray(data.rung), drawn_sites(fit).isel(draw=slice(None, None, thin))
        sd = sites["rung_sd"].to_numpy().reshape(-1, 1)
        effect = sites["rung_effect"].to_numpy().reshape(len(sd), -1)
        # what lies in a rung alone cannot be told from its rung
        alone = (np.bincount(rung)[rung] < 2).astype(float)
        centre, off = centre - alone * effect[:, rung], off + alone * effect[:, rung]
        spread = np.hypot(spread, alone * sd)
        bad, said = _bad_rungs(fit, effect / sd, rung)
    noise = fit.structure.noise
    nu = float(fit.posterior["nu"].mean()) if noise.robust else math.inf
    table = _columns(fit, runs)
    table["expected"] = np.asarray(noise.from_scale(jnp.asarray(centre))).mean(axis=0)
    kept = ~runs.diverged
    if "untuned" in runs.frame:  # how far those lie above the law is not noise
        kept &= ~runs.frame["untuned"].to_numpy(dtype=bool)
    far, judged_by = _out_of_line((off / spread)[:, kept], nu)
    table = table[kept].assign(**judged_by, reason="")
    sets = odd_sets(
        judged_by["residual"], runs.unread_labels[kept], runs.frame[kept], runs.inputs, fit.groups
    )
    for odd in reversed(sets):  # the worst has the last word
        table.loc[odd.rows, "reason"] = f"{SET} {odd.named}"
    for row, first in _copies(fit, runs.frame[kept], spread.mean(axis=0)[kept]).items():
        table.loc[table["row"] == row, "reason"] = (
            f"{COPY} {_label(table[table['row'] == first].iloc[0])}"
        )
    table.loc[bad[kept], "reason"] = RUNG
    table.loc[far, "reason"] = FAR
    order = np.argsort(-table["residual"].abs().to_numpy(), kind="stable")
    return Judged(table.iloc[order].reset_index(drop=True), said, sets)


def _deviations(trace: Trace, data: Data) -> dict[str, Array]:
    seen = trace["response"]["fn"]
    off = seen.structure.noise.to_scale(data.response) - seen.centre
    return {"centre": seen.centre, "off": off, "spread": seen.spread}


def _out_of_line(
    z: Float[np.ndarray, "draw row"], nu: float
) -> tuple[Bool[np.ndarray, " row"], dict[str, Float[np.ndarray, " row"]]]:
    """Which rows, or rungs, are out of line, and the columns that say so.

    A row that nothing else holds in place pulls the law to itself. What it would be off without
    that is that of a linear model, in which the variance of its mean says how much it pulls.
    """
    residual = z.mean(axis=0)
    weight = 1.0 if math.isinf(nu) else (nu + 1) / (nu + residual**2)
    pull = np.minimum(weight * z.var(axis=0), MOST_PULL)
    residual = residual / np.sqrt(1 - pull)
    if math.isinf(nu):  # strays widen normal noise: what most rows say of it counts
        residual = residual / (min(1.0, usual_sd(residual)) or 1.0)
    tail, chance = 2 * ndtr(-np.abs(residual)), stray_chances(residual)
    far = (np.abs(residual) >= LEAST) & (tail < TAIL / len(tail)) & (chance > CHANCE)
    return far, {"residual": residual, "pull": pull, "tail": tail, "chance": chance}


def _bad_rungs(
    fit: Fit, z: Float[np.ndarray, "draw rung"], rung: Int[np.ndarray, " row"]
) -> tuple[Bool[np.ndarray, " row"], list[str]]:
    """Rows of rungs of several runs whose effect is out of line, and what is said of each."""
    shared = np.flatnonzero(np.bincount(rung, minlength=z.shape[1]) > 1)
    if not len(shared):
        return np.zeros(len(rung), dtype=bool), []
    far, found = _out_of_line(z[:, shared], RUNG_NU)
    worst = np.argsort(-np.abs(found["residual"]))
    worst = worst[far[worst]]
    labels = fit.spec.labels["rung"]
    said = [
        f"{labels[shared[i]]} ({(rung == shared[i]).sum()} runs), {found['residual'][i]:+.0f} sds "
        f"of rungs"
        for i in worst
    ]
    return np.isin(rung, shared[worst]), said


def _columns(fit: Fit, runs: Runs) -> pd.DataFrame:
    """Row, name, inputs, groups and response of the runs."""
    frame = runs.frame
    name = ["run"] if "run" in frame else []
    return frame[["row", *name, *runs.inputs, *fit.groups, "response"]].copy()


def _copies(fit: Fit, frame: pd.DataFrame, spread: Float[np.ndarray, " row"]) -> dict[int, int]:
    """Numbers of rows with inputs and response of an earlier one under another label, and its.

    Under one label reading the table finds them. Responses that are rounded so far that a
    pair of them may well be equal by chance say nothing.
    """
    labels = [*fit.groups, *(["seed"] if "seed" in frame else [])]
    place = [
        *(k for k in fit.law.inputs if k in frame),
        *(["schedule"] if "schedule" in frame else []),
    ]
    response = frame["response"]
    first = frame.groupby([*place, "response"], dropna=False, sort=False)["row"].transform("first")
    again = (frame["row"] != first) & ~frame.duplicated([*place, *labels, "response"])
    if not again.any():
        return {}
    noise = fit.structure.noise
    assert isinstance(noise, Noise)
    sd = spread * (response.abs().to_numpy() if noise.on_log else 1.0)
    decimals = max(len(_digits(v).partition(".")[2]) for v in response)
    equal = np.minimum(1.0, 10.0**-decimals / (2 * math.sqrt(math.pi) * sd))
    partners = frame.groupby(place, dropna=False)["row"].transform("size") - 1
    if (equal * partners).sum() / 2 > COINCIDENCES:
        return {}
    return dict(zip(frame["row"][again].tolist(), first[again].tolist(), strict=True))


def _digits(value: float) -> str:
    return np.format_float_positional(value, trim="-")


def _label(row: pd.Series) -> str:
    return str(row["run"]) if "run" in row else f"row {row['row']}"


def _called(fit: Fit, row: pd.Series) -> str:
    inputs = [f"{k} {row[k]:.3g}" for k in fit.law.inputs if k in row and pd.notna(row[k])]
    return f"{_label(row)} ({', '.join([*inputs, *(row[g] for g in fit.groups)])})"


def _off(row: pd.Series) -> str:
    return f"{row['response']:.4g} for {row['expected']:.4g} ({row['residual']:+.0f} sds)"


def _few(said: Sequence[str]) -> str:
    rest = len(said) - NAMED
    return "; ".join(said[:NAMED]) + (f"; and {rest} more, see suspicious(fit)" if rest > 0 else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s are' if number > 1 else ' is'}"


def _finding(message: str) -> Finding:
    return Finding("suspicious-rows", "warning", message)
