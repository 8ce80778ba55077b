"""Reports in the world: made of what a worker knows, read off their topic, drawn as HTML, as Slack's blocks."""
