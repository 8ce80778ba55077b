"""What is wrong or unwise in rule files beyond their form."""
