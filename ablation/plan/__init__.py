"""What a study computes: trials, their keys, recipes of pretrained networks. Imports `space` and below."""
