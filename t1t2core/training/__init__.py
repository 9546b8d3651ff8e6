"""Training of one network: patches, loss, schedule, checkpoints, teams. Imports `network` and below."""
