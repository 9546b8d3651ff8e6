"""Names of the files that a finished trial leaves, for those who write them and those who read them."""

SCORES = "scores.json"
"""Counts and surface distances a patient; written last, so that where it is the others are."""
