"""What the numbers of a shop mean: its facts, business measures made of them, and what they say in words."""
