"""The cluster files, brought up: over a real ssh, and up to the launch of machines on a pretended AWS."""
