"""What a learning-rate schedule has done by each logged step, as a law sees it."""

from __future__ import annotations

from typing import NamedTuple

from jax import Array
from jaxtyping import Float


class History(NamedTuple):
    """Falls of the learning rate before each row, gathered in a fixed number of knots.

    Rates are in units of a reference rate, the largest of the fitted schedules; steps in
    units of the reference step, areas since a knot in units of both. A knot stands for
    the falls of a stretch of steps; only the part before the row counts, and knots after
    the row are zero.

    Attributes
    ----------
    steps : (rows,) array
        Steps since the end of warm-up.
    area : (rows,) array
        Sum of the rates up to the row, warm-up included, over its geometric mean among
        the fitted rows.
    fall : (rows, knots) array
        Fall of the rate at each knot, from the end of warm-up; a rise is negative.
    steps_since, area_since : (rows, knots) array
        Steps, and sum of the rates, from the knot to the row.
    rate : (rows, knots) array
        Rate after the fall, above zero.
    """

    steps: Float[Array, " rows"]
    area: Float[Array, " rows"]
    fall: Float[Array, "rows knots"]
    steps_since: Float[Array, "rows knots"]
    area_since: Float[Array, "rows knots"]
    rate: Float[Array, "rows knots"]
