"""Run the code blocks of README.md in order; ``python tests/readme_blocks.py``.

Blocks tagged ``python`` run in one namespace, unless their fence says ``skip``. Blocks
tagged ``bash`` or ``console`` run only where their fence says ``run``; of a console block,
the lines that begin with ``$`` (and ``>``, which continue them) are the commands. All run
in a temporary folder, with the scripts of this Python first on PATH.
"""

from __future__ import annotations

import linecache
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parents[1] / "README.md"
FENCE = re.compile(r"^ {0,3}(?P<ticks>`{3,})(?P<info>[^`]*)$")


class BlockError(Exception):
    """A block that cannot be read or fails; the message names its line."""


@dataclass(frozen=True)
class Block:
    """A fenced block: the line of its fence, its language, its tags and its text."""

    line: int
    language: str
    tags: tuple[str, ...]
    text: str

    @property
    def wanted(self) -> bool:
        if self.language == "python":
            return "skip" not in self.tags
        return self.language in ("bash", "console") and "run" in self.tags


def blocks(text: str) -> Iterator[Block]:
    """Fenced blocks of a Markdown text, in order."""
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        fence = FENCE.match(line)
        if fence is None:
            continue
        body: list[str] = []
        for _, inner in lines:
            closing = FENCE.match(inner)
            if closing and not closing["info"].strip() and closing["ticks"] >= fence["ticks"]:
                break
            body.append(inner)
        else:
            raise BlockError(f"{README.name}:{number}: the block is not closed; end it with ```")
        language, *tags = fence["info"].split() or [""]
        yield Block(number, language, tuple(tags), textwrap.dedent("\n".join(body)))


def commands(block: Block) -> str:
    """Shell text of a block; a console block shows output too, which is left out."""
    if block.language == "bash":
        return block.text
    found = re.findall(r"^[$>] (.*)$", block.text, flags=re.MULTILINE)
    if not found:
        raise BlockError(
            f"{README.name}:{block.line}: the console block has no line that begins with '$ '"
        )
    return "\n".join(found)


def run_python(block: Block, namespace: dict[str, Any]) -> None:
    """Execute a block; a traceback shows the lines of README.md."""
    try:
        code = "\n" * block.line + block.text
        exec(compile(code, f"<{README.name}>", "exec", dont_inherit=True), namespace)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        traceback.print_exception(error)
        raise BlockError(f"{README.name}:{block.line}: the python block failed") from error


def run_shell(block: Block) -> None:
    """Run a block in bash; what it prints is shown."""
    scripts = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands(block)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
    )
    if done.returncode:
        raise BlockError(
            f"{README.name}:{block.line}: the {block.language} block failed "
            f"with exit status {done.returncode}"
        )


def run_all(text: str) -> int:
    """Run every wanted block of a Markdown text and count them."""
    wanted = [block for block in blocks(text) if block.wanted]
    namespace: dict[str, Any] = {"__name__": "__main__"}
    shown = f"<{README.name}>"
    linecache.cache[shown] = (len(text), None, text.splitlines(keepends=True), shown)
    for block in wanted:
        print(f"-- {README.name}:{block.line} {block.language}", flush=True)
        started = time.perf_counter()
        if block.language == "python":
            run_python(block, namespace)
        else:
            run_shell(block)
        print(f"   {time.perf_counter() - started:.1f} s", flush=True)
    return len(wanted)


def main() -> int:
    os.environ.setdefault("MPLBACKEND", "Agg")
    text = README.read_text(encoding="utf-8")
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            count = run_all(text)
        except BlockError as error:
            print(error, file=sys.stderr)
            return 1
        finally:
            sys.stdout.flush()
            os.chdir(before)
    if not count:
        print(f"{README.name} has no block to run: tag one python, or bash run", file=sys.stderr)
        return 1
    print(f"{count} blocks of {README.name} ran")
    return 0


if __name__ == "__main__":
    sys.exit(main())
