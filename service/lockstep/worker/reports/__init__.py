"""Makes the reports that are due."""
