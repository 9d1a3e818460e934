"""Figures of fits and answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayes_scaling.answers.forecast import Forecast, forecast
from bayes_scaling.errors import UsageError
from bayes_scaling.law import Input, Law
from bayes_scaling.posterior.fit import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE_POINTS = 60
COLUMNS = 4  # of panels
CURVES_A_PANEL = 6  # more sizes than this cannot be told apart by colour
BEYOND = 3.0  # factor beyond the fitted range that curves are drawn, on a log axis
BEYOND_SHARE = 0.3  # the same on a linear axis, in widths of the fitted range
LEGEND_INPUTS = 3  # more of them than this make a legend wider than its panel
LIMITS = {"fraction": (0.0, 1.0), "nonnegative": (0.0, np.inf)}


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
    """Runs, and curves with 90 % intervals: a panel an input, on rows of its own each group."""
    groups = list(_panels(fit, _frame(fit)))
    inputs = list(fit.law.inputs)
    columns = min(len(inputs), COLUMNS)
    rows = -(-len(inputs) // columns)  # of one group
    figure, axes = _subplots(
        rows * len(groups), columns, (5.2 * columns, 3.4 * rows * len(groups) + 0.4)
    )
    for i, (title, labels, runs) in enumerate(groups):
        own = axes[i * rows : (i + 1) * rows].ravel()
        for ax, along in zip(own, inputs, strict=False):
            _curves(ax, fit, runs, labels, along)
            ax.set_title(title, fontsize="medium")
        for ax in own[len(inputs) :]:
            ax.set_visible(False)
    dashed = "; dashed: the frontier" if fit.structure.noise.side else ""
    figure.suptitle(
        f"{fit.law.name}: runs, curves and 90 % intervals of one more run{dashed}\n"
        "(runs are carried along the mean to the value of their curve)"
    )
    return figure


def _curves(ax: Axes, fit: Fit, runs: pd.DataFrame, labels: dict[str, str], along: str) -> None:
    import matplotlib

    law, noise = fit.law, fit.structure.noise
    others = [k for k in law.inputs if k != along]
    # the input that the curves are told apart by comes first
    others.sort(key=lambda k: runs[k].nunique() == 1)
    cells = _cells(law, runs, others)
    colours = matplotlib.colormaps["viridis"](np.linspace(0.05, 0.9, max(len(cells), 1)))
    low, high = fit.spec.ranges[along]
    grid = _grid(law.inputs[along], low, high)
    for colour, (held, members) in zip(colours, cells, strict=True):
        points = pd.DataFrame({along: grid, **held, **labels})
        bands = forecast(fit, points, force=True).summary()
        label = ", ".join(f"{k} {_short(held[k])}" for k in others[:LEGEND_INPUTS]) or None
        ax.plot(grid, bands["q0.5"], color=colour, lw=1.2, label=label)
        ax.fill_between(grid, bands["q0.05"], bands["q0.95"], color=colour, alpha=0.2, lw=0)
        if noise.side:
            ax.plot(grid, _mean(fit, points), color=colour, lw=1.2, ls="--")
        carried = _carry(fit, members.assign(**labels), held)
        ax.plot(members[along], carried, "o", ms=3, color=colour)
    ax.axvline(high, color="0.6", lw=0.8, ls=":")
    ax.set(xscale=_scale(law, along), xlabel=_axis_label(law, along),
           yscale="log" if noise.on_log else "linear",
           ylabel=f"{fit.record.response} ({fit.record.unit})")  # fmt: skip
    if noise.on_log:
        _plain_log_ticks(ax)
    if others:
        rest = "other inputs at medians" if len(others) > LEGEND_INPUTS else None
        ax.legend(fontsize="x-small", frameon=False, title=rest, title_fontsize="x-small")


def _grid(declared: Input, low: float, high: float) -> np.ndarray:
    """Values of an input from the smallest fitted one to some beyond the largest."""
    if declared.on_log:
        return np.geomspace(low, high * BEYOND, CURVE_POINTS)
    width = (high - low) or 0.1 * abs(high) or 1.0
    start = low if high > low else low - width
    least, most = LIMITS.get(declared.domain, (-np.inf, np.inf))
    return np.linspace(max(start, least), min(high + BEYOND_SHARE * width, most), CURVE_POINTS)


def _scale(law: Law, name: str) -> str:
    return "log" if law.inputs[name].on_log else "linear"


def _axis_label(law: Law, name: str) -> str:
    unit = law.inputs[name].unit
    return f"{name}, {law.inputs[name].meaning}" + (f" ({unit})" if unit not in ("", "1") else "")


def _short(value: float) -> str:
    """Three digits, but all of a date."""
    return f"{value:.6g}" if 1000 <= abs(value) < 10_000 else f"{value:.3g}"


def _mean(fit: Fit, points: pd.DataFrame) -> np.ndarray:
    """Median of the law's mean at points."""
    return forecast(fit, points, kind="mean", force=True).summary()["q0.5"].to_numpy()


def _carry(fit: Fit, runs: pd.DataFrame, held: dict[str, float]) -> np.ndarray:
    """Responses moved along the fitted mean to where a curve is drawn."""
    at = runs[[*fit.law.inputs, *fit.groups]]
    both = pd.concat([at, at.assign(**held)], ignore_index=True)
    own, there = np.split(_mean(fit, both), 2)
    response = runs["response"].to_numpy()
    carried: np.ndarray = (
        response * there / own if fit.structure.noise.on_log else response + there - own
    )
    return carried


def _cells(
    law: Law, runs: pd.DataFrame, others: list[str]
) -> list[tuple[dict[str, float], pd.DataFrame]]:
    """Runs by the value of the first other input, binned where there are many values."""
    if not others:
        return [({}, runs)]
    values = _even(law, runs, others[0])
    unique = np.unique(values)
    if len(unique) > CURVES_A_PANEL:
        edges = np.quantile(values, np.linspace(0, 1, CURVES_A_PANEL + 1))
        bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, CURVES_A_PANEL - 1)
    else:
        bins = np.searchsorted(unique, values)
    found = []
    for b in np.unique(bins):
        members = runs[bins == b]
        found.append(({k: _middle(law, members, k) for k in others}, members))
    return found


def _even(law: Law, runs: pd.DataFrame, name: str) -> np.ndarray:
    """Values of an input on its own axis, equal where they differ by a hundredth or so."""
    values = runs[name].to_numpy(dtype=float)
    if law.inputs[name].on_log:
        return np.log(values).round(2)
    return ((values - values.min()) / (np.ptp(values) or 1.0)).round(2)


def _middle(law: Law, runs: pd.DataFrame, name: str) -> float:
    """Median of an input on its own axis."""
    values = runs[name].to_numpy(dtype=float)
    if law.inputs[name].on_log:
        return float(np.exp(np.median(np.log(values))))
    return float(np.median(values))


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
    inputs = ", ".join(f"{k} {_short(row[k])}" for k in answer.extrapolation.columns)
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
    """Residuals of the law's mean: along each input, by rung and by group."""
    from matplotlib.ticker import NullFormatter

    frame, inputs = _frame(fit), list(fit.law.inputs)
    residual, what = _residuals(fit, frame)
    group = frame[list(fit.groups)].agg(", ".join, axis=1) if fit.groups else None
    styled = list(_by_group(group, len(frame)))
    rungs = _size_order(fit.law, frame) if fit.structure.rungs else None
    panels = len(inputs) + (rungs is not None) + (group is not None)
    columns = min(panels, COLUMNS)
    rows = -(-panels // columns)
    figure, axes = _subplots(rows, columns, (4.4 * columns, 4.2 * rows))
    rest = iter(axes.flat)
    for name, ax in zip(inputs, rest, strict=False):
        for label, mine, style in styled:
            ax.plot(frame[name][mine], residual[mine], label=label or None, **style)
        ax.set(xscale=_scale(fit.law, name), xlabel=_axis_label(fit.law, name), ylabel=what)
        ax.axhline(0, color="0.5", lw=0.8)
        if ax.get_xscale() == "log":
            ax.xaxis.set_minor_formatter(NullFormatter())
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
        ax.set_xlabel(what)
        ax.locator_params(axis="x", nbins=6)
    for ax in rest:
        ax.set_visible(False)
    figure.suptitle(f"{fit.law.name}: residuals of the mean")
    return figure


def _residuals(fit: Fit, frame: pd.DataFrame) -> tuple[np.ndarray, str]:
    """Residuals on the scale of the noise, and what they are called."""
    observed = frame["response"].to_numpy()
    mean = _mean(fit, frame[[*fit.law.inputs, *fit.groups]])
    if fit.structure.noise.on_log:
        return 100 * (observed / mean - 1), "observed / mean - 1 (%)"
    return observed - mean, f"observed - mean ({fit.record.unit})"


def _by_group(
    group: pd.Series | None, runs: int
) -> Iterator[tuple[str, np.ndarray, dict[str, Any]]]:
    """Label, rows and marker of each group."""
    labels = sorted(group.unique()) if group is not None else [""]
    for i, label in enumerate(labels):
        mine = np.ones(runs, bool) if group is None else (group == label).to_numpy()
        style = {"ls": "", "marker": "osD^v<>ph"[i % 9], "ms": 4, "alpha": 0.7}
        yield label, mine, style | {"color": f"C{i % 10}"}


def _size_order(law: Law, frame: pd.DataFrame) -> np.ndarray:
    """Position of each run's rung, ordered by the product of its scales, then by its inputs."""
    places = np.column_stack([_even(law, frame, name) for name in law.inputs])
    rungs, mine = np.unique(places, axis=0, return_inverse=True)
    scales = [declared.on_log for declared in law.inputs.values()]
    order = np.lexsort((*rungs.T[::-1], rungs[:, scales].sum(axis=1).round(1)))
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
