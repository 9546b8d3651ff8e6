"""Names that more than one room writes or reads: factors, tags, files."""

FACTORS = ["strategy", "tuned_layers", "fusion", "t2_train_size", "learning_rate", "fold", "seed"]
"""All, as tables name them."""
ARM = ["strategy", "tuned_layers", "fusion", "t2_train_size"]
"""Those that tell one arm from another, whatever its learning rate."""

SCORES = "scores.json"
"""File of a finished trial: counts and surface distances a patient; written last, so that where it is the
others are."""

SEARCH = "search"
"""Tag of a plan that is a search: its settings, as JSON."""
