"""Channels: how one delivery reaches one destination. Each raises DeliveryError for whatever went wrong underneath."""

from collections.abc import Callable, Mapping
from pathlib import Path

from lockstep.errors import DeliveryError

Secrets = Callable[[str], str]
"""name → value. Raises DeliveryError('configuration') for a secret that is not set."""


def secrets_from(environ: Mapping[str, str]) -> Secrets:
    """Secrets from LOCKSTEP_SECRET_NAME, or from the file that LOCKSTEP_SECRET_NAME_FILE names."""

    def read(name: str) -> str:
        value = environ.get(f"LOCKSTEP_SECRET_{name}")
        if value:
            return value
        path = environ.get(f"LOCKSTEP_SECRET_{name}_FILE")
        if path:
            try:
                return Path(path).read_text().strip()
            except OSError as error:
                raise DeliveryError(
                    "configuration", f"secret {name}: {path}: {error.strerror}", retryable=True
                ) from error
        raise DeliveryError(
            "configuration",
            f"secret {name} is not set; set LOCKSTEP_SECRET_{name} or LOCKSTEP_SECRET_{name}_FILE",
            retryable=True,
        )

    return read


def host_of(url: str) -> str:
    """What may be said of a URL in logs and errors: its host."""
    return url.partition("://")[2].partition("/")[0]


def reason_of(status: int) -> tuple[str, bool]:
    """(reason, retryable) of an HTTP status that is no success."""
    if status == 429:
        return "rateLimited", True
    if status in (401, 403):
        return "authError", True
    if status >= 500 or status == 408:
        return "serverError", True
    return "clientError", False
