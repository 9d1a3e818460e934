"""The text: Python source files of the standard library of the interpreter that runs this."""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SPLITS = ("train", "validation", "test")
# Left out: tests, installed packages, generated tables and texts, files with the paths of
# one build, and what some distributions ship apart.
LEFT_OUT = {
    "test", "tests", "idle_test", "lib2to3", "site-packages", "dist-packages", "__pycache__",
    "lib-dynload", "encodings", "pydoc_data", "tkinter", "idlelib", "turtledemo", "turtle.py",
    "ensurepip", "__phello__",
}  # fmt: skip
# Symbols: newline, the printable ASCII characters, and one for every other byte.
NEWLINE, OTHER, FIRST_PRINTABLE = 0, 96, 32
VOCABULARY = 97


@dataclass(frozen=True)
class Corpus:
    """Symbols of each split, files joined in sorted order with `OTHER` after each.

    Attributes
    ----------
    symbols : dict of str to uint8 array
    texts : dict of str to list of str
        The same files as text.
    sha256 : str
        Of the names and contents of all files, in order.
    """

    symbols: dict[str, np.ndarray]
    texts: dict[str, list[str]]
    sha256: str


def load() -> Corpus:
    """Read the files and split them by the hash of their names: 5 % validation, 9 % test."""
    digest = hashlib.sha256()
    texts: dict[str, list[str]] = {split: [] for split in SPLITS}
    symbols: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    for name, content in _files():
        digest.update(name.encode() + b"\0" + content + b"\0")
        split = _split(name)
        texts[split].append(content.decode("utf-8", errors="replace"))
        symbols[split] += [encode(content), np.array([OTHER], np.uint8)]
    return Corpus(
        symbols={split: np.concatenate(parts) for split, parts in symbols.items()},
        texts=texts,
        sha256=digest.hexdigest(),
    )


def encode(text: str | bytes) -> np.ndarray:
    """Return the symbol of each byte of a text."""
    content = text.encode() if isinstance(text, str) else text
    found = np.frombuffer(content, np.uint8).astype(np.int16) - FIRST_PRINTABLE + 1
    found[(found < 1) | (found >= OTHER)] = OTHER
    found[np.frombuffer(content, np.uint8) == ord("\n")] = NEWLINE
    return found.astype(np.uint8)


def windows(symbols: np.ndarray, context: int, most: int | None = None) -> np.ndarray:
    """Return disjoint windows of ``context`` targets, evenly spread when only some are wanted.

    Returns
    -------
    uint8 array, shape (windows, context + 1)
        Each begins with the last symbol of the stretch before it.
    """
    count = (len(symbols) - 1) // context
    starts = np.arange(count)
    if most is not None and most < count:
        starts = np.floor(np.arange(most) * (count / most)).astype(int)
    return symbols[starts[:, None] * context + np.arange(context + 1)]


def _files() -> Iterator[tuple[str, bytes]]:
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        parts = path.relative_to(root).parts
        of_the_build = parts[0].startswith(("_sysconfigdata", "config-"))
        if not of_the_build and not LEFT_OUT.intersection(parts):
            yield "/".join(parts), path.read_bytes()


def _split(name: str) -> str:
    percent = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 100
    return "validation" if percent < 5 else "test" if percent < 14 else "train"
