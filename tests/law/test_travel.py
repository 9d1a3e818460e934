"""Laws and what is made of them on their way to another process."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

import bayes_scaling as bs
from bayes_scaling.errors import UsageError
from bayes_scaling.models import registry

FILE = """
from typing import Annotated
from jax import Array
from bayes_scaling.law import Input, LogNormal, Loss, Parameter, law

@law(response=Loss(), citation="kaplan2020", family="test")
def {name}(
    x: Annotated[Array, Input("scale", "unit")],
    *,
    a: Annotated[Array, Parameter(LogNormal(0.3, {sd}), "exponent")],
) -> Array:
    "$x^{{-a}}$"
    return x**-a
"""


@pytest.mark.parametrize("name", sorted(registry))
def test_a_law_and_its_variants_arrive_as_themselves(name: str) -> None:
    law = registry[name]
    for one in (law, *(law.variant(v) for v in law.variants)):
        assert pickle.loads(pickle.dumps(one)) is one


@pytest.mark.parametrize(
    "name", ["chinchilla:alpha=0.35", "chinchilla:beta=alpha", "domain_mixture:web,books",
             "chinchilla+error_decay", "chinchilla|kaplan"],
)  # fmt: skip
def test_so_do_laws_that_are_made_of_others(name: str) -> None:
    law = bs.find_law(name)
    assert pickle.loads(pickle.dumps(law)) is law
    assert copy.deepcopy(law) is law


def test_a_law_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "my_law.py"
    file.write_text(FILE.format(name="my_law", sd=0.5))
    law = bs.find_law(str(file))
    there = pickle.loads(pickle.dumps(law))
    assert (there.name, there.parameters) == ("my_law", law.parameters)
    assert pickle.loads(pickle.dumps(law)) is there  # once a process, so that programs are reused
    held = law.fix("a", 0.3)
    assert pickle.loads(pickle.dumps(held)).fixed == {"a": 0.3}


def test_another_law_of_that_name_does_not_take_its_place(tmp_path: Path) -> None:
    file = tmp_path / "chinchilla.py"
    file.write_text(FILE.format(name="chinchilla", sd=0.5))
    with pytest.raises(UsageError, match=r"law chinchilla cannot be sent .* another law is found"):
        pickle.dumps(bs.find_law(str(file)))
    with pytest.raises(UsageError, match=r"law mine cannot be sent to another process"):
        pickle.dumps(replace(registry["kaplan"], name="mine"))
    with pytest.raises(UsageError, match=r"no law named 'mine'.*declare it in a law file"):
        pickle.dumps(replace(registry["kaplan"], name="mine", source=""))


def test_a_model_arrives_with_its_choices() -> None:
    priors = {"alpha": bs.LogNormal(0.3, 0.2)}
    model = bs.ScalingModel(registry["chinchilla"], pool={"alpha": "complete"}, priors=priors)
    there = pickle.loads(pickle.dumps(model))
    assert vars(there) == vars(model)
    auto = bs.make_model("auto")
    assert pickle.loads(pickle.dumps(auto)).law is auto.law
