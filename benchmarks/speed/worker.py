"""Call one function of a measurement in this process; ``python -m benchmarks.speed.worker``.

Prints what it found as one JSON object, or the reason why this machine cannot measure it.
"""

import importlib
import json
import sys

OPTIONAL = ("pymc", "nutpie")


def main() -> None:
    """Measure and print."""
    function, arguments = sys.argv[1:]
    module, _, name = function.partition(":")
    print(json.dumps(measured(module, name, json.loads(arguments))))


def measured(module: str, name: str, arguments: dict[str, object]) -> dict[str, object]:
    """Return what the function found, or why it could not look."""
    from bayes_scaling.errors import DatasetError

    try:
        return getattr(importlib.import_module(module), name)(**arguments)
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        return {
            "skipped": f"{error.name} is not installed: pip install -c constraints.txt "
            f"-e '.[benchmarks]'"
        }
    except DatasetError as error:
        return {"skipped": f"no table of runs: {error}"}


if __name__ == "__main__":
    main()
