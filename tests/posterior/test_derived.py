"""Draws of derived quantities: any array function, over the groups that it uses."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import xarray as xr

from bayes_scaling.law import Derived, Law
from bayes_scaling.models import registry
from bayes_scaling.posterior.model import derived_draws

REFERENCES = {"N": 1e9, "D": 1e10}


def law_with(*derived: Derived) -> Law:
    return replace(registry["chinchilla"], derived=derived)


def draws() -> dict[str, xr.DataArray]:
    rng = np.random.default_rng(1)
    shared = xr.DataArray(rng.uniform(0.2, 0.4, (2, 50)), dims=("chain", "draw"))
    own = xr.DataArray(rng.uniform(2.0, 3.0, (2, 50, 3)), dims=("chain", "draw", "group"))
    return {"level": own, "alpha": shared, "beta": shared + 0.1, "reducible": shared + 0.2}


def test_jax_functions_work_on_draws() -> None:
    quantity = Derived("log_A", lambda x0, p: jnp.log(p["level"]) * p["alpha"], "test")
    found = derived_draws(law_with(quantity), REFERENCES, draws())["log_A"]
    expected = np.log(draws()["level"]) * draws()["alpha"]
    xr.testing.assert_allclose(found.transpose(*expected.dims), expected)


def test_a_quantity_has_the_dimensions_of_what_it_uses() -> None:
    ratio = Derived("ratio", lambda x0, p: p["alpha"] / (p["alpha"] + p["beta"]), "test")
    found = derived_draws(law_with(ratio), REFERENCES, draws())["ratio"]
    assert found.dims == ("chain", "draw")


def test_what_does_not_move_is_left_out() -> None:
    fixed = Derived("one", lambda x0, p: p["alpha"] / p["alpha"], "test")
    nothing = Derived("N_0", lambda x0, p: x0["N"], "test")
    assert derived_draws(law_with(fixed, nothing), REFERENCES, draws()) == {}
