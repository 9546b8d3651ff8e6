"""Recorded networks: found, loaded, registered and used. Imports `report` and below."""
