"""How people respond to alerts, on the log: commands, what stands of them, and who was told what and why."""
