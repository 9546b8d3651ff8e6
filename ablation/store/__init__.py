"""Object storage: volumes, pretrained networks, checkpoints, outcomes. Imports `plan` and below."""
