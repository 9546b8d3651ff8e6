"""The study's printed numbers, claims and layouts beside ours."""
