"""The paper's numbers, claims and table layouts, each with ours to compare. Imports `tables`."""
