"""Figures of fits and answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayes_scaling.answers.forecast import Forecast, forecast
from bayes_scaling.errors import UsageError
from bayes_scaling.posterior.fit import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE_POINTS = 60
CURVES_A_PANEL = 6  # more sizes than this cannot be told apart by colour
BEYOND = 3.0  # factor beyond the fitted range that curves are drawn


def plot(thing: Fit | Forecast, figure: str = "fit") -> Figure:
    """Draw a fit or an answer.

    Parameters
    ----------
    thing : Fit or Forecast
    figure : {"fit", "prior", "residuals", "trace"}
        For a fit: curves with 90 % intervals over the runs, along every input;
        prior against posterior; residuals by run and by group; or the chains.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    UsageError
        If there is no such figure.
    """
    if isinstance(thing, Forecast):
        return _forecast_figure(thing)
    drawers: dict[str, Callable[[Fit], Figure]] = {
        "fit": _fit_figure,
        "prior": _prior_figure,
        "residuals": _residual_figure,
        "trace": _trace_figure,
    }
    if figure not in drawers:
        raise UsageError(f"no figure '{figure}'; there are {', '.join(drawers)}")
    return drawers[figure](thing)


def save_figure(thing: Fit | Forecast, path: Path, figure: str = "fit") -> None:
    """Draw to a file; the ending of its name chooses the format.

    Raises
    ------
    UsageError
        If the folder does not exist or the format is unknown.
    """
    formats = (".png", ".pdf", ".svg")
    if path.suffix.lower() not in formats:
        raise UsageError(f"'{path}' must end in one of {', '.join(formats)}")
    if not path.parent.is_dir():
        raise UsageError(f"folder '{path.parent}' of the figure does not exist; make it first")
    import matplotlib

    matplotlib.use("Agg", force=False)
    drawn = plot(thing, figure)
    drawn.savefig(path, dpi=150, bbox_inches="tight")
    matplotlib.pyplot.close(drawn)


def _subplots(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, Any]:
    import matplotlib.pyplot as plt

    return plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")


def _frame(fit: Fit) -> pd.DataFrame:
    """Inputs, labels and responses of the fitted runs."""
    constants = fit.tree["constant_data"].to_dataset().to_dataframe().reset_index(drop=True)
    observed = fit.tree["observed_data"]["response"].to_numpy()
    return constants.assign(response=observed)


def _panels(fit: Fit, frame: pd.DataFrame) -> Iterator[tuple[str, dict[str, str], pd.DataFrame]]:
    """Title, labels and runs of each group."""
    if not fit.groups:
        yield "", {}, frame
        return
    for key, runs in frame.groupby(list(fit.groups)):
        labels = dict(zip(fit.groups, map(str, key), strict=True))
        yield ", ".join(labels.values()), labels, runs


def _fit_figure(fit: Fit) -> Figure:
    """One row a group, one column an input: runs, and curves with 90 % intervals."""
    panels = list(_panels(fit, _frame(fit)))
    inputs = list(fit.law.inputs)
    figure, axes = _subplots(len(panels), len(inputs), (5.2 * len(inputs), 3.4 * len(panels) + 0.4))
    for row, (title, labels, runs) in zip(axes, panels, strict=True):
        for ax, along in zip(row, inputs, strict=True):
            _curves(ax, fit, runs, labels, along)
            ax.set_title(title, fontsize="medium")
    figure.suptitle(
        f"{fit.law.name}: runs, curves and 90 % intervals of one more run\n"
        "(runs are carried along the mean to the value of their curve)"
    )
    return figure


def _curves(ax: Axes, fit: Fit, runs: pd.DataFrame, labels: dict[str, str], along: str) -> None:
    import matplotlib

    others = [k for k in fit.law.inputs if k != along]
    cells = _cells(runs, others)
    colours = matplotlib.colormaps["viridis"](np.linspace(0.05, 0.9, max(len(cells), 1)))
    low, high = fit.spec.ranges[along]
    grid = np.geomspace(low, high * BEYOND, CURVE_POINTS)
    for colour, (held, members) in zip(colours, cells, strict=True):
        points = pd.DataFrame({along: grid, **held, **labels})
        bands = forecast(fit, points, force=True).summary()
        label = ", ".join(f"{k} {v:.2g}" for k, v in held.items()) or None
        ax.plot(grid, bands["q0.5"], color=colour, lw=1.2, label=label)
        ax.fill_between(grid, bands["q0.05"], bands["q0.95"], color=colour, alpha=0.2, lw=0)
        carried = _carry(fit, members.assign(**labels), held)
        ax.plot(members[along], carried, "o", ms=3, color=colour)
    ax.axvline(high, color="0.6", lw=0.8, ls=":")
    meaning = fit.law.inputs[along]
    ax.set(xscale="log", yscale="log", xlabel=f"{along}, {meaning.meaning} ({meaning.unit})",
           ylabel=f"{fit.record.response} ({fit.record.unit})")  # fmt: skip
    _plain_log_ticks(ax)
    if others:
        ax.legend(fontsize="x-small", frameon=False)


def _carry(fit: Fit, runs: pd.DataFrame, held: dict[str, float]) -> np.ndarray:
    """Responses moved along the fitted mean to where a curve is drawn."""
    at = runs[[*fit.law.inputs, *fit.groups]]
    both = pd.concat([at, at.assign(**held)], ignore_index=True)
    mean = forecast(fit, both, kind="mean", force=True).summary()["q0.5"].to_numpy()
    carried: np.ndarray = runs["response"].to_numpy() * mean[len(runs) :] / mean[: len(runs)]
    return carried


def _cells(runs: pd.DataFrame, others: list[str]) -> list[tuple[dict[str, float], pd.DataFrame]]:
    """Runs by the value of the other inputs, binned where there are many values."""
    if not others:
        return [({}, runs)]
    key = others[0]
    values = np.log(runs[key].to_numpy(dtype=float))
    unique = np.unique(np.round(values, 2))
    if len(unique) > CURVES_A_PANEL:
        edges = np.quantile(values, np.linspace(0, 1, CURVES_A_PANEL + 1))
        bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, CURVES_A_PANEL - 1)
    else:
        bins = np.searchsorted(unique, np.round(values, 2))
    found = []
    for b in np.unique(bins):
        members = runs[bins == b]
        held = {k: float(np.exp(np.log(members[k].astype(float)).median())) for k in others}
        found.append((held, members))
    return found


def _plain_log_ticks(ax: Axes) -> None:
    """Losses such as 2.5 rather than 2.5 x 10^0 on the vertical log axis."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    low, high = ax.get_ylim()
    if high / low < 20:
        subs = (
            (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
            if high / low > 1.6
            else tuple(np.arange(1, 10, 0.1 if high / low > 1.15 else 0.05))
        )
        ax.yaxis.set_major_locator(LogLocator(base=10, subs=subs))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:.3g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())


def _forecast_figure(answer: Forecast) -> Figure:
    """Median, 50 % and 90 % intervals of every point, with the truth where it is given."""
    table = answer.summary()
    figure, axes = _subplots(1, 1, (7.5, 0.45 * len(table) + 1.6))
    ax = axes[0, 0]
    height = np.arange(len(table))[::-1]
    ax.hlines(height, table["q0.05"], table["q0.95"], color="C0", lw=2, label="90 % interval")
    ax.hlines(height, table["q0.25"], table["q0.75"], color="C0", lw=6, label="50 % interval")
    ax.plot(table["q0.5"], height, "o", color="white", mec="C0", ms=5, label="median")
    if "observed" in table:
        ax.plot(table["observed"], height, "x", color="C3", ms=7, mew=2, label="observed")
    ax.set_yticks(height, [_point_label(answer, row) for _, row in table.iterrows()])
    ax.set_ylim(-0.7, len(table) - 0.3)
    ax.set_xlabel(f"{answer.response} ({answer.unit})")
    what = "one more run" if answer.kind == "new-run" else "the law's mean"
    ax.set_title(f"{answer.law}: forecast of {what}", fontsize="medium")
    ax.legend(fontsize="small", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _point_label(answer: Forecast, row: pd.Series) -> str:
    inputs = ", ".join(f"{k} {row[k]:.3g}" for k in answer.extrapolation.columns)
    labels = [str(row[g]) if isinstance(row[g], str) else "(new)" for g in answer.groups]
    return "  ".join([*labels, inputs])


def _prior_figure(fit: Fit) -> Figure:
    """Prior and posterior density of every parameter's own or central value."""
    from bayes_scaling.law.priors import LINKS

    structure, spec = fit.structure, fit.spec
    parameters = list(fit.law.parameters)
    columns = min(3, len(parameters))
    rows = -(-len(parameters) // columns)
    figure, axes = _subplots(rows, columns, (3.6 * columns, 2.6 * rows))
    rng = np.random.default_rng(0)
    for ax in axes.flat[len(parameters) :]:
        ax.set_visible(False)
    for ax, p in zip(axes.flat, parameters, strict=False):
        parameter = fit.law.parameters[p]
        free = rng.normal(spec.prior_loc[p], spec.prior_sd[p], 20_000)
        prior = np.asarray(LINKS[parameter.prior.link].to_support(free))
        draws = fit.posterior[structure.centre_site(p)].to_numpy().ravel()
        low = min(np.quantile(prior, 0.02), draws.min())
        high = max(np.quantile(prior, 0.95), draws.max())
        ax.hist(prior, bins=60, range=(low, high), density=True, color="0.75", label="prior")
        ax.hist(draws, bins=40, density=True, color="C0", alpha=0.7, label="posterior")
        unit = f" ({parameter.unit})" if parameter.unit else ""
        pooled = ", centre" if structure.columns_of(p, "partial") else ""
        ax.set(xlabel=f"{p}{pooled}{unit}", yticks=[])
    axes[0, 0].legend(fontsize="small", frameon=False)
    figure.suptitle(f"{fit.law.name}: prior against posterior")
    return figure


def _residual_figure(fit: Fit) -> Figure:
    """Relative residuals of the law's mean: along each input, by rung and by group."""
    from matplotlib.ticker import NullFormatter

    frame = _frame(fit)
    points = frame[[*fit.law.inputs, *fit.groups]]
    mean = forecast(fit, points, kind="mean", force=True).summary()["q0.5"].to_numpy()
    residual = 100 * (frame["response"].to_numpy() / mean - 1)
    group = frame[list(fit.groups)].agg(", ".join, axis=1) if fit.groups else None
    styled = list(_by_group(group, len(frame)))
    inputs = list(fit.law.inputs)
    rungs = _size_order(frame, inputs) if fit.structure.rungs else None
    columns = len(inputs) + (rungs is not None) + (group is not None)
    figure, axes = _subplots(1, columns, (4.4 * columns, 4.2))
    for ax, name in zip(axes[0], inputs, strict=False):
        for label, mine, style in styled:
            ax.plot(frame[name][mine], residual[mine], label=label or None, **style)
        ax.set(xscale="log", xlabel=f"{name}, {fit.law.inputs[name].meaning} "
               f"({fit.law.inputs[name].unit})", ylabel="observed / mean - 1 (%)")  # fmt: skip
        ax.axhline(0, color="0.5", lw=0.8)
        ax.xaxis.set_minor_formatter(NullFormatter())
    rest = iter(axes[0, len(inputs) :])
    if rungs is not None:
        ax = next(rest)
        for _, mine, style in styled:
            ax.plot(rungs[mine], residual[mine], **style)
        ax.axhline(0, color="0.5", lw=0.8)
        ax.set(xlabel="rung, from the smallest to the largest")
    if group is not None:
        ax = next(rest)
        for i, (_, mine, style) in enumerate(styled):
            ax.plot(residual[mine], np.full(int(mine.sum()), i), **style)
        ax.axvline(0, color="0.5", lw=0.8)
        ax.set_yticks(range(len(styled)), [label for label, _, _ in styled])
        ax.set_xlabel("observed / mean - 1 (%)")
    figure.suptitle(f"{fit.law.name}: residuals of the mean")
    return figure


def _by_group(
    group: pd.Series | None, runs: int
) -> Iterator[tuple[str, np.ndarray, dict[str, Any]]]:
    """Label, rows and marker of each group."""
    labels = sorted(group.unique()) if group is not None else [""]
    for i, label in enumerate(labels):
        mine = np.ones(runs, bool) if group is None else (group == label).to_numpy()
        style = {"ls": "", "marker": "osD^v<>ph"[i % 9], "ms": 4, "alpha": 0.7}
        yield label, mine, style | {"color": f"C{i % 10}"}


def _size_order(frame: pd.DataFrame, inputs: list[str]) -> np.ndarray:
    """Position of each run's rung, ordered by the product of its inputs."""
    logs = np.log(frame[inputs].to_numpy(dtype=float)).round(2)
    rungs, mine = np.unique(logs, axis=0, return_inverse=True)
    order = np.lexsort((rungs[:, 0], rungs.sum(axis=1).round(1)))
    return np.argsort(order)[mine.ravel()]


def _trace_figure(fit: Fit) -> Figure:
    """Rank plots of the chains, by ArviZ."""
    import arviz_plots as azp

    names = [
        k
        for k, s in fit.structure.sites().items()
        if s.kind in ("centre", "group_sd", "noise", "rung_sd")
    ]
    drawn = azp.plot_rank_dist(fit.tree, var_names=names, backend="matplotlib")
    found: Figure = drawn.viz["figure"].item()
    return found
