"""Verbs that ask a saved fit which recipe is better, where curves cross, and what to choose."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayes_scaling.errors import UsageError

from .arguments import (
    Kind,
    load_fit,
    read_cost,
    read_number,
    read_pairs,
    read_points,
    read_range,
    read_rows,
)
from .options import (
    AsJson,
    At,
    BetterIs,
    By,
    CostFit,
    CostText,
    FigureFile,
    FitFile,
    FitLaw,
    Force,
    OfKind,
    PointsFile,
    Recipes,
    Seed,
    Sizes,
    Unique,
)
from .output import draw, give, print_json, tell, together

if TYPE_CHECKING:
    from bayes_scaling import Comparison, Crossover, Fit, Multiplier, ScalingPath

BUDGET = "budget"


class Drawn(StrEnum):
    """What of a comparison along a path is drawn."""

    comparison = "comparison"
    crossover = "crossover"
    multiplier = "multiplier"


def compare(
    fit: FitFile,
    recipe: Recipes = None,
    at: At = None,
    points: PointsFile = None,
    along: Annotated[
        str | None,
        typer.Option("--along", help="Instead of points a path: budget=1e20:1e24, or N=1e8:1e11."),
    ] = None,
    ratio: Annotated[
        list[str] | None,
        typer.Option(
            "--ratio", help="Along a budget tokens per parameter, 20; along N others too, D=20."
        ),
    ] = None,
    fixed_size: Annotated[
        str | None, typer.Option("--fixed-size", help="Along a budget the one size, 1B.")
    ] = None,
    other: Annotated[
        str | None, typer.Option("--other", help="Other inputs and labels of a path, U=1T.")
    ] = None,
    cost: CostText = None,
    cost_fit: CostFit = None,
    unique: Unique = None,
    within: Sizes = None,
    places: Annotated[int, typer.Option("--places", help="How many of a path are printed.")] = 5,
    by: By = "",
    kind: OfKind = Kind.mean,
    better: BetterIs = None,
    drawn: Annotated[
        Drawn, typer.Option("--draw", help="Along a path, what --figure draws.")
    ] = Drawn.comparison,
    seed: Seed = 0,
    law: FitLaw = None,
    figure: FigureFile = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Compare recipes at points or along a budget: ranks, crossings, savings."""
    import bayes_scaling as bs

    path_only = {"--ratio": ratio, "--fixed-size": fixed_size, "--other": other, "--cost": cost,
                 "--cost-fit": cost_fit, "--unique": unique, "--within": within,
                 "--draw": drawn is not Drawn.comparison}  # fmt: skip
    _check(bool(at or points), along, path_only, kind)
    fitted = load_fit(fit, law)
    asked: dict[str, Any] = {"by": by, "better": better.value if better else None, "seed": seed,
                             "force": force}  # fmt: skip
    if along is None:
        at_points = read_points(fitted, at, points)
        answer = bs.compare(fitted, recipe, at=at_points, kind=kind.value, **asked)
        _print(answer, None, None, drawn, figure, as_json)
        return
    path = _path(along, ratio, fixed_size, read_cost(cost, cost_fit), unique, within)
    asked["at"] = read_rows(fitted, [other], "--other") if other else None
    answer = bs.compare(fitted, recipe, path=path, places=places, **asked)
    _print(answer, *_pair(fitted, answer, path, places, asked), drawn, figure, as_json)


def _check(points: bool, along: str | None, path_only: dict[str, Any], kind: Kind) -> None:
    """Refuse combinations that do not say what is asked."""
    if points == (along is not None):
        raise UsageError(
            "give points (--at N=7B,D=1.4T or --points FILE), or a path (--along "
            "budget=1e20:1e24); other inputs of a path are --other"
        )
    if along is not None and kind is Kind.new_run:
        raise UsageError("along a path the law's means are compared; --kind new-run is at points")
    given = [option for option, value in path_only.items() if value]
    if along is None and given:
        raise UsageError(f"{given[0]} is of a path: give --along budget=1e20:1e24 with it")


def _path(
    along: str,
    ratio: list[str] | None,
    fixed_size: str | None,
    cost: Any,
    unique: str | None,
    within: str | None,
) -> ScalingPath:
    """Read the path from its options."""
    from bayes_scaling import ScalingPath
    from bayes_scaling.runs import parse_number

    ((name, text),) = read_pairs([along], "--along").items()
    low, high = read_range(text, "--along")
    given = list(ratio or [])
    if name == BUDGET and (len(given) > 1 or any("=" in text for text in given)):
        raise UsageError("along a budget --ratio is one number, the tokens per parameter: 20")
    pairs = {} if name == BUDGET else read_pairs(given, "--ratio")
    return ScalingPath(
        low,
        high,
        along=name,
        ratio=parse_number(given[0]) if name == BUDGET and given else None,
        size=read_number(fixed_size),
        ratios={k: parse_number(v) for k, v in pairs.items()},
        unique=read_number(unique),
        within=read_range(within, "--within") if within else None,
        **({} if cost is None else {"cost": cost}),
    )


def _pair(
    fit: Fit, answer: Comparison, path: ScalingPath, places: int, asked: dict[str, Any]
) -> tuple[Crossover, Multiplier | None]:
    """The crossover of two recipes, and the multiplier; of more recipes that of the best two."""
    import bayes_scaling as bs
    from bayes_scaling.display.comparison import order_at

    only = len(answer.recipes) == 2
    first, second = answer.recipes if only else order_at(answer, len(answer.points) - 1)[:2]
    crossing = bs.crossover(fit, first, second, path, **asked)
    if not only or not (path.along == BUDGET or fit.law.inputs[path.along].on_log):
        return crossing, None
    return crossing, bs.multiplier(fit, first, second, path, places=places, **asked)


def _print(
    answer: Comparison,
    crossing: Crossover | None,
    saving: Multiplier | None,
    drawn: Drawn,
    figure: Any,
    as_json: bool,
) -> None:
    from bayes_scaling.display import comparison as display

    if figure is not None:
        things = {"comparison": answer, "crossover": crossing, "multiplier": saving}
        thing = things[drawn.value]
        if thing is None:
            raise UsageError("a multiplier is of two recipes along a budget or a scale (--recipe)")
        draw(thing, figure)
    warnings = together(*(a for a in (answer, crossing, saving) if a is not None))
    if as_json:
        print_json(
            {
                "comparison": display.comparison_object(answer),
                "crossover": display.crossover_object(crossing) if crossing else None,
                "multiplier": display.multiplier_object(saving) if saving else None,
                "warnings": [w.as_dict() for w in warnings],
            }
        )
        return
    display.show_comparison(answer)
    if crossing is not None:
        print()
        display.show_crossover(crossing)
    if saving is not None:
        print()
        display.show_multiplier(saving)
    tell(warnings)


def decide(
    fit: FitFile,
    at: At = None,
    points: PointsFile = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", help="Instead: every recipe at its own best split of it, 1e22."),
    ] = None,
    recipe: Recipes = None,
    rope: Annotated[
        float, typer.Option("--rope", help="Differences that do not matter, 0.002.")
    ] = 0.0,
    confidence: Annotated[
        float, typer.Option("--confidence", help="Probability from which a choice is safe.")
    ] = 0.95,
    cost: CostText = None,
    cost_fit: CostFit = None,
    price: Annotated[
        float, typer.Option("--price", help="Of a unit of cost, in units of the response.")
    ] = 0.0,
    by: By = "",
    kind: OfKind = Kind.mean,
    better: BetterIs = None,
    seed: Seed = 0,
    law: FitLaw = None,
    figure: FigureFile = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Choose a recipe for a target, or say that it is not settled."""
    from bayes_scaling import decide as choose
    from bayes_scaling.display import comparison

    if budget is None and not (at or points):
        raise UsageError("give a target: --at N=7B,D=1.4T, --points FILE, or --budget 1e22")
    fitted = load_fit(fit, law)
    answer = choose(
        fitted,
        read_points(fitted, at, points) if at or points else None,
        budget=read_number(budget),
        recipes=recipe,
        by=by,
        kind=kind.value,
        rope=rope,
        confidence=confidence,
        cost=read_cost(cost, cost_fit),
        price=price,
        better=better.value if better else None,
        seed=seed,
        force=force,
    )
    give(answer, figure, as_json, comparison.decision_object, comparison.show_decision)
