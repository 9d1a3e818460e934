"""The papers that laws come from, by key."""

from __future__ import annotations

from typing import NamedTuple


class Citation(NamedTuple):
    """A paper: authors, year, title and arXiv number."""

    authors: str
    year: int
    title: str
    arxiv: str

    def __str__(self) -> str:
        return f"{self.authors} ({self.year}), {self.title}, arXiv {self.arxiv}"


CITATIONS: dict[str, Citation] = {
    "hestness2017": Citation(
        "Hestness et al.", 2017, "Deep Learning Scaling is Predictable, Empirically", "1712.00409"
    ),
    "kaplan2020": Citation(
        "Kaplan et al.", 2020, "Scaling Laws for Neural Language Models", "2001.08361"
    ),
    "henighan2020": Citation(
        "Henighan et al.",
        2020,
        "Scaling Laws for Autoregressive Generative Modeling",
        "2010.14701",
    ),
    "hoffmann2022": Citation(
        "Hoffmann et al.", 2022, "Training Compute-Optimal Large Language Models", "2203.15556"
    ),
    "besiroglu2024": Citation(
        "Besiroglu et al.", 2024, "Chinchilla Scaling: A replication attempt", "2404.10102"
    ),
    "gadre2024": Citation(
        "Gadre et al.",
        2024,
        "Language models scale reliably with over-training and on downstream tasks",
        "2403.08540",
    ),
}
