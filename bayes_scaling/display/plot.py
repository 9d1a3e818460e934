"""Figures of fits and answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_scaling.answers.allocate import Allocation
from bayes_scaling.answers.cheapest import Cheapest, IsoLoss
from bayes_scaling.answers.compare import Comparison
from bayes_scaling.answers.crossing import Crossover, Multiplier
from bayes_scaling.answers.decide import Decision
from bayes_scaling.answers.forecast import Forecast, forecast
from bayes_scaling.answers.loop import Loop
from bayes_scaling.answers.next_run import NextRun
from bayes_scaling.answers.profiles import Profiles
from bayes_scaling.answers.retries import Retries
from bayes_scaling.answers.sampling import Coverage
from bayes_scaling.answers.schedules import ScheduleComparison
from bayes_scaling.answers.threshold import Threshold
from bayes_scaling.answers.track import Tracking
from bayes_scaling.answers.tune import Tuning
from bayes_scaling.errors import UsageError
from bayes_scaling.law import Input, Law
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.runs.table import are_curves
from bayes_scaling.validation.backtested import Backtest

from .allocation_figures import (
    allocation_figure,
    cheapest_figure,
    iso_loss_figure,
    profiles_figure,
)
from .backtest_figures import backtest_figure
from .common import (
    axis_label,
    drawn_inputs,
    even,
    median_mean,
    panels_of,
    plain_log_ticks,
    planned_trials,
    scale_of,
    short,
    subplots,
)
from .comparison_figures import (
    comparison_figure,
    crossover_figure,
    decision_figure,
    multiplier_figure,
)
from .curves import curves_figure, schedules_figure, tracking_figure
from .metric_figures import coverage_figure, link_panel, retries_figure, threshold_figure
from .next_run_figures import loop_figure, next_run_figure
from .predictive_figures import predictive_figure
from .residuals import residual_figure
from .valley import tuning_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE_POINTS = 60
COLUMNS = 4  # of panels
CURVES_A_PANEL = 6  # more sizes than this cannot be told apart by colour
BEYOND = 3.0  # factor beyond the fitted range that curves are drawn, on a log axis
BEYOND_SHARE = 0.3  # the same on a linear axis, in widths of the fitted range
INDICATOR = "indicator"  # unit of inputs that are a choice between cases
LEGEND_INPUTS = 3  # more of them than this make a legend wider than its panel
type Drawable = (
    Fit
    | Forecast
    | Tuning
    | Tracking
    | ScheduleComparison
    | Threshold
    | Coverage
    | Retries
    | Allocation
    | Cheapest
    | IsoLoss
    | Profiles
    | Comparison
    | Crossover
    | Multiplier
    | Decision
    | NextRun
    | Loop
    | Backtest
)
LIMITS = {"fraction": (0.0, 1.0), "nonnegative": (0.0, np.inf)}


def plot(thing: Drawable, figure: str = "fit") -> Figure:
    """Draw a fit or an answer.

    Parameters
    ----------
    thing : Fit, or an answer: Forecast, Tuning, Tracking, ScheduleComparison, Threshold, \
Coverage, Retries, Allocation, Cheapest, IsoLoss, Profiles, Comparison, Crossover, Multiplier, \
Decision, NextRun, Loop, Backtest
    figure : {"fit", "prior", "residuals", "ppc", "trace"}
        For a fit: curves with 90 % intervals over the runs, along every input (of curves,
        each run with its own), and of a chain the metric against the loss;
        prior against posterior; residuals by run and by group; the runs against draws of
        runs like them; or the chains.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    UsageError
        If there is no such figure.
    """
    if not isinstance(thing, Fit):
        answers: dict[type, Callable[..., Figure]] = {
            Forecast: _forecast_figure,
            Tuning: tuning_figure,
            Tracking: tracking_figure,
            ScheduleComparison: schedules_figure,
            Threshold: threshold_figure,
            Coverage: coverage_figure,
            Retries: retries_figure,
            Allocation: allocation_figure,
            Cheapest: cheapest_figure,
            IsoLoss: iso_loss_figure,
            Profiles: profiles_figure,
            Comparison: comparison_figure,
            Crossover: crossover_figure,
            Multiplier: multiplier_figure,
            Decision: decision_figure,
            NextRun: next_run_figure,
            Loop: loop_figure,
            Backtest: backtest_figure,
        }
        return answers[type(thing)](thing)
    drawers: dict[str, Callable[[Fit], Figure]] = {
        "fit": _fit_figure,
        "prior": _prior_figure,
        "residuals": residual_figure,
        "ppc": predictive_figure,
        "trace": _trace_figure,
    }
    if figure not in drawers:
        raise UsageError(f"no figure '{figure}'; there are {', '.join(drawers)}")
    return drawers[figure](thing)


def save_figure(thing: Drawable, path: Path, figure: str = "fit") -> None:
    """Draw to a file; the ending of its name chooses the format.

    Raises
    ------
    UsageError
        If the folder does not exist or the format is unknown.
    """
    check_path(path)
    import matplotlib

    matplotlib.use("Agg", force=False)
    drawn = plot(thing, figure)
    drawn.savefig(path, dpi=150, bbox_inches="tight")
    matplotlib.pyplot.close(drawn)


def check_path(path: Path) -> None:
    """Refuse a file that no figure can be written to, before anything else is done.

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


def _fit_figure(fit: Fit) -> Figure:
    """Runs, and curves with 90 % intervals: a panel an input, on rows of its own each group."""
    frame = fit.runs()
    if are_curves(frame):
        return curves_figure(fit, frame)
    groups = list(panels_of(fit, frame))
    inputs, linked = drawn_inputs(fit.law, frame, fit.groups), fit.law.link is not None
    # an indicator tells curves apart, and has nothing between its values
    along = [k for k in inputs if fit.law.inputs[k].unit != INDICATOR] or inputs
    panels = len(along) + linked
    columns = min(panels, COLUMNS)
    rows = -(-panels // columns)  # of one group
    figure, axes = subplots(
        rows * len(groups), columns, (5.2 * columns, 3.4 * rows * len(groups) + 0.4)
    )
    for i, (title, labels, runs) in enumerate(groups):
        own = axes[i * rows : (i + 1) * rows].ravel()
        for ax, one in zip(own, along, strict=False):
            _curves(ax, fit, runs.dropna(subset="response"), labels, inputs, one)
        if linked:
            link_panel(own[len(along)], fit, runs, labels)
        for ax in own[:panels]:
            ax.set_title(title, fontsize="medium")
        for ax in own[panels:]:
            ax.set_visible(False)
    dashed = "; dashed: the frontier" if fit.structure.noise.side else ""
    figure.suptitle(
        f"{fit.law.name}: runs, curves and 90 % intervals of one more run{dashed}\n"
        "(runs are carried along the mean to the value of their curve)"
    )
    return figure


def _curves(
    ax: Axes,
    fit: Fit,
    runs: pd.DataFrame,
    labels: dict[str, str],
    inputs: list[str],
    along: str,
) -> None:
    import matplotlib

    law, noise = fit.law, fit.structure.noise
    others = [k for k in law.inputs if k != along]
    # the input that the curves are told apart by comes first
    others.sort(key=lambda k: (k not in inputs, runs[k].nunique() == 1))
    named = [k for k in others if k in inputs]
    cells = _cells(law, runs, others)
    colours = matplotlib.colormaps["viridis"](np.linspace(0.05, 0.9, max(len(cells), 1)))
    low, high = fit.spec.ranges[along]
    grid = _grid(law.inputs[along], low, high)
    for colour, (held, members) in zip(colours, cells, strict=True):
        points = pd.DataFrame({along: grid, **held, **labels, **planned_trials(fit, members)})
        bands = forecast(fit, points, force=True).summary()
        label = ", ".join(f"{k} {short(held[k])}" for k in named[:LEGEND_INPUTS]) or None
        # medians of counts are steps, and those of single problems often zero
        middle = median_mean(fit, points) if noise.bounded else bands["q0.5"]
        ax.plot(grid, middle, color=colour, lw=1.2, label=label)
        ax.fill_between(grid, bands["q0.05"], bands["q0.95"], color=colour, alpha=0.2, lw=0)
        if noise.side:
            ax.plot(grid, median_mean(fit, points), color=colour, lw=1.2, ls="--")
        ended = members[~members["diverged"]]
        carried = _carry(fit, ended.assign(**labels), held)
        ax.plot(ended[along], carried, "o", ms=3, color=colour)
        lost = members[members["diverged"]]
        if len(lost):  # all that is known of them is that they lie above
            ax.plot(
                lost[along],
                lost["response"],
                "^",
                ms=6,
                mfc="none",
                color=colour,
                label="diverged: at the bound or above",
            )
    ax.axvline(high, color="0.6", lw=0.8, ls=":")
    ax.set(xscale=scale_of(law, along), xlabel=axis_label(law, along),
           yscale="log" if noise.on_log else "linear",
           ylabel=f"{fit.record.response} ({fit.record.unit})")  # fmt: skip
    if noise.on_log:
        plain_log_ticks(ax)
    if named:
        rest = "other inputs at medians" if len(named) > LEGEND_INPUTS else None
        ax.legend(fontsize="x-small", frameon=False, title=rest, title_fontsize="x-small")


def _grid(declared: Input, low: float, high: float) -> np.ndarray:
    """Values of an input from the smallest fitted one to some beyond the largest."""
    if declared.on_log:
        return np.geomspace(low, high * BEYOND, CURVE_POINTS)
    width = (high - low) or 0.1 * abs(high) or 1.0
    start = low if high > low else low - width
    least, most = LIMITS.get(declared.domain, (-np.inf, np.inf))
    return np.linspace(max(start, least), min(high + BEYOND_SHARE * width, most), CURVE_POINTS)


def _carry(fit: Fit, runs: pd.DataFrame, held: dict[str, float]) -> np.ndarray:
    """Responses moved along the fitted mean to where a curve is drawn."""
    at = runs[[*fit.law.inputs, *fit.groups]]
    both = pd.concat([at, at.assign(**held)], ignore_index=True)
    own, there = np.split(median_mean(fit, both), 2)
    response = runs["response"].to_numpy()
    if fit.structure.noise.on_log:
        return np.asarray(response * there / own)
    moved = np.asarray(response + there - own)
    return moved.clip(0.0, 1.0) if fit.structure.noise.bounded else moved


def _cells(
    law: Law, runs: pd.DataFrame, others: list[str]
) -> list[tuple[dict[str, float], pd.DataFrame]]:
    """Runs by the value of the first other input, binned where there are many values."""
    if not others:
        return [({}, runs)]
    values = even(law, runs, others[0])
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


def _middle(law: Law, runs: pd.DataFrame, name: str) -> float:
    """Median of an input on its own axis."""
    values = runs[name].to_numpy(dtype=float)
    if law.inputs[name].on_log:
        return float(np.exp(np.median(np.log(values))))
    return float(np.median(values))


def _forecast_figure(answer: Forecast) -> Figure:
    """Median, 50 % and 90 % intervals of every point, with the truth where it is given."""
    table = answer.summary()
    figure, axes = subplots(1, 1, (7.5, 0.45 * len(table) + 1.6))
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
    inputs = ", ".join(f"{k} {short(row[k])}" for k in answer.extrapolation.columns)
    labels = [str(row[g]) if isinstance(row[g], str) else "(new)" for g in answer.groups]
    return "  ".join([*labels, inputs])


def _prior_figure(fit: Fit) -> Figure:
    """Prior and posterior density of every parameter's own or central value."""
    from bayes_scaling.law.priors import LINKS

    structure, spec = fit.structure, fit.spec
    parameters = list(fit.law.parameters)
    columns = min(3, len(parameters))
    rows = -(-len(parameters) // columns)
    figure, axes = subplots(rows, columns, (3.6 * columns, 2.6 * rows))
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
