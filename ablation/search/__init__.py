"""Searches: candidates, sampler, budget, pruning, journal. Imports `record` and below."""
