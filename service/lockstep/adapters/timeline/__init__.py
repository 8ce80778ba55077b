"""Who knew what when, for a look back after an event: read from the public topics, told without blame."""
