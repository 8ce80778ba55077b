"""Where a calendar is fetched from: an address, or a secret that holds one, and the name of its file."""

from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from lockstep.text.host import is_loopback, url_fault

_FORM = "this is no address of a calendar", "write one like https://calendar.example.com/shift.ics"
PREFIX = "feed-"
"""Begins the names of files that were fetched, among the files of a version of the rules."""


@dataclass(frozen=True, order=True)
class FeedAddress:
    """url: https, or http on this machine. secret: the name of one that holds the address, where that is private."""

    url: str = ""
    secret: str = ""

    @property
    def file(self) -> str:
        """The name under which its text travels with the rules; it says whose, and never a private address."""
        if self.secret:
            return f"{PREFIX}{self.secret.lower()}.ics"
        digest = sha256(self.url.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"{PREFIX}{urlsplit(self.url).hostname}-{digest}.ics"


def is_address(text: str) -> bool:
    """Whether a text is meant as an address, and not as the name of a file."""
    return "://" in text


def feed_url(text: str) -> str:
    """An address to fetch from; `webcal://`, as calendars offer it, is https. Raises ValueError in words.

    Over plain http only from this machine: what others could change on the way says who is called at night.
    """
    url = text.strip()
    if url.lower().startswith("webcal://"):
        url = f"https{url[6:]}"
    wrong = url_fault(url, _FORM)
    if wrong is None and not url.startswith("https://") and not is_loopback(urlsplit(url).hostname or ""):
        wrong = "a calendar is fetched by https alone", "write its https:// address"
    if wrong is not None:
        raise ValueError("; ".join(wrong))
    return url
