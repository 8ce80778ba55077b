"""The key of the hashes that stand for people, where a mapping asks for some."""

from collections.abc import Mapping
from hashlib import blake2b

from lockstep.adapters.channels import read_secret

PSEUDONYM = "PSEUDONYM"


def pseudonym_key(environ: Mapping[str, str]) -> bytes | None:
    """Of the secret PSEUDONYM; None where it is not set. Raises DeliveryError for one that cannot be read."""
    if not any(f"LOCKSTEP_SECRET_{PSEUDONYM}{end}" in environ for end in ("", "_FILE")):
        return None
    return blake2b(read_secret(PSEUDONYM, environ).encode()).digest()
