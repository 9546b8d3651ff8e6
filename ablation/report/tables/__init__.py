"""Tables of arms and patients, from rows of results."""
