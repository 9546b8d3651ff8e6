"""What a study computes: trials, their keys, the recipe of a T1 network. Imports `space` and below."""
