"""What a citation says."""

from __future__ import annotations

from typing import NamedTuple


class Citation(NamedTuple):
    """A paper: authors, year, title and arXiv number, as far as they are known."""

    authors: str
    year: int | None
    title: str
    arxiv: str

    @property
    def short(self) -> str:
        """Authors and year."""
        return f"{self.authors} ({self.year})" if self.year else self.authors

    def __str__(self) -> str:
        number = f", arXiv {self.arxiv}" if self.arxiv else ""
        return f"{self.short}, {self.title}{number}"
