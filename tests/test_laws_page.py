"""The catalogue: families, the list, the page models/README.md, and laws with open inputs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from command import command
from fakes import fake_fit
from rich.console import Console

import bayes_scaling as bs
from bayes_scaling.display import catalogue, text
from bayes_scaling.errors import UsageError
from bayes_scaling.law import CITATIONS, FAMILIES, Law
from bayes_scaling.models import registry

PAGE = Path(__file__).parents[1] / "models" / "README.md"
OPEN_LAW = r'''
from typing import Annotated

from jax import Array

from bayes_scaling.law import Input, LogNormal, Loss, Normal, Parameter, Variant, law


@law(
    response=Loss(),
    citation="ye2024",
    family="D",
    variants={"flat": Variant("no slope", citation="liu2024", fix={"b": 0.0})},
    tried_on=("scalebench/domain_mixture",),
)
def blend(
    N: Annotated[Array, Input("model parameters", "parameter")],
    *share: Annotated[Array, Input("share of", "", "fraction", "difference")],
    a: Annotated[Array, Parameter(LogNormal(1.0, 0.5), "size")],
    b: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N")],
    t: Annotated[Array, Parameter(Normal(0.0, 1.0), "pull of", each=True)],
) -> Array:
    r"""$\|L\| = a N^{-b}\, \{|t \cdot r|\}$ where | ends.

    With $r$ the shares.
    """
    return a * N**-b + sum(k * s for k, s in zip(t, share, strict=True))
'''


@pytest.fixture
def blend(tmp_path: Path) -> Path:
    path = tmp_path / "blend.py"
    path.write_text(OPEN_LAW)
    return path


# -- the list and the page


def test_the_list_is_by_family_and_name() -> None:
    found = command("laws")
    places = [found.out.index(f"\n{law.name} ") for law in ordered()]
    assert places == sorted(places)
    for law in registry.values():
        assert f"{law.family}: {FAMILIES[law.family]}\n" in found.out
        assert CITATIONS[law.citation].short in found.out


def ordered() -> list[Law]:
    order = list(FAMILIES)
    return sorted(registry.values(), key=lambda law: (order.index(law.family), law.name))


@pytest.mark.parametrize("width", [100, 140])
def test_the_list_fits_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setattr(text, "Console", lambda **_: Console(width=width))
    text.show_laws(list(registry.values()))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    for law in registry.values():  # names and papers are never folded
        (line,) = [line for line in lines if line.startswith(f"{law.name} ")]
        assert line.rstrip().endswith(CITATIONS[law.citation].short)


def test_the_page_is_what_the_laws_say() -> None:
    found = command("laws", "--markdown")
    assert (found.status, found.err) == (0, "")
    same = found.out == PAGE.read_text(encoding="utf-8")
    assert same, "models/README.md is not what the laws say: write it again with 'make laws'"


def test_the_page_names_every_law_and_paper() -> None:
    page = catalogue.page(list(registry.values()))
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [law.name for law in ordered()]
    papers = {key for law in registry.values() for key in law.references}
    for key in papers:
        if CITATIONS[key].arxiv:
            assert f"](https://arxiv.org/abs/{CITATIONS[key].arxiv})" in page
    assert page.endswith(f"\n{len(registry)} laws serve {len(papers)} papers.")
    assert str(PAGE.parents[1]) not in page


def test_the_page_is_of_all_laws() -> None:
    for more in ("chinchilla", "--json"):
        found = command("laws", more, "--markdown")
        assert found.status == 2
        assert "--markdown prints the page of all laws" in found.err


def test_bars_and_braces_survive_markdown(blend: Path) -> None:
    page = catalogue.page([bs.find_law(str(blend))])
    (row,) = [line for line in page.splitlines() if line.startswith("| `")]
    law, formula, inputs, papers, tried = [
        cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]
    ]
    assert (law, inputs, tried) == ("`blend`", "`N, *share`", "scalebench/domain_mixture")
    assert formula == (
        r"$\Vert L\Vert = a N^{-b} \lbrace \vert t \cdot r\vert \rbrace $ where \| ends"
    )
    assert papers.count("https://arxiv.org/abs/") == 2
    assert page.endswith("1 laws serve 2 papers.")


def test_formulas_of_the_list_are_short() -> None:
    formula = r"L = \left[\Lambda x\right]^{-\lambda}\, \log \frac{\mu}{\beta},\ \leftarrow"
    assert text.readable(formula) == r"L = [Λ x]^{-λ} log \frac{μ}{β}, \leftarrow"


# -- one law


def test_an_open_law_in_full(blend: Path) -> None:
    found = command("laws", blend)
    assert (found.status, found.err) == (0, "")
    for words in (
        "With $r$ the shares.",
        "family: D, effective resources",
        "response: loss (nat/token); noise student-t",
        "blend:web,books,code",
        "*share",
        "a number from 0 to 1",
        "x - its mean",
        "x / its geometric mean",
        "t_*",
        "variant blend:flat: no slope",
        "reference: Ye et al. (2024), Data Mixing Laws",
        "reference: Liu et al. (2024), RegMix",
        "tried on: scalebench/domain_mixture",
    ):
        assert words in found.out


def test_an_open_law_as_json(blend: Path) -> None:
    (law,) = command("laws", blend, "--json").json["laws"]
    assert law["open"] == "share"
    assert law["explanation"] == "With $r$ the shares."
    assert law["noise"] == "student-t"
    assert law["tried_on"] == ["scalebench/domain_mixture"]
    assert [r.split(",")[0] for r in law["references"]] == ["Ye et al. (2024)", "Liu et al. (2024)"]
    assert [p["name"] for p in law["parameters"] if p["each"]] == ["t"]
    (law,) = command("laws", f"{blend}:web,books", "--json").json["laws"]
    assert law["name"] == "blend:web,books"
    assert law["inputs"][1]["meaning"] == "share of web"
    assert [p["name"] for p in law["parameters"]] == ["a", "b", "t_web", "t_books"]
    assert not any(p["each"] for p in law["parameters"])


# -- laws over named columns


def test_columns_follow_the_name(blend: Path) -> None:
    law = bs.find_law(f"{blend}:web, books")
    assert law.name == "blend:web,books"
    assert list(law.inputs) == ["N", "web", "books"]
    flat = bs.find_law(f"{blend}:flat:web,books")
    assert flat.name == "blend:flat:web,books"
    values = {"a": 2.0, "t_web": 1.0, "t_books": 10.0}
    at = {"N": jnp.asarray(4.0), "web": jnp.asarray(0.5), "books": jnp.asarray(0.25)}
    assert float(flat.mean(at, values)) == pytest.approx(2.0 + 0.5 + 2.5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("chinchilla:web,books", "takes the inputs N, D and no others"),
        ("{blend}:web", "needs two or more different names for share"),
        ("{blend}:", "needs two or more different names for share"),
        ("{blend}:web,web", "needs two or more different names for share"),
        ("{blend}:web,N", "needs two or more different names for share"),
        ("{blend}:web,,code", "cannot call an input ''"),
        ("{blend}:web,c4/en", "cannot call an input 'c4/en'"),
        ("{blend}:web,books:web,books", "takes the inputs N, web, books and no others"),
        ("{blend}:web,books:flat", "has no variant 'flat'"),
    ],
)
def test_columns_that_cannot_be(blend: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        bs.find_law(name.format(blend=blend))


def test_a_model_needs_the_columns(blend: Path) -> None:
    with pytest.raises(UsageError, match=r"--law blend:web,books,code or law\.over\('web', "):
        bs.ScalingModel(bs.find_law(str(blend)))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    web = rng.uniform(0.1, 0.9, 20)
    frame = pd.DataFrame({"N": 10 ** rng.uniform(7, 9, 20), "w": web, "books": (1 - web) / 2})
    frame["loss"] = 3 * (frame["N"] / 1e8) ** -0.1 * np.exp(-0.3 * web)
    path = tmp_path / "runs.csv"
    frame.to_csv(path, index=False)
    return path


def test_a_table_for_an_open_law(blend: Path, table: Path) -> None:
    found = command("check", table, "--law", f"{blend}:web,books", "--input", "web=w", "--json")
    assert found.status == 0, found.err
    assert found.json["law"] == "blend:web,books"
    wrong = command("check", table, "--law", f"{blend}:web,books", "--input", "code=w")
    assert wrong.status == 2
    assert "--input names code, which law blend:web,books does not have" in wrong.err
    bare = command("check", table, "--law", blend)
    assert bare.status == 2
    assert "name them, as --law blend:web,books,code" in bare.err


@pytest.mark.parametrize("name", ["blend:web,books", "blend:flat:web,books"])
def test_a_fit_of_an_open_law_is_loaded(
    blend: Path, table: Path, tmp_path: Path, name: str
) -> None:
    law = bs.find_law(name, source=str(blend))
    inputs = {"N": "N", "web": "w", "books": "books"}
    spec = bs.ScalingModel(law).spec(bs.read_runs(table, inputs=inputs))
    fake = fake_fit()
    record = replace(fake.record, law_source=law.source)
    replace(fake, law=law, spec=spec, record=record).save(tmp_path / "fit.nc")
    loaded = bs.load(tmp_path / "fit.nc")
    assert loaded.law.name == name
    assert list(loaded.law.inputs) == ["N", "web", "books"]
    assert loaded.spec == spec
