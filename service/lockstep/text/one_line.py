"""Text on one line, without what cannot be printed."""


def flat(text: str) -> str:
    """The text with every run of spaces, breaks and unprintable characters as one space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
