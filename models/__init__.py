"""The laws, one a file; import as `bayes_scaling.models`, never as `models`."""

from bayes_scaling.law.discovery import laws_of_entry_points, laws_of_package
from bayes_scaling.law.law import Law

registry: dict[str, Law] = laws_of_package(__name__, __path__) | laws_of_entry_points()

# `bayes_scaling.models.chinchilla` is the law, not the module that declares it
globals().update(registry)


def __getattr__(name: str) -> Law:
    raise AttributeError(f"no law named '{name}'; there are {', '.join(sorted(registry))}")
