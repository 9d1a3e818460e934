"""Why a run: where what is not known of a question comes from, and what the run removes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from jaxtyping import Float

from bayes_scaling.law.discrepancy import DISCREPANCY
from bayes_scaling.posterior.fit import Fit

from .information import Question, conditioned

SHOWN = 3


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Parameters that a question depends on, and what one run tells about them.

    Attributes
    ----------
    table : DataFrame
        One row a parameter, most important first: ``parameter``; ``of_question``, the share of
        the question's variance that it goes with, as if alone; ``removed``, the expected share
        of its own variance that the run removes; ``matters``, their product.
    """

    table: pd.DataFrame

    def text(self, pick: str, removed: float) -> str:
        """Say it in one sentence."""
        main = self.table.head(SHOWN)
        columns = (main[c].to_list() for c in ("parameter", "of_question", "removed"))
        parts = ", ".join(
            f"{name} ({_share(of)} of it; {_share(gone)} removed)"
            for name, of, gone in zip(*columns, strict=True)
        )
        return f"{pick} removes {_share(removed)} of the question's variance, through {parts}"


def _share(of: float) -> str:
    return "<1%" if of < 0.01 else f"{of:.0%}"


def uncertainty_of(
    fit: Fit, question: Question, observed: Sequence[Float[np.ndarray, " sample"]]
) -> tuple[Uncertainty, ...]:
    """Explain picks, each given those before it.

    Parameters
    ----------
    fit : Fit
    question : Question
    observed : sequence of (sample,) arrays
        What each pick is seen to reach in every draw, given the picks before.
    """
    names, draws = _parameters(fit)
    values, found = question.values, []
    for seen in observed:
        of_question = _shares(values, draws).mean(axis=0)
        removed = _shares(seen[:, None], draws)[0]
        table = pd.DataFrame(
            {"parameter": names, "of_question": of_question, "removed": removed,
             "matters": of_question * removed}
        )  # fmt: skip
        found.append(Uncertainty(table.sort_values("matters", ascending=False, ignore_index=True)))
        values, draws = conditioned(values, seen), conditioned(draws, seen)
    return tuple(found)


def _parameters(fit: Fit) -> tuple[list[str], Float[np.ndarray, "sample parameter"]]:
    """Draws of parameters, derived quantities, effects of rungs and departures, by name."""
    names, columns = [], []
    for name, variable in fit.posterior.stack(sample=("chain", "draw")).data_vars.items():
        kind = str(name)
        if kind.endswith(("_centre", "_sd")) or "_effect_" in kind or "_sd_" in kind:
            continue  # group values hold them
        dims = [str(d) for d in variable.dims if d != "sample"]
        draws = variable.transpose(*dims, "sample").to_numpy().reshape(-1, variable.sizes["sample"])
        labels = product(*(variable[d].to_numpy() for d in dims))
        names += [_name(kind, dims, [str(part) for part in label]) for label in labels]
        columns.append(draws)
    return names, np.concatenate(columns).T


def _name(kind: str, dims: Sequence[str], label: Sequence[str]) -> str:
    """Name of one quantity in words."""
    if kind == "rung_effect":
        return f"the rung {label[0]}"
    if kind.startswith(DISCREPANCY):
        *groups, interval = label
        whose = f" of {groups[0]}" if groups else ""
        along = "" if groups else " along " + dims[0].removesuffix("_interval")
        return f"the departure{whose} from the law{along}, {interval} decades"
    return f"{kind}[{', '.join(label)}]" if label else kind


def _shares(
    of: Float[np.ndarray, "sample quantity"], by: Float[np.ndarray, "sample parameter"]
) -> Float[np.ndarray, "quantity parameter"]:
    """Squared correlation of quantities and parameters."""
    a, b = of - of.mean(axis=0), by - by.mean(axis=0)
    product = np.outer((a**2).sum(axis=0), (b**2).sum(axis=0))
    shares = (a.T @ b) ** 2 / np.where(product > 0, product, 1.0)
    return np.asarray(np.clip(np.nan_to_num(shares), 0.0, 1.0))
