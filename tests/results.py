"""Recovery and calibration of every law: results.csv, and the table RESULTS.md made from it.

    python tests/results.py              # laws whose declaration has changed; resumes
    python tests/results.py LAW [...]    # these again
    python tests/results.py --tables 40 LAW [...]    # with fewer simulated tables

Each law takes a minute or two on one core. `test_results.py` says which rows are stale.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import inspect
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from cases import CASES, Case
from recovery import ALL, BY_NAME, own_program, recover, together

from bayes_scaling import find_law
from bayes_scaling.jax_setup import one_thread_linear_algebra
from bayes_scaling.validation import kind_of
from bayes_scaling.validation.calibration import Calibration, rank_truths

FOLDER = Path(__file__).parent
TABLE, PAGE = FOLDER / "results.csv", FOLDER / "RESULTS.md"
LOCK = Path(tempfile.gettempdir()) / "bayes_scaling_results.lock"
REPLICATES = 100
FAMILY_LEVEL = 0.01  # chance that any quantity of any calibrated law leaves the band
SEED = 7


def digest(case: Case) -> str:
    """What a law's results depend on: its formula, priors and links, and its row."""
    law = find_law(case.law)
    tree = ast.parse(Path(law.source).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    functions = [ast.dump(n) for n in tree.body if isinstance(n, ast.FunctionDef)]
    bodies = [text.split("decorator_list=")[0] for text in functions]
    priors = {k: str(p.prior) for k, p in law.parameters.items()}
    row = [case.law, dict(case.truth), dict(case.domain), sorted(case.unidentified), case.sigma]
    row.append(inspect.getsource(case.design) if case.design else "")
    parts = [bodies, priors, row, law.response.noise]
    parts += [inspect.getsource(law.scatter)] if law.scatter else []
    parts += ["scheduled"] if law.scheduled else []
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def calibration(
    case: Case, names: tuple[str, ...] = ALL, replicates: int = REPLICATES
) -> Calibration:
    """Ranks of the law's own quantities, fitted in the program of all of `names`."""
    law, spec, data = own_program(case)

    def report(text: str) -> None:
        print(f"  {case.law}: {text}", flush=True)

    if case.alone or kind_of(law).alone:
        return rank_truths(
            spec.structure(law), data, replicates=replicates, seed=SEED, report=report
        )
    program = together(kind_of(law), names)
    arrays = program.data(law, data, spec)
    found = rank_truths(program.structure, arrays, replicates=replicates, seed=SEED, report=report)
    own = dict(zip(program.parameters, law.parameters, strict=False))
    kept = [j for j, n in enumerate(found.names) if n in own or not n.startswith("p")]
    names = [own.get(found.names[j], found.names[j]) for j in kept]
    return Calibration(names, found.ranks[:, kept], found.redone)


def row_of(case: Case, names: tuple[str, ...], replicates: int = REPLICATES) -> dict[str, Any]:
    """Recovery and calibration of one law, in the program of all of `names`."""
    found = recover(case.law, names)
    faults = found.faults(tuple(case.unidentified))
    informed = {k: c for k, c in found.contraction.items() if k not in case.unidentified}
    ranks = calibration(case, names, replicates)
    p = ranks.p_values()
    worst = min(p, key=p.__getitem__)
    return {
        "law": case.law,
        "family": find_law(case.law).family,
        "parameters": len(found.z),
        "divergences": found.divergences,
        "rhat": round(found.rhat, 4),
        "ess": round(found.ess),
        "worst_z": round(max(map(abs, found.z.values())), 2),
        "least_contraction": round(min(informed.values()), 3),
        "unidentified": " ".join(case.unidentified),
        "faults": "; ".join(faults),
        "quantities": len(p),
        "replicates": len(ranks.ranks),
        "redone": ranks.redone,
        "least_p": float(f"{p[worst]:.3g}"),
        "of": worst,
        "digest": digest(case),
    }


def read() -> pd.DataFrame:
    if not TABLE.is_file():
        return pd.DataFrame({"law": [], "digest": []})
    return pd.read_csv(TABLE, keep_default_na=False)


def stale(table: pd.DataFrame) -> list[str]:
    """Laws without a row, or whose declaration has changed since."""
    known = dict(zip(table["law"], table["digest"], strict=True))
    return [case.law for case in CASES if known.get(case.law) != digest(case)]


def uncalibrated(table: pd.DataFrame) -> pd.DataFrame:
    """Rows with a quantity that leaves the band of the whole catalogue."""
    return table[table["least_p"] < FAMILY_LEVEL / table["quantities"].sum()]


def write(table: pd.DataFrame) -> None:
    order = {case.law: i for i, case in enumerate(CASES)}
    table = table[table["law"].isin(list(order))]
    table = table.sort_values("law", key=lambda names: names.map(order))
    table.to_csv(TABLE, index=False)
    PAGE.write_text(page(table))


def page(table: pd.DataFrame) -> str:
    """The table as a Markdown page."""
    quantities = int(table["quantities"].sum())
    outside = uncalibrated(table)["law"].tolist()
    faulty = table[table["faults"] != ""]["law"].tolist()
    lines = [
        "# Recovery and calibration of every law",
        "",
        "Written by `python tests/results.py` from `results.csv`; everything here is simulated.",
        "",
        "Recovery: 96 runs are simulated from the known parameters of the law's row in",
        "`cases.py` and fitted once by NUTS (4 chains of 1,000 draws). Shown are divergences,",
        "largest R-hat, smallest bulk ESS, the truth's largest distance in posterior sds, and",
        "the smallest contraction (one minus posterior over prior variance) of the parameters",
        "that the design identifies; the others are named.",
        "",
        f"Calibration: {int(table['replicates'].max())} tables a law, or fewer where this table",
        "says so, are simulated from the prior and fitted; the rank of the truth",
        "among thinned draws must be uniform. Shown is the smallest p-value of the law's",
        "quantities: the chance that uniform ranks leave so wide a simultaneous band. With",
        f"probability 1 % any of the {quantities} quantities of a calibrated catalogue falls below",
        f"{FAMILY_LEVEL / quantities:.1e}. Chains that had not settled were run again alone and",
        "for longer (redone).",
        "",
        f"{len(table)} laws and variants; recovery faults: {', '.join(faulty) or 'none'}; "
        f"not calibrated: {', '.join(outside) or 'none'}.",
        "",
        "| law | family | parameters | divergences | R-hat | ESS | worst z | least contraction "
        "| not identified | tables | calibration p | of | redone |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for _, r in table.iterrows():
        cells = [r["law"], r["family"], r["parameters"], r["divergences"], f"{r['rhat']:.3f}"]
        cells += [r["ess"], f"{r['worst_z']:.1f}", f"{r['least_contraction']:.2f}"]
        cells += [r["unidentified"], r["replicates"], f"{r['least_p']:.2g}", r["of"]]
        lines.append(f"| {' | '.join(map(str, [*cells, r['redone']]))} |")
    return "\n".join(lines) + "\n"


def main(names: list[str]) -> int:
    one_thread_linear_algebra()
    replicates = REPLICATES
    if names[:1] == ["--tables"]:
        replicates, names = int(names[1]), names[2:]
    chosen = tuple(names or stale(read()))
    for name in chosen:
        print(name, flush=True)
        row = pd.DataFrame([row_of(BY_NAME[name], chosen, replicates)])
        with LOCK.open("w") as lock:  # several processes may share the laws
            fcntl.flock(lock, fcntl.LOCK_EX)
            others = read()
            others = others[others["law"] != name]
            write(pd.concat([others, row], ignore_index=True) if len(others) else row)
    write(read())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
