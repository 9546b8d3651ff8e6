"""Names that more than one room writes or reads: tags, files."""

SCORES = "scores.json"
"""File of a finished trial: counts and surface distances a patient; written last, so that where it is the
others are."""

SEARCH = "search"
"""Tag of a plan that is a search: its settings, as JSON."""
