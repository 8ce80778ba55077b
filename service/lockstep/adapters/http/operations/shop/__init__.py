"""What is asked of the whole shop: reports."""
