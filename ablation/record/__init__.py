"""The record in MLflow: plans, trials, claims, results as frames. Imports `store` and below."""
