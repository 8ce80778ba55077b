"""Commands that show reports."""
