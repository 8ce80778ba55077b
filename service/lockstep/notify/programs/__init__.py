"""What programs hear that is no alert's."""
