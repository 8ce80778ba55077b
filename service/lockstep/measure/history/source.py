"""Who tells a history: a partition of a source topic."""

Source = tuple[str, int]
"""(role, partition) of a source."""
