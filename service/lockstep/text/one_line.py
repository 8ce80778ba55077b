"""Text on one line, without what cannot be printed, and writing of two directions in it kept apart."""

import unicodedata
from collections.abc import Iterable

LEAST_SENTENCE = 20
"""Characters before which a full stop is taken for that of an abbreviation."""
_BEGIN, _END = "\u2068", "\u2069"
"""What stands between them has the direction of its first letter, and turns nothing around it (Unicode's UAX 9)."""


def flat(text: str) -> str:
    """The text with every run of spaces, breaks and unprintable characters as one space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def capital(text: str) -> str:
    """The text as a sentence begins."""
    return f"{text[:1].upper()}{text[1:]}"


def isolated(text: str, parts: Iterable[str]) -> str:
    """The text in which those of these parts that are written from right to left are kept by themselves: a number
    beside one would change its place otherwise."""
    for part in dict.fromkeys(parts):
        if any(unicodedata.bidirectional(c) in ("R", "AL") for c in part):
            text = text.replace(part, f"{_BEGIN}{part}{_END}")
    return text


def cut_text(text: str, longest: int) -> str:
    """As many whole sentences as find room; of a longer one its beginning."""
    if len(text) <= longest:
        return text
    end = text.rfind(". ", 0, longest)
    return text[: end + 1] if end > 0 else f"{text[: longest - 1]}…"


def first_sentence(text: str) -> tuple[str, str]:
    """(the first sentence, what follows it)."""
    end = text.find(". ", LEAST_SENTENCE)
    return (text, "") if end < 0 else (text[: end + 1], text[end + 2 :])


def sentences_of(text: str) -> list[str]:
    """The sentences of a text."""
    first, rest = first_sentence(text.strip())
    return [*([first] if first else []), *(sentences_of(rest) if rest else [])]
