"""Channels: how one delivery reaches one destination. Each raises DeliveryError for whatever went wrong underneath."""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lockstep.errors import DeliveryError
from lockstep.notify import message

Secrets = Callable[[str], str]
"""name → value. Raises DeliveryError('configuration') for a secret that is not set."""


def read_secret(name: str, environ: Mapping[str, str]) -> str:
    """The secret from LOCKSTEP_SECRET_NAME, or from the file that LOCKSTEP_SECRET_NAME_FILE names; read every time.

    Raises DeliveryError('configuration'): worth a retry, as the operator can set it meanwhile.
    """
    value = environ.get(f"LOCKSTEP_SECRET_{name}")
    if value:
        return value
    path = environ.get(f"LOCKSTEP_SECRET_{name}_FILE")
    if path is None:
        way_out = f"set LOCKSTEP_SECRET_{name} or LOCKSTEP_SECRET_{name}_FILE"
        raise DeliveryError("configuration", f"secret {name} is not set; {way_out}", retryable=True)
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a text"
        raise DeliveryError("configuration", f"secret {name}: {path}: {why}", retryable=True) from error
    if not value:
        raise DeliveryError("configuration", f"secret {name}: {path} is empty", retryable=True)
    return value


def secrets_from(environ: Mapping[str, str]) -> Secrets:
    """`read_secret` over one environment."""
    return lambda name: read_secret(name, environ)


def host_of(url: str) -> str:
    """What may be said of a URL in logs and errors: its host and port, never its path, which may hold a token."""
    return urlsplit(url).netloc.rpartition("@")[2]


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """What a Retry-After header asks for, in seconds: a number or an HTTP date; None without or with nonsense."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def is_over(item: Mapping[str, Any]) -> bool:
    """Whether an item of a message to people tells of an end."""
    return item["state"] not in ("firing", "severity")


def badge(item: Mapping[str, Any]) -> str:
    """The word before an item: how severe, or that it is over."""
    return message.badge(str(item["state"]), str(item["severity"]))


def about(body: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    """The rule, and what it is about by name: `LowStock, sku A-1`; the headline may be its author's, without either."""
    labels = ", ".join(f"{name} {value}" for name, value in item["labels"].items())
    return f"{item.get('rule', body['rule'])}, {labels or 'the whole shop'}"


def span(item: Mapping[str, Any]) -> str:
    """The stretch that a value is of, so that it can stand behind its number: `within 2 hours`, or `now`."""
    return str(item["window"]) if item["window"] == "now" else f"within {item['window']}"


def when(item: Mapping[str, Any]) -> str:
    """When it began, and when it ended, when it has; the day said once where it is the same."""
    since, at = str(item["since"]), str(item["at"])
    if since == at:
        return at
    (day, begin, zone), (last_day, end, last_zone) = _parts(since), _parts(at)
    same_day = (day, zone) == (last_day, last_zone)
    if is_over(item):
        return f"{day} {begin} to {end} {zone}" if same_day else f"{since} to {at}"
    return f"{at}, since {begin}" if same_day else f"{at}, since {since}"


def _parts(moment: str) -> tuple[str, str, str]:
    """Day, time and zone of what `time_text` made."""
    day, time, zone = moment.rsplit(" ", 2)
    return day, time, zone


def team_parts(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(team as a title, its text) in their order; one with the title "" where all are told the same."""
    texts: Mapping[str, str] = item["texts"]
    if is_over(item) and len(set(texts.values())) == 1:
        return [("", next(iter(texts.values())))]
    return [(team[:1].upper() + team[1:], text) for team, text in texts.items()]


def why_parts(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, text) of what says why it was sent, and of where more is said."""
    lines = item.get("why") or []
    found = [("Why", ". ".join(lines))] if lines else []
    return [*found, ("More", str(item["more"]))] if item.get("more") else found


def remarks(body: Mapping[str, Any], *, shown: int) -> list[str]:
    """What a message to people says below its items. shown: how many of them stand above."""
    found = []
    more = len(body["items"]) - shown + int(body["more"])
    if more > 0:
        found.append(f"… and {more} more.")
    if body["summary"]:
        found.append("Summary: there were so many messages of this rule that the latest were gathered into this one.")
    return found
