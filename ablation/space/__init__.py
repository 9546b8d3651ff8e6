"""The search space: the YAML schema, factors, arms, points and settings. Imports only `names`."""
