"""What laws predict, and the noise that goes with it."""

from __future__ import annotations

import pytest

from bayes_scaling.law import Frontier, Gap, Loss, Response, Score
from bayes_scaling.program.noise import NOISES, noise_named


@pytest.mark.parametrize(
    ("response", "kind", "unit", "noise", "positive"),
    [
        (Loss(), "loss", "nat/token", "student-t", True),
        (Loss("bit/byte"), "loss", "bit/byte", "student-t", True),
        (Loss(signed=True), "loss", "nat/token", "student-t-raw", False),
        (Score(), "score", "fraction", "student-t-raw", False),
        (Gap(), "loss gap", "nat/token", "student-t", True),
        (Frontier("density", "1", of="largest"), "density", "1", "upper-frontier", True),
        (Frontier("loss", "nat", of="smallest"), "loss", "nat", "lower-frontier", True),
    ],
)
def test_kinds(response: Response, kind: str, unit: str, noise: str, positive: bool) -> None:
    assert (response.kind, response.unit, response.noise) == (kind, unit, noise)
    assert response.positive == positive


@pytest.mark.parametrize("name", NOISES)
def test_positive_is_that_of_the_noise(name: str) -> None:
    assert Response("loss", "nat", name).positive == noise_named(name).on_log


def test_a_frontier_has_one_of_two_sides() -> None:
    assert noise_named(Frontier("loss", "nat", of="smallest").noise).side == 1
    assert noise_named(Frontier("score", "1", of="largest").noise).side == -1
    with pytest.raises(KeyError):
        Frontier("loss", "nat", of="best")
