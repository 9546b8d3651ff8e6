"""The driver: from a request to recorded trials on a Ray cluster. Imports `search` and below."""
