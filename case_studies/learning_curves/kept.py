"""Arrays that took long to compute, kept in the user's cache folder of the package.

A file is named after what it holds and a digest of all that it depends on but for the code: delete
the folder after a change of the package, or of this study, that moves what is kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path


def folder() -> Path:
    return user_cache_path("bayes-scaling") / "learning_curves"


def kept(
    title: str, inputs: bytes, make: Callable[[], Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Arrays that an earlier call stored under this title and these inputs, or those made now."""
    slug = re.sub(r"[^A-Za-z0-9]+", "_", title).strip("_")
    file = folder() / f"{slug}-{hashlib.sha256(inputs).hexdigest()[:12]}.npz"
    if not file.exists():
        made = make()
        file.parent.mkdir(parents=True, exist_ok=True)
        half = file.with_suffix(".part.npz")
        np.savez(half, **made)
        half.rename(file)  # a file that is there is whole
    with np.load(file) as stored:
        return dict(stored)
