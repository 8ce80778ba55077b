"""HTTP: the API, health and metrics."""
