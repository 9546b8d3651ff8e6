"""`python -m tests.benchmarks.gpu --out DIR`: what a GPU has to show, in one run of eight minutes at most."""
