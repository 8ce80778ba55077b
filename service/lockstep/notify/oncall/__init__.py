"""On call: whose turn it is, who stands in, and who is told next while nobody answers."""
