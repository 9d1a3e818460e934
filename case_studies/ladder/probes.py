"""Downstream probes: multiple-choice questions on the next symbol, the same for every run.

Each trial is a context and some candidate symbols; it succeeds when the model gives the right
candidate more probability than each other one. `indentation` asks on held-out files; the rest
on made-up names, so that only the context can tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from . import corpus

TRIALS = 512
SEED = 2026
NAMES = ("indentation", "copy", "bracket_1", "bracket_2", "bracket_3")
_PAIRS = {"(": ")", "[": "]", "{": "}"}
_CONSONANTS, _VOWELS = list("bdfgklmnprstvz"), list("aeiou")
_COPY_CHOICES = 4


@dataclass(frozen=True)
class Probe:
    """Trials of one kind.

    Attributes
    ----------
    contexts : uint8 array, shape (trials, time)
        Padded at the end; the question is asked after `lengths` symbols.
    lengths : int array, shape (trials,)
    candidates : bool array, shape (trials, choices, vocabulary)
        The symbols that each choice stands for; the first choice is right.
    chance : float
        Probability that a guess succeeds.
    """

    contexts: np.ndarray
    lengths: np.ndarray
    candidates: np.ndarray
    chance: float


def build(texts: list[str], context: int) -> dict[str, Probe]:
    """Return the probes, drawn once with a fixed seed from the text of the test files."""
    rng = np.random.default_rng(SEED)
    found = {"indentation": _indentation(texts, context, rng), "copy": _copy(context, rng)}
    for depth in (1, 2, 3):
        found[f"bracket_{depth}"] = _bracket(depth, context, rng)
    return found


def _indentation(texts: list[str], context: int, rng: np.random.Generator) -> Probe:
    # after a line with a colon at its end the code goes deeper; after others it stays, here
    line = re.compile(r"(?<=\n)( *)(\S[^\n]*)\n( *)(?=\S)")
    deeper, level = [], []
    for text in texts:
        for found in line.finditer(text):
            before, after = len(found[1]), len(found[3])
            if found[2].endswith(":") and after > before:
                kept = deeper
            elif not found[2].endswith(":") and after == before:
                kept = level
            else:
                continue
            asked_at = found.start(3) + before  # after as many spaces as the line before had
            if asked_at >= context:
                kept.append(text[asked_at - context : asked_at])
    half = TRIALS // 2
    rows = [(deeper[i], True) for i in rng.choice(len(deeper), half, replace=False)]
    rows += [(level[i], False) for i in rng.choice(len(level), half, replace=False)]
    space = np.zeros(corpus.VOCABULARY, bool)
    space[corpus.encode(" ")] = True
    candidates = [(space, ~space) if is_deeper else (~space, space) for _, is_deeper in rows]
    return _probe([text for text, _ in rows], np.array(candidates), context, chance=0.5)


def _copy(context: int, rng: np.random.Generator) -> Probe:
    texts, choices = [], []
    for _ in range(TRIALS):
        first, second = _name(rng), _name(rng)
        shown = int(rng.integers(2, 4))
        wanted = (first, second)[int(rng.integers(2))]
        texts.append(f"    def get(self, {first}, {second}):\n        return {wanted[:shown]}")
        # wrong choices fit the place as well: only the names themselves can tell
        fitting = _VOWELS if shown % 2 else _CONSONANTS
        others = [letter for letter in fitting if letter not in (first[shown], second[shown])]
        wrong = rng.choice(others, _COPY_CHOICES - 1, replace=False)
        choices.append([wanted[shown], *wrong])
    return _probe(texts, _one_symbol_each(choices), context, chance=1 / _COPY_CHOICES)


def _bracket(depth: int, context: int, rng: np.random.Generator) -> Probe:
    texts, choices = [], []
    for _ in range(TRIALS):
        opened = rng.choice(list(_PAIRS), depth)
        text = f"    {_name(rng)} = " + "".join(f"{_name(rng)}{bracket}" for bracket in opened)
        text += _name(rng) + "".join(_PAIRS[bracket] for bracket in opened[:0:-1])
        right = _PAIRS[opened[0]]
        texts.append(text)
        choices.append([right, *(closing for closing in _PAIRS.values() if closing != right)])
    return _probe(texts, _one_symbol_each(choices), context, chance=1 / len(_PAIRS))


def _name(rng: np.random.Generator) -> str:
    syllables = rng.choice(_CONSONANTS, 3), rng.choice(_VOWELS, 3)
    return "".join(consonant + vowel for consonant, vowel in zip(*syllables, strict=True))


def _one_symbol_each(choices: list[list[str]]) -> np.ndarray:
    symbols = np.array([[corpus.encode(choice)[0] for choice in row] for row in choices])
    return symbols[:, :, None] == np.arange(corpus.VOCABULARY)


def _probe(texts: list[str], candidates: np.ndarray, context: int, chance: float) -> Probe:
    encoded = [corpus.encode(text)[-context:] for text in texts]
    lengths = np.array([len(symbols) for symbols in encoded])
    contexts = np.zeros((len(encoded), lengths.max()), np.uint8)
    for row, symbols in zip(contexts, encoded, strict=True):
        row[: len(symbols)] = symbols
    return Probe(contexts, lengths, candidates, chance)
