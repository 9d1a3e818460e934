"""Learning-rate schedules, and what a law needs to know of them."""

from __future__ import annotations

import difflib
import inspect
import math
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from bayes_scaling.errors import UsageError
from bayes_scaling.law.history import History
from bayes_scaling.runs.numbers import parse_number

PIECES = 256  # straight pieces that a curved decay is drawn with
SAME_LINE = 1e-12  # relative distance from a line within which a logged rate lies on it
LEAST_RATE = 1e-6  # of the unit; laws take powers of the rate

type _Many = Float[np.ndarray, "..."]
type _Knot = tuple[float, float]
type _Named = dict[str, float]


@dataclass(frozen=True)
class Schedule:
    """The learning rate over the steps of a run: straight lines between knots.

    Attributes
    ----------
    steps : tuple of float
        Steps of the knots, ascending from 0; of two at one step, a jump, the later holds
        from that step on.
    rates : tuple of float
        Learning rate per step at each knot.
    warmup : int
        Step at which warm-up ends, 0 if there is none.
    """

    steps: tuple[float, ...]
    rates: tuple[float, ...]
    warmup: int = 0

    def __post_init__(self) -> None:
        steps, rates = (tuple(float(v) for v in values) for values in (self.steps, self.rates))
        s, r, end = np.array(steps), np.array(rates), float(self.warmup)
        whole = end.is_integer() and 0 <= end <= max(steps, default=0)
        needs = {
            "a rate for each step": () if s.size == r.size > 0 else (f"{s.size} and {r.size}",),
            "step 0 first, with the rate there": s[:1][s[:1] != 0],
            "finite steps that do not descend": s[1:][~((s[1:] >= s[:-1]) & np.isfinite(s[1:]))],
            "at most two rates at one step": s[2:][s[2:] == s[:-2]],
            "finite rates of 0 or more": r[~((r >= 0) & np.isfinite(r))],
            "a whole warm-up step, from 0 to the last step": () if whole else (end,),
        }
        _need("a schedule", needs)
        # Plain floats and an int: equal schedules are equal however they were made.
        for name, value in (("steps", steps), ("rates", rates), ("warmup", int(end))):
            object.__setattr__(self, name, value)

    @property
    def peak(self) -> float:
        """Largest rate."""
        return max(self.rates)

    @property
    def last_step(self) -> float:
        """Step of the last knot."""
        return self.steps[-1]

    @property
    def text(self) -> str:
        """Text that `parse_schedule` reads back as an equal schedule."""
        knots = [(repr(s), repr(r)) for s, r in zip(self.steps, self.rates, strict=True)]
        entries = [f"{s.removesuffix('.0')}={r.removesuffix('.0')}" for s, r in knots]
        return "table:" + ",".join(entries + [f"warmup={self.warmup}"] * (self.warmup > 0))

    def rate(self, step: _Many) -> _Many:
        """Learning rate at any steps; after the last knot the last rate."""
        return _follow(np.array(self.steps), np.array(self.rates), step)

    def area(self, step: _Many) -> _Many:
        """Integral of the rate from step 0 to each step, exact for the straight lines."""
        s, r, step = np.array(self.steps), np.array(self.rates), np.maximum(step, 0.0)
        at = np.searchsorted(s, step, side="right") - 1
        before = np.append(0.0, np.cumsum(np.diff(s) * (r[1:] + r[:-1]) / 2))[at]
        return before + (step - s[at]) * (r[at] + self.rate(step)) / 2


def constant(peak: float, steps: float, warmup: float = 0) -> Schedule:
    """One rate after a linear warm-up from 0.

    Parameters
    ----------
    peak : float
        Largest learning rate per step. So are other rates of the functions below: `final`,
        at the last step, and `second` are no fractions of the peak.
    steps, warmup : float
        Steps of the whole run; step at which warm-up ends, a whole number.
    """
    _check("constant", {"warmup": warmup, "steps": steps}, {"peak": peak}, zero="0 < ")
    return _after_warmup([warmup, steps], [peak, peak])


def cosine(peak: float, steps: float, warmup: float = 0, final: float = 0.0) -> Schedule:
    """Half a cosine from the end of warm-up to the last step, in 256 equal straight pieces."""
    _check("cosine", {"warmup": warmup, "steps": steps}, {"final": final, "peak": peak})
    share = (1 + np.cos(np.linspace(0, np.pi, PIECES + 1))) / 2
    rates = peak * share + final * (1 - share)
    return _after_warmup(np.linspace(warmup, steps, PIECES + 1), rates)


def wsd(
    peak: float, steps: float, decay_from: float, warmup: float = 0, final: float | None = None
) -> Schedule:
    """Exponential decay from step `decay_from` on, in 256 equal straight pieces.

    The final rate is above 0, and by default a tenth of the peak.
    """
    final = peak / 10 if final is None else final
    places = {"warmup": warmup, "decay_from": decay_from, "steps": steps}
    _check("wsd", places, {"final": final, "peak": peak}, zero="0 < ")
    decay = np.linspace(decay_from, steps, PIECES + 1)
    return _after_warmup([warmup, *decay], [peak, *np.geomspace(peak, final, PIECES + 1)])


def wsd_linear(
    peak: float, steps: float, decay_from: float, warmup: float = 0, final: float = 0.0
) -> Schedule:
    """Linear decay from step `decay_from` on."""
    places = {"warmup": warmup, "decay_from": decay_from, "steps": steps}
    _check("wsd_linear", places, {"final": final, "peak": peak})
    return _after_warmup([warmup, decay_from, steps], [peak, peak, final])


def two_stage(
    peak: float, steps: float, falls_at: float, second: float, warmup: float = 0
) -> Schedule:
    """Rate `peak`, and from step `falls_at` on the rate `second`."""
    places = {"warmup": warmup, "falls_at": falls_at, "steps": steps}
    _check("two_stage", places, {"second": second, "peak": peak})
    return _after_warmup([warmup, falls_at, falls_at, steps], [peak, peak, second, second])


def table(steps: Sequence[float], rates: Sequence[float], warmup: float = 0) -> Schedule:
    """Straight lines between knots; parameters as for `Schedule`."""
    return Schedule(tuple(steps), tuple(rates), warmup)  # type: ignore[arg-type]


_MADE: tuple[Callable[..., Schedule], ...] = (constant, cosine, wsd, wsd_linear, two_stage)
KINDS = {made.__name__: made for made in _MADE}


def parse_schedule(text: str) -> Schedule:
    """Read a schedule from one line of text.

    Parameters
    ----------
    text : str
        A kind with the arguments of its function, such as
        ``"cosine:peak=3e-4,steps=24K,warmup=2160,final=3e-5"``, or knots:
        ``"table:0=0,2160=3e-4,24000=3e-5,warmup=2160"``.
    """
    kind, _, rest = text.strip().partition(":")
    if kind not in (kinds := [*KINDS, "table"]):
        forms = "\n".join(map(_form, kinds))
        raise UsageError(
            f"'{kind}' is no kind of schedule{_hint(kind, kinds)}; write one of\n{forms}"
        )
    keys = _keys(kind)
    named: dict[str, float] = {}
    knots: list[_Knot] = []
    problems: list[str] = []
    for entry in filter(str.strip, rest.split(",")):
        key, _, value = (part.strip() for part in entry.partition("="))
        try:
            if key in named:
                problems.append(f"{key} is given twice")
            elif key in keys:
                named[key] = math.nan  # given, if unreadable
                named[key] = parse_number(value)
            elif kind == "table":
                knots.append((parse_number(key), parse_number(value)))
            else:
                problems.append(f"{kind} has no {key}{_hint(key, list(keys))}")
        except UsageError as error:
            hint = "" if key in keys else _hint(key, list(keys))
            problems.append(f"{entry.strip()}: {error}{hint}")
    problems += [f"{key} is missing" for key, must in keys.items() if must and key not in named]
    if problems:
        raise UsageError("\n".join([f"schedule '{text}':", *problems, f"write {_form(kind)}"]))
    if kind == "table":
        return _from_knots(knots, named.get("warmup", 0))
    return KINDS[kind](**named)


def logged(steps: _Many, rates: _Many, warmup: int | None = None) -> Schedule:
    """Schedule from rates logged at some steps of a run, linear between them.

    A log that begins with a strict rise begins in warm-up: that ends at the first maximum,
    the rate rises linearly from 0 at step 0 to the first one logged, and `warmup` is not
    used. Any other log begins after warm-up: the first rate logged holds before it, from
    step `warmup` on after a linear rise from 0, or from step 0 on without `warmup`.
    Points on a straight line are merged.

    Parameters
    ----------
    steps, rates : (points,) array
        Ascending steps, two at least, and the learning rate per step at each.
    warmup : int, optional
        Step at which warm-up ended.
    """
    s, r = np.asarray(steps, dtype=float), np.asarray(rates, dtype=float)
    stops = np.flatnonzero(~(r[1:] > r[:-1]))
    top = int(stops[0]) if stops.size else r.size - 1  # the first maximum
    known = warmup or 0
    needs = {
        "two points, and a rate for each step": () if s.size == r.size > 1 else (s.size, r.size),
        "ascending steps from 0 on": s[~np.append(s[:1] >= 0, s[1:] > s[:-1])],
        "finite rates of 0 or more": r[~((r >= 0) & np.isfinite(r))],
        "to begin with a rise, or at the end of warm-up or later (leave warmup out if unknown)": ()
        if top > 0 or not s.size or 0 <= known <= s[0]
        else (f"warmup={known} and first step {s[0]:g}",),
    }
    _need("a log of rates", needs)
    before = [(0.0, 0.0)] if top or known else []
    before += [] if top else [(float(known), float(r[0]))]
    knots = [knot for knot in before if knot[0] < s[0]]
    kept = _merge(knots + list(zip(s.tolist(), r.tolist(), strict=True)))
    return _from_knots(kept, s[top] if top else known)


def history(schedule: Schedule, at: _Many, knots: int, rate_unit: float) -> History:
    """What a schedule has done by each row, its falls after warm-up gathered in knots.

    Every jump has a knot. The other knots share the continuous change: each monotone stretch
    has one at least, a longer fall more, of equal change. (With more stretches than knots,
    rises and falls within a knot cancel.) The part of a knot before the row counts, placed
    where half of that part has happened.

    Parameters
    ----------
    schedule : Schedule
    at : (rows,) array
        Steps of the rows; a jump at a row's own step counts.
    knots : int
    rate_unit : float
        Learning rate per step that rates and areas are divided by.

    Returns
    -------
    History
        NumPy arrays. A knot after the row, or unused, has rate 1 and else zeros.
    """
    at = np.asarray(at, dtype=float)
    later = [k for k in zip(schedule.steps, schedule.rates, strict=True) if k[0] > schedule.warmup]
    first = (schedule.warmup, float(schedule.rate(np.array(schedule.warmup))))
    x, y = np.array([first, *later]).T
    change = np.where(np.diff(x) > 0, np.diff(y), 0.0)
    jumps = np.diff(y) != change
    room = knots - int(jumps.sum())
    needs = {
        "finite steps": at[~np.isfinite(at)],
        "a rate_unit above 0": () if 0 < rate_unit < math.inf else (rate_unit,),
        "a knot for each jump, and one for other change; give more": ()
        if room >= bool(change.any()) and knots > 0
        else (f"{jumps.sum()} jumps and {knots} knots",),
    }
    _need("a history", needs)
    # Along the total change so far, rate and step of a stretch are straight lines.
    total, net = (np.append(0.0, np.cumsum(v)) for v in (np.abs(change), change))
    low, high = _edges(change, total, room)
    done = np.clip(_follow(x, total, at)[:, None], low, high)
    leap, drop = (np.tile(v[jumps], (at.size, 1)) for v in (x[1:], -np.diff(y)))
    fall = np.hstack([_follow(total, net, low) - _follow(total, net, done), drop])
    place = np.hstack([_follow(total, x, (low + done) / 2), leap])
    counts = np.hstack([done > low, leap <= at[:, None]])
    area = schedule.area(at) / rate_unit
    since = np.maximum(area[:, None] - schedule.area(place) / rate_unit, 0.0)
    fields: list[Any] = [  # History declares arrays of JAX
        np.maximum(at - schedule.warmup, 0.0),
        area,
        np.where(counts, fall / rate_unit, 0.0),
        np.where(counts, np.maximum(at[:, None] - place, 0.0), 0.0),
        np.where(counts, since, 0.0),
        np.where(counts, np.maximum(schedule.rate(place) / rate_unit, LEAST_RATE), 1.0),
    ]
    return History(*fields)


def _edges(change: _Many, total: _Many, room: int) -> tuple[_Many, _Many]:
    """Ends of `room` knots along the total change."""
    sign = np.concatenate([[0.0], np.sign(change), [0.0]])
    start = total[np.flatnonzero((sign[1:-1] != 0) & (sign[1:-1] != sign[:-2]))]
    end = total[np.flatnonzero((sign[1:-1] != 0) & (sign[1:-1] != sign[2:])) + 1]
    if not 0 < start.size <= room:
        edges = np.linspace(0.0, total[-1], room + 1)
        return edges[:-1], edges[1:]
    parts = np.ones(start.size, dtype=int)
    for _ in range(room - start.size):
        parts[np.argmax((end - start) / parts)] += 1
    lines = [np.linspace(*line) for line in zip(start, end, parts + 1, strict=True)]
    return np.concatenate([v[:-1] for v in lines]), np.concatenate([v[1:] for v in lines])


def _follow(x: _Many, y: _Many, at: _Many) -> _Many:
    """Straight lines between points; of several at one x the last holds, from there on."""
    at = np.maximum(at, x[0])
    i = np.searchsorted(x, at, side="right") - 1
    j = np.minimum(i + 1, x.size - 1)
    width = np.where(j > i, x[j] - x[i], 1.0)
    return y[i] + np.minimum((at - x[i]) / width, 1.0) * (y[j] - y[i])


def _from_knots(knots: list[_Knot], warmup: float) -> Schedule:
    return table([step for step, _ in knots], [rate for _, rate in knots], warmup)


def _merge(knots: list[_Knot]) -> list[_Knot]:
    kept: list[_Knot] = []
    for step, rate in knots:
        if len(kept) > 1:
            (s0, r0), (s1, r1) = kept[-2:]
            line = r0 + (rate - r0) * (s1 - s0) / (step - s0)
            if abs(r1 - line) <= SAME_LINE * max(r0, r1, rate):
                kept.pop()
        kept.append((step, rate))
    return kept


def _after_warmup(x: Sequence[float] | _Many, y: Sequence[float] | _Many) -> Schedule:
    lead = [0.0] if x[0] > 0 else []
    return table([*lead, *x], [*lead, *y], x[0])


def _check(kind: str, places: _Named, rates: _Named, zero: str = "0 <= ") -> None:
    """Refuse steps and rates that are not in the order in which they are given."""
    ends, low, peak = [0.0, *places.values()], min(rates.values()), rates["peak"]
    steps_fit = ends[1] >= 0 and all(map(operator.lt, ends[1:], ends[2:])) and ends[-1] < math.inf
    rates_fit = low > 0 or (low == 0 < peak and zero == "0 <= ")
    fit = rates_fit and max(rates.values()) == peak < math.inf
    steps_came, came = ([f"{k}={v:g}" for k, v in named.items()] for named in (places, rates))
    needs = {
        f"steps 0 <= {' < '.join(places)}": () if steps_fit else steps_came,
        f"rates per step {zero}{' <= '.join(rates)}": () if fit else came,
    }
    _need(kind, needs)


def _need(what: str, needs: Mapping[str, Collection[object]]) -> None:
    """Refuse if anything came that breaks a need."""
    broken = {
        need: ", ".join(map(str, list(came)[:3])) for need, came in needs.items() if len(came)
    }
    if broken:
        raise UsageError("\n".join(f"{what} needs {n}; came {came}" for n, came in broken.items()))


def _keys(kind: str) -> dict[str, bool]:
    """Keys that a kind allows, and whether it requires them."""
    known = inspect.signature(KINDS.get(kind, table)).parameters
    return {k: v.default is v.empty for k, v in known.items() if kind in KINDS or k == "warmup"}


def _form(kind: str) -> str:
    entries = ["STEP=RATE,..."] * (kind not in KINDS)
    entries += [f"{key}=" if must else f"[{key}=]" for key, must in _keys(kind).items()]
    return f"{kind}:{','.join(entries)}"


def _hint(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {close[0]}?" if close else ""
