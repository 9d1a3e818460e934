"""What a law predicts. How it is observed (the likelihood) is `program.noise`'s part."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Response:
    """A measured quantity; make one with the functions below.

    Attributes
    ----------
    kind : str
        Such as ``"loss"``, for axes and messages.
    unit : str
        Default unit; a table of runs may say otherwise.
    noise : str
        Name of the noise that a model takes where none is asked for.
    """

    kind: str
    unit: str
    noise: str

    @property
    def positive(self) -> bool:
        """Whether the noise works on the logarithm, so that the response must be positive."""
        return not self.noise.endswith("raw") and self.noise != "normal"


def Loss(unit: str = "nat/token", *, signed: bool = False) -> Response:
    """A mean loss per unit of text; `signed` where it can be negative."""
    return Response("loss", unit, "student-t-raw" if signed else "student-t")


def Curve(unit: str = "nat/token") -> Response:
    """Points of the loss curve of a run: what sets them apart is correlation, not outliers."""
    return Response("loss", unit, "lognormal")


def Score(unit: str = "fraction") -> Response:
    """A score or rate that grows with scale, observed with error on its own scale."""
    return Response("score", unit, "student-t-raw")


def Gap(unit: str = "nat/token") -> Response:
    """A positive difference of two losses, such as the harm of quantisation."""
    return Response("loss gap", unit, "student-t")


def Frontier(kind: str, unit: str, *, of: str) -> Response:
    """A positive quantity whose best cases the law describes.

    Parameters
    ----------
    kind, unit : str
    of : {"largest", "smallest"}
        Whether runs fall below the law (densities, scores) or lie above it (losses).
    """
    return Response(kind, unit, {"largest": "upper-frontier", "smallest": "lower-frontier"}[of])
