"""The figures of a report, from frames and mappings alone. Imports `tables`."""
