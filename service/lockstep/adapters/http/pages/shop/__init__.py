"""Pages of the whole shop, for both teams: today, and who knew what when."""
