"""Versions that results carry."""

SCIENCE_VERSION = 7
"""Raised by hand when the same scans and settings give other scores than before."""
