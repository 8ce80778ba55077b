"""Days as people read them."""

from datetime import date


def day_text(day: date) -> str:
    """`Fri 4 Dec`: short, for a day that is less than a year away."""
    return f"{day:%a} {day.day} {day:%b}"


def list_text(words: list[str], most: int = 3) -> str:
    """`A`, `A and B`, `A, B and C`, `A, B, C and 2 more`."""
    if len(words) > most:
        words = [*words[:most], f"{len(words) - most} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
