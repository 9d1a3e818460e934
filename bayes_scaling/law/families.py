"""The families of laws, in the order of the catalogue."""

FAMILIES: dict[str, str] = {
    "A": "sums of saturating powers",
    "D": "effective resources",
    "R": "regimes, breaks and non-monotone curves",
    "F": "trends over time",
    "B": "links and emergence",
    "H": "hyper-parameter optima",
    "T": "trajectories",
    "K": "coverage and sampling",
    "C": "cost of runs, and profiles at equal cost",
    "test": "made up for tests",
}
