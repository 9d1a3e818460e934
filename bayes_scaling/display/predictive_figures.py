"""Figure of a posterior predictive check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayes_scaling.errors import UsageError
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.posterior.predictive import responses_again
from bayes_scaling.program.bounded import BoundedNoise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWS = 1000


def predictive_figure(fit: Fit) -> Figure:
    """Responses of the runs against those that the fit draws for the same runs, by ArviZ.

    On the left their distributions; on the right the place of each response among its own
    draws, whose distribution is flat where the noise is right. A check of interpolation: each
    run was fitted.

    Raises
    ------
    UsageError
        If no run has a response of its own.
    """
    import arviz_plots as azp

    sizes = fit.posterior.sizes
    again = responses_again(fit, thin=max(1, sizes["chain"] * sizes["draw"] // DRAWS))["response"]
    runs, noise, unit = fit.runs(), fit.structure.noise, fit.record.unit
    kept = np.asarray(~runs["diverged"] & runs["response"].notna())
    if not kept.any():
        raise UsageError("no run has a response that draws could be compared with")
    if isinstance(noise, BoundedNoise):
        trials = runs["trials"].to_numpy() if "trials" in runs else None
        again = again.copy(data=noise.fraction(again.to_numpy(), trials))
    observed = again.isel(chain=0, draw=0, drop=True).copy(data=runs["response"].to_numpy())
    groups = {"posterior_predictive": again, "observed_data": observed}
    numbered = {"run": np.arange(int(kept.sum()))}  # names of runs may repeat
    tree = xr.DataTree.from_dict(
        {k: v.isel(run=kept).assign_coords(numbered).to_dataset() for k, v in groups.items()}
    )
    drawn = azp.plot_ppc_dist_pit(tree, backend="matplotlib")
    figure: Figure = drawn.viz["figure"].item()
    left, right = figure.axes[:2]
    left.set_title("runs (black) and as many drawn by the fit", fontsize="medium")
    left.set_xlabel(f"{fit.record.response} ({unit})")
    right.set_title("runs among their own draws, less what is even", fontsize="medium")
    right.set_xlabel("share of its draws that lie below a run")
    figure.suptitle(f"{fit.law.name}: posterior predictive check")
    return figure
