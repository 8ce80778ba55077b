"""Forms of pages: what a form asks for, and what becomes of one that was sent."""
