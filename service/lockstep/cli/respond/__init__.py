"""What people do from a terminal: answer alerts, silence, stand in, and hand out tokens for the API."""
