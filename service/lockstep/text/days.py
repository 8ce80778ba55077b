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


def span_text(first: date, last: date) -> str:
    """`Fri 4 Dec`, `Wed 2 to Thu 3 Dec`, `Wed 30 Dec to Sat 2 Jan`: both days included."""
    if first == last:
        return day_text(first)
    begins = f"{first:%a} {first.day}" if (first.year, first.month) == (last.year, last.month) else day_text(first)
    return f"{begins} to {day_text(last)}"
