"""Whether a host can be at all: what no resolver will ever find is refused before a message waits for it."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

_UNFILLED = re.compile(r"\$\{[^}]*\}?|\{\{.*?\}\}|<[A-Za-z_ -]+>")

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
LONGEST = 253
"""Characters of a name (RFC 1035, section 2.3.4)."""


def host_fault(host: str) -> tuple[str, str] | None:
    """(what is wrong, the way out) with the name or address of a host; None where it can be one.

    Names are those of RFC 1123, section 2.1, with `_`, which inner networks use, and of other scripts by IDNA.
    """
    unfilled = unfilled_fault(host)
    if unfilled is not None:
        return unfilled
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        pass
    else:
        return None
    name = host.removesuffix(".").lower()
    labels = name.split(".")
    if "*" in host:
        return f"'{host}' is no host, '*' stands for none", "write one host"
    if not all(labels):
        return f"'{host}' is no host, a part between dots is empty", "write one like shop.example.com"
    try:
        # A name as a whole would have the dots of other scripts for dots.
        encoded = [label if label.isascii() else label.encode("idna").decode() for label in labels]
    except UnicodeError:
        encoded = [""]
    if not all(map(_LABEL.fullmatch, encoded)) or len(".".join(encoded)) > LONGEST or encoded[-1].isdecimal():
        return f"'{host}' is no host", "write one like shop.example.com"
    return None


def unfilled_fault(text: str) -> tuple[str, str] | None:
    """(what is wrong, the way out) with a text that was meant to be filled in: `${HOST}`, `{{ host }}`, `<host>`."""
    placeholder = unfilled(text)
    if placeholder is None:
        return None
    return f"'{placeholder}' is not filled in, as settings are no part of this file", "write it out"


def unfilled(text: str) -> str | None:
    """The first place in a text that was meant to be filled in; None where there is none."""
    match = _UNFILLED.search(text)
    return None if match is None else match[0]


def url_fault(text: str, form: tuple[str, str]) -> tuple[str, str] | None:
    """(what is wrong, the way out) with an http(s) URL; None where it can be one.

    form: both, where the URL as a whole is none, or names a user, whose password would stand in logs.
    """
    left = unfilled_fault(text)
    if left is not None:
        return left
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return form
    if any(c.isspace() or not c.isprintable() for c in text) or port == 0:
        return form
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return form
    return host_fault(host_of(parts))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine's own loopback, by which nothing passes a network."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_of(parts: SplitResult) -> str:
    """The host of a URL as it is written, without user and port."""
    place = parts.netloc.rpartition("@")[2]
    return place[: place.find("]") + 1] if place.startswith("[") else place.partition(":")[0]
