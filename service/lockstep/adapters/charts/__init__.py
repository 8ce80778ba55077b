"""Charts: what was measured around a change of an alert, told by the judge, kept for a day, drawn for messages."""
