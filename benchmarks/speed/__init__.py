"""Times of bayes-scaling beside other tools; ``python -m benchmarks.speed`` and README.md.

A measurement (`job.Job`) is a function that runs in a new process with empty compilation
caches. A line of the table (`line.Line`) is a number, or a ratio of two, of measurements of one
round, in which all measurements take turns; so a slow minute of the machine hits them all.
A section is a file of this folder that lists both.
"""
