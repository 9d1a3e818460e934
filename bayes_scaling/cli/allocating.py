"""The verb that asks a saved fit how to spend a budget."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayes_scaling.errors import UsageError

from .arguments import load_fit, read_cost, read_number, read_numbers, read_range, read_rows
from .options import (
    AsJson,
    BetterIs,
    By,
    CostFit,
    CostText,
    FigureFile,
    FitFile,
    FitLaw,
    Force,
    Seed,
    Sizes,
    Unique,
)
from .output import draw, give, print_json, tell, together

if TYPE_CHECKING:
    from bayes_scaling import Allocation, Profiles
    from bayes_scaling.posterior import Fit


class Drawn(StrEnum):
    """What of an answer with profiles is drawn."""

    allocation = "allocation"
    profiles = "profiles"


def allocate(
    fit: FitFile,
    budget: Annotated[
        list[str] | None,
        typer.Option("--budget", help="In the unit of the cost, 1e22. May be repeated."),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", help="Labels and other inputs, recipe=muon. May be repeated."),
    ] = None,
    cost: CostText = None,
    cost_fit: CostFit = None,
    unique: Unique = None,
    within: Sizes = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", help="Instead: the smallest cost of reaching it. Repeatable."),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option("--size", help="Tokens and cost with which a size gets as far. Repeatable."),
    ] = None,
    profiles: Annotated[
        Path | None,
        typer.Option("--profiles", help="A fit of law isoflop, whose best sizes are compared."),
    ] = None,
    drawn: Annotated[
        Drawn, typer.Option("--draw", help="With --profiles, what --figure draws.")
    ] = Drawn.allocation,
    by: By = "",
    better: BetterIs = None,
    seed: Seed = 0,
    law: FitLaw = None,
    figure: FigureFile = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Split a budget between size and tokens, or find the smallest one for a target."""
    budgets, targets, sizes = (read_numbers(texts) for texts in (budget, target, size))
    _check(budgets, targets, sizes, profiles, drawn)
    fitted, spent = load_fit(fit, law), read_cost(cost, cost_fit)
    asked: dict[str, Any] = {
        "at": read_rows(fitted, at) if at else None,
        "unique": read_number(unique),
        "within": read_range(within, "--within") if within else None,
        "by": by,
        "better": better.value if better else None,
        "seed": seed,
        "force": force,
        **({} if spent is None else {"cost": spent}),
    }
    if profiles is not None:
        _with_profiles(fitted, budgets, profiles, asked, drawn, figure, as_json)
        return
    answer, as_object, show = _answer(fitted, budgets, targets, sizes, asked)
    give(answer, figure, as_json, as_object, show)


def _check(
    budgets: list[float],
    targets: list[float],
    sizes: list[float],
    profiles: Path | None,
    drawn: Drawn,
) -> None:
    """Refuse combinations that do not say what is asked."""
    if budgets and targets:
        raise UsageError("give either --budget, to be split, or --target, to be reached")
    if profiles is not None and (targets or sizes):
        raise UsageError("--profiles goes with --budget or alone, not with --target or --size")
    if drawn is Drawn.profiles and profiles is None:
        raise UsageError("--draw profiles needs --profiles FIT, a fit of law isoflop")
    if sizes and len(budgets) + len(targets) != 1:
        raise UsageError("--size needs one --budget or one --target: how far the sizes are to get")
    if not (budgets or targets or profiles):
        raise UsageError("give a --budget such as 1e22, a --target to be reached, or --profiles")


def _answer(
    fit: Fit,
    budgets: list[float],
    targets: list[float],
    sizes: list[float],
    asked: dict[str, Any],
) -> tuple[Any, Any, Any]:
    """The answer, and how it is printed as JSON and as text."""
    import bayes_scaling as bs
    from bayes_scaling.display import allocation as display

    if sizes:
        reached: dict[str, Any] = {"budget": budgets[0]} if budgets else {"target": targets[0]}
        found = bs.iso_loss(fit, sizes, **reached, **asked)
        return found, display.iso_loss_object, display.show_iso_loss
    if targets:
        cheap = bs.cheapest(fit, targets, **asked)
        return cheap, display.cheapest_object, display.show_cheapest
    split = bs.allocate(fit, budgets, **asked)
    return split, display.allocation_object, display.show_allocation


def _with_profiles(
    fit: Fit,
    budgets: list[float],
    file: Path,
    asked: dict[str, Any],
    drawn: Drawn,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Allocate, read the profiles, and say whether the two agree."""
    import bayes_scaling as bs
    from bayes_scaling.display import allocation as display

    found: Profiles = bs.profiles(load_fit(file, None), force=asked["force"])
    theirs = [float(b) for b in found.budgets["budget"]]
    own: Allocation = bs.allocate(fit, theirs, **asked)
    same = bs.agreement(own, found)
    answer = bs.allocate(fit, budgets, **asked) if budgets else own
    if figure is not None:
        draw(found if drawn is Drawn.profiles else answer, figure)
    if as_json:
        print_json(
            {
                **display.allocation_object(answer),
                "profiles": display.profiles_object(found),
                "agreement": display.agreement_object(same),
            }
        )
        return
    display.show_allocation(answer)
    print()
    display.show_profiles(found)
    print()
    display.show_agreement(same)
    tell(together(answer, found))
