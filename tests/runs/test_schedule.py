"""Learning-rate schedules: their curves, their texts, and what they have done by a step."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_scaling.errors import UsageError
from bayes_scaling.runs.schedule import (
    Schedule,
    constant,
    cosine,
    history,
    logged,
    parse_schedule,
    table,
    two_stage,
    wsd,
    wsd_linear,
)

PEAK, LOW, WARMUP, STEPS = 3e-4, 3e-5, 2160, 24000
KINDS = {
    "constant": constant(PEAK, STEPS, WARMUP),
    "cosine": cosine(PEAK, STEPS, WARMUP, LOW),
    "wsd": wsd(PEAK, STEPS, 20000, WARMUP, LOW),
    "wsd_linear": wsd_linear(PEAK, STEPS, 20000, WARMUP),
    "two_stage": two_stage(PEAK, STEPS, 8000, 9e-5, WARMUP),
    # two jumps, a rise, a flat stretch between falls, no warm-up
    "table": table(
        [0, 100, 200, 200, 900, 2000, 2000, 5000, 9000], [1, 1, 0.5, 0.7, 0.2, 0.2, 0.4, 0.1, 0.3]
    ),
}
EVERY = [pytest.param(schedule, id=kind) for kind, schedule in KINDS.items()]


def formula(kind: str, step: np.ndarray) -> np.ndarray:
    decayed = np.clip((step - 20000) / 4000, 0, 1)
    angle = np.pi * np.clip((step - WARMUP) / (STEPS - WARMUP), 0, 1)
    after = {
        "constant": np.full(step.shape, PEAK),
        "cosine": LOW + (PEAK - LOW) * (1 + np.cos(angle)) / 2,
        "wsd": PEAK * (LOW / PEAK) ** decayed,
        "wsd_linear": PEAK * (1 - decayed),
        "two_stage": np.where(step < 8000, PEAK, 9e-5),
    }[kind]
    return np.where(step < WARMUP, PEAK * step / WARMUP, after)


@pytest.mark.parametrize("kind", ["constant", "cosine", "wsd", "wsd_linear", "two_stage"])
def test_constructors_follow_their_formula(kind: str) -> None:
    step = np.append(np.arange(0, STEPS + 1, 7.0), [STEPS, STEPS + 500])
    schedule = KINDS[kind]
    # a chord of 1/256 of a half cosine or a decade lies this close to the curve
    np.testing.assert_allclose(schedule.rate(step), formula(kind, step), atol=2e-5 * PEAK)
    assert (schedule.peak, schedule.last_step, schedule.warmup) == (PEAK, STEPS, WARMUP)


def test_defaults_of_the_constructors() -> None:
    assert wsd(1.0, 10, 5).rates[-1] == 0.1
    assert cosine(1.0, 10).rates[-1] == wsd_linear(1.0, 10, 5).rates[-1] == 0.0
    assert constant(1.0, 10) == Schedule((0, 10), (1, 1), 0)
    assert len({constant(1.0, 10), constant(1, 10.0)}) == 1


def test_rates_at_a_jump_and_outside_the_knots() -> None:
    schedule = two_stage(2.0, 10, 4, 1.0)
    np.testing.assert_array_equal(
        schedule.rate(np.array([[-1, 0], [3.999, 4], [10, 99]])), [[2, 2], [2, 1], [1, 1]]
    )


@pytest.mark.parametrize("schedule", EVERY)
def test_area_is_the_integral(schedule: Schedule) -> None:
    # midpoints of small cells are exact within lines, and no cell straddles a jump
    cells = np.arange(0, schedule.last_step + 200, 0.25)
    area = np.append(0, np.cumsum(schedule.rate(cells + 0.125) * 0.25))[:-1]
    np.testing.assert_allclose(schedule.area(cells), area, rtol=1e-6, atol=1e-6 * schedule.peak)


@pytest.mark.parametrize("schedule", EVERY)
def test_text_reads_back_as_an_equal_schedule(schedule: Schedule) -> None:
    assert parse_schedule(schedule.text) == schedule


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("constant:peak=3e-4,steps=24K,warmup=2160", KINDS["constant"]),
        (" cosine: peak=3e-4, steps=24K, warmup=2160, final=3e-5", KINDS["cosine"]),
        ("wsd:peak=3e-4,steps=24000,decay_from=20K,warmup=2160,final=3e-5", KINDS["wsd"]),
        ("wsd_linear:peak=3e-4,steps=24K,decay_from=20K,warmup=2160", KINDS["wsd_linear"]),
        ("two_stage:peak=3e-4,steps=24K,falls_at=8K,second=9e-5,warmup=2160", KINDS["two_stage"]),
        ("table:0=0,2160=3e-4,24K=3e-5", table([0, 2160, 24000], [0, 3e-4, 3e-5])),
        ("table:0=0,5=2,warmup=5,9=2,9=1", table([0, 5, 9, 9], [0, 2, 2, 1], 5)),
    ],
)
def test_texts(text: str, schedule: Schedule) -> None:
    assert parse_schedule(text) == schedule


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cosin:peak=1", ["'cosin'", "did you mean cosine?", "two_stage:peak=,steps=", "table:"]),
        (
            "cosine:peka=1,steps=soon",
            ["peka, did you mean peak?", "'soon' is not a number", "peak is missing", "[final=]"],
        ),
        ("constant:peak=1,steps=9,peak=2", ["peak is given twice"]),
        ("constant:peak=1,steps", ["'' is not a number"]),
        ("cosine:peak=3e-4,steps=9,warmup=30,final=.1", ["warmup=30, steps=9", "final=0.1"]),
        ("constant:peak=0,steps=9", ["0 < peak; came peak=0"]),
        ("wsd:peak=1,steps=9,decay_from=5,final=0", ["0 < final <= peak; came final=0"]),
        ("wsd:peak=1,steps=9,decay_from=9", ["decay_from < steps; came", "decay_from=9"]),
        ("two_stage:peak=1,steps=9,falls_at=4,second=2", ["came second=2, peak=1"]),
        ("constant:peak=1,steps=9,warmup=1.5", ["whole warm-up step", "came 1.5"]),
        ("table:", ["came 0 and 0"]),
        ("table:0=1,warmpu=3", ["'warmpu' is not a number", "did you mean warmup?"]),
        ("table:1=1,9=1", ["step 0 first", "came 1.0"]),
        ("table:0=1,9=-3,8=1", ["do not descend; came 8.0", "0 or more; came -3.0"]),
        ("table:0=1,5=1,5=2,5=3", ["at most two rates at one step; came 5.0"]),
        ("table:0=1,5=1,warmup=7", ["from 0 to the last step; came 7.0"]),
    ],
)
def test_errors_say_what_came(text: str, said: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_schedule(text)
    for words in said:
        assert words in str(caught.value)


def test_refuses_values_that_are_not_finite() -> None:
    with pytest.raises(UsageError, match="came nan"):
        Schedule((0, 1), (1, np.nan))
    with pytest.raises(UsageError, match="came inf"):
        Schedule((0, np.inf), (1, 1))
    with pytest.raises(UsageError, match="steps=inf"):
        cosine(1.0, np.inf)
    with pytest.raises(UsageError, match="peak=inf"):
        constant(np.inf, 9)


@pytest.mark.parametrize("kind", ["cosine", "two_stage"])
@pytest.mark.parametrize(("first", "given"), [(60, None), (4020, WARMUP)])
def test_logged_recovers_a_schedule(kind: str, first: int, given: int | None) -> None:
    at = np.arange(first, STEPS + 1, 60.0)
    schedule = logged(at, KINDS[kind].rate(at), given)
    np.testing.assert_allclose(schedule.rate(at), KINDS[kind].rate(at), rtol=1e-11)
    assert schedule.warmup == WARMUP
    early = np.arange(0.0, WARMUP)
    # a log of later steps knows the peak only as the first rate it holds
    tolerance = 1e-11 if first < WARMUP or kind == "two_stage" else 0.03
    np.testing.assert_allclose(schedule.rate(early), KINDS[kind].rate(early), rtol=tolerance)
    if kind == "two_stage":  # straight stretches cost nothing; the jump is a steep line
        assert len(schedule.steps) == 5


def test_logged_without_a_known_warmup_holds_the_first_rate() -> None:
    assert logged(np.array([50, 60, 90]), np.array([2, 2, 1])) == table([0, 60, 90], [2, 2, 1])
    # a rise that never ends is all warm-up, and a warm-up that is given is not used
    assert logged(np.array([5, 10]), np.array([1, 2.0]), 90) == table([0, 10], [0, 2], 10)
    assert logged(np.array([5, 10]), np.array([1, 1]), 5) == table([0, 5, 10], [0, 1, 1], 5)


@pytest.mark.parametrize(
    ("steps", "rates", "warmup", "said"),
    [
        ([5], [1], None, "two points, and a rate for each step; came 1, 1"),
        ([5, 6], [1], None, "came 2, 1"),
        ([5, 5], [1, 1], None, "ascending steps from 0 on; came 5.0"),
        ([5, 9, 7], [1, 1, 1], None, "ascending steps from 0 on; came 7.0"),
        ([-5, 9], [1, 1], None, "came -5.0"),
        ([5, 9], [1, -2], None, "rates of 0 or more; came -2.0"),
        ([5, 9], [1, np.nan], None, "rates of 0 or more; came nan"),
        ([5, 9], [1, 1], 6, "came warmup=6 and first step 5"),
    ],
)
def test_logged_errors(steps: list, rates: list, warmup: int | None, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        logged(np.array(steps), np.array(rates), warmup)
    assert said in str(caught.value)


@pytest.mark.parametrize("schedule", EVERY)
@pytest.mark.parametrize("knots", [4, 16, 64])
def test_falls_add_up_to_the_change_of_the_rate(schedule: Schedule, knots: int) -> None:
    at = np.arange(0, schedule.last_step + 100, 50.0)
    past = history(schedule, at, knots, 2.0)
    start = schedule.rate(np.array([schedule.warmup]))
    change = start - schedule.rate(np.maximum(at, schedule.warmup))
    np.testing.assert_allclose(2 * past.fall.sum(1), change, atol=1e-12 * schedule.peak)
    np.testing.assert_array_equal(past.steps, np.maximum(at - schedule.warmup, 0))
    np.testing.assert_allclose(past.area, schedule.area(at) / 2)
    idle = past.fall == 0
    assert past.fall.shape == (at.size, knots)
    assert (past.rate[idle] == 1).all()
    assert not past.steps_since[idle].any()
    assert not past.area_since[idle].any()
    # between the place of a knot and the row lies the area of those steps
    place = at[:, None] - past.steps_since
    between = (schedule.area(at)[:, None] - schedule.area(place)) / 2
    np.testing.assert_allclose(past.area_since, between, atol=1e-9 * schedule.peak)


def test_places_of_a_jump_and_of_a_line() -> None:
    schedule = table([0, 10, 10, 20, 40], [4, 4, 3, 3, 0])
    past = history(schedule, np.array([9.0, 10, 20, 30, 50]), 2, 2.0)
    line, jump = 0, 1
    np.testing.assert_allclose(past.fall[:, jump], [0, 0.5, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(past.steps_since[:, jump], [0, 0, 10, 20, 40])
    np.testing.assert_allclose(past.rate[:, jump], [1, 1.5, 1.5, 1.5, 1.5])
    # the half of the line that lies before step 30 is placed in its own middle
    np.testing.assert_allclose(past.fall[:, line], [0, 0, 0, 0.75, 1.5])
    np.testing.assert_allclose(past.steps_since[:, line], [0, 0, 0, 5, 20])
    np.testing.assert_allclose(past.rate[:, line], [1, 1, 1, 1.125, 0.75])
    # 5 steps at 1.875 on average; 10 steps at 0.75, in units of 2
    np.testing.assert_allclose(past.area_since[3:, line], [5 * 1.875 / 2, 10 * 0.75 / 2])


def test_stretches_have_knots_of_their_own_and_share_by_change() -> None:
    schedule = table([0, 10, 20, 30, 40], [0, 6, 6, 8, 8])
    past = history(schedule, np.array([50.0]), 8, 1.0)
    np.testing.assert_allclose(past.fall[0], -np.ones(8))
    few = history(table([0, 10, 20, 30], [1, 3, 2, 3]), np.array([50.0]), 2, 1.0)
    np.testing.assert_allclose(few.fall[0], [-2, 0])  # the second rises by 1 and falls by 1


def test_the_rate_has_a_floor() -> None:
    assert history(two_stage(1.0, 9, 4, 0.0), np.array([5.0]), 1, 1.0).rate[0, 0] == 1e-6


@pytest.mark.parametrize("kind", ["cosine", "wsd", "wsd_linear", "two_stage"])
def test_annealing_sum_of_64_knots(kind: str) -> None:
    schedule, at = KINDS[kind], np.arange(0, STEPS + 1, 100.0)
    past = history(schedule, at, 64, PEAK)
    gathered = (past.fall * -np.expm1(-past.steps_since / 500)).sum(1)
    step = np.arange(WARMUP, STEPS + 1.0)
    since = np.maximum(at[:, None] - step[1:], 0)
    exact = -np.expm1(-since / 500) @ -np.diff(schedule.rate(step)) / PEAK
    assert np.abs(gathered - exact).max() < 0.01 * exact.max()


@pytest.mark.parametrize(
    ("knots", "unit", "at", "said"),
    [
        (2, 1.0, 5.0, "2 jumps and 2 knots"),  # and no knot for the lines
        (9, 0.0, 5.0, "rate_unit above 0; came 0.0"),
        (9, 1.0, np.nan, "finite steps; came nan"),
        (-1, 1.0, 5.0, "-1 knots"),
    ],
)
def test_history_errors(knots: int, unit: float, at: float, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        history(KINDS["table"], np.array([at]), knots, unit)
    assert said in str(caught.value)
