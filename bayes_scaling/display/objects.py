"""Laws, fits and answers as the JSON objects that the command line prints."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bayes_scaling.answers import Forecast
from bayes_scaling.law import CITATIONS, Law
from bayes_scaling.posterior import Fit

from .cells import number, quantiles


def law_object(law: Law) -> dict[str, Any]:
    """A law: formula, inputs, parameters with priors, references."""
    return {
        "name": law.name,
        "family": law.family,
        "formula": law.formula.replace("$", "").rstrip("."),
        "explanation": law.explanation,
        "response": {"kind": law.response.kind, "unit": law.response.unit},
        "noise": law.response.noise,
        "open": law.open,
        "inputs": [
            {
                "name": k,
                "meaning": v.meaning,
                "unit": v.unit,
                "domain": v.expected,
                "centred": v.centred,
            }
            for k, v in law.inputs.items()
        ],
        "parameters": [
            {
                "name": k,
                "meaning": v.meaning,
                "unit": v.unit,
                "prior": str(v.prior),
                "varies": v.varies,
                "each": v.each,
            }
            for k, v in law.parameters.items()
        ],
        "derived": [{"name": d.name, "meaning": d.meaning, "unit": d.unit} for d in law.derived],
        "variants": {k: v.meaning for k, v in law.variants.items()},
        "citation": str(CITATIONS[law.citation]),
        "references": [str(CITATIONS[k]) for k in law.references],
        "tried_on": list(law.tried_on),
    }


def fit_object(fit: Fit) -> dict[str, Any]:
    """A fit: parameters, derived quantities, diagnostics, warnings."""
    table = fit.summary()
    learned = table[table["kind"] != "derived"]
    derived = table[table["kind"] == "derived"]
    return {
        "law": fit.law.name,
        "unit": fit.record.unit,
        "counts_embeddings": fit.record.counts_embeddings,
        "flops": fit.record.flops,
        "references": fit.spec.references,
        "parameters": [_quantity(row) for _, row in learned.iterrows()],
        "derived": [_quantity(row) for _, row in derived.iterrows()],
        "diagnostics": fit.diagnostics,
        "warnings": [w.as_dict() for w in fit.warnings],
    }


def _quantity(row: pd.Series) -> dict[str, Any]:
    return {
        "name": row["name"],
        "group": row["group"] or None,
        "mean": number(row["mean"]),
        "sd": number(row["sd"]),
        "quantiles": quantiles(row),
        "rhat": number(row["rhat"]),
        "ess_bulk": number(row["ess_bulk"]),
        "ess_tail": number(row["ess_tail"]),
        "contraction": number(row["contraction"]),
    }


def forecast_object(answer: Forecast) -> dict[str, Any]:
    """A forecast: one object a point, with quantiles and extrapolation."""
    points = []
    inputs = list(answer.extrapolation.columns)
    sensitive = {
        i: {**{k: number(own[k]) for k in ("prior", "likelihood")}, "diagnosis": own["diagnosis"]}
        for i, own in answer.sensitivity.iterrows()
    }
    rows = answer.summary().iterrows()
    for (i, row), (_, beyond) in zip(rows, answer.extrapolation.iterrows(), strict=True):
        labels = [row[g] if isinstance(row[g], str) else None for g in answer.groups]
        point = {
            "inputs": {k: float(row[k]) for k in inputs},
            "group": labels[0]
            if len(labels) == 1
            else dict(zip(answer.groups, labels, strict=True)) or None,
            "mean": number(row["mean"]),
            "sd": number(row["sd"]),
            "quantiles": quantiles(row),
            "extrapolation": {
                "decades": {k: float(beyond[k]) for k in inputs},
                "label": row["extrapolation"],
            },
        }
        if "discrepancy" in row.index:
            point["discrepancy"] = number(row["discrepancy"])
        if i in sensitive:
            point["sensitivity"] = sensitive[i]
        if "observed" in row.index:
            point["observed"] = number(row["observed"])
        points.append(point)
    return {
        "law": answer.law,
        "response": answer.response,
        "unit": answer.unit,
        "kind": answer.kind,
        "counts_embeddings": answer.counts_embeddings,
        "flops": answer.flops,
        "points": points,
        **({"check": checked} if (checked := answer.check()) else {}),
        "warnings": [w.as_dict() for w in answer.warnings],
    }
