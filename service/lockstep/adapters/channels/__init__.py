"""Channels: how one delivery reaches one destination. Each raises DeliveryError for whatever went wrong underneath."""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from lockstep.errors import DeliveryError

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
