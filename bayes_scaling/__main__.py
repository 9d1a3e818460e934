"""`python -m bayes_scaling` is `bayes-scaling`."""

from bayes_scaling.cli import main

main()
