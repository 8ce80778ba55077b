"""What is asked of campaigns over HTTP."""
