"""Intervals, tests, comparisons of arms, importance of factors. Imports `tables`."""
