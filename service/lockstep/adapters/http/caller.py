"""Who asks: a name, and what somebody with their role may do."""

from dataclasses import dataclass
from enum import IntEnum

from aiohttp import web


class Role(IntEnum):
    """What a caller may do; each may do what those before it may.

    NOBODY asks without a token. VIEWER reads. RESPONDER acts on alerts, silences and who is on call. EDITOR publishes
    events and reloads rules. ADMIN may do all there is.
    """

    NOBODY = 0
    VIEWER = 1
    RESPONDER = 2
    EDITOR = 3
    ADMIN = 4

    @property
    def title(self) -> str:
        """As it is written by people: `viewer`."""
        return self.name.lower()


@dataclass(frozen=True)
class Caller:
    """name: of the person or program, as it stands in the audit."""

    name: str
    role: Role


NOBODY = Caller("", Role.NOBODY)
"""Asks without a token, where one would be needed for more."""
LOCAL = Caller("local", Role.ADMIN)
"""Whoever asks where there is no token at all: somebody on this machine, because the server listens to no one else."""

_CALLER = web.RequestKey("caller", Caller)
_VALUES = web.RequestKey("path_values", dict[str, str])


def admit(request: web.BaseRequest, caller: Caller, path_values: dict[str, str]) -> None:
    """Note on a request who asks, and what stands in its path in place of `{id}`."""
    request[_CALLER], request[_VALUES] = caller, path_values


def caller_of(request: web.BaseRequest) -> Caller:
    """Who asks, as the server found; NOBODY for an open operation that was asked without a token."""
    return request[_CALLER]


def path_value(request: web.BaseRequest, name: str) -> str:
    """What stands in the path in place of `{name}`, with its escapes undone."""
    return request[_VALUES][name]
