"""Named tokens: who may ask the API what, hashed, on a private compacted topic that every worker follows.

A token is shown once, when it is made. Its 256 bits cannot be guessed, so that one plain hash hides it.
"""

import re
import secrets
from datetime import datetime
from hashlib import sha256
from typing import Literal
from uuid import uuid4

import msgspec
import structlog

from lockstep.adapters.command_door import audit_record
from lockstep.adapters.http.caller import Caller, Role
from lockstep.adapters.stream.follower import Follower
from lockstep.errors import SettingsError
from lockstep.ports import Batch, Broker, Record
from lockstep.response.command import AUDIT, MakeToken, RemoveToken
from lockstep.response.standing import LONGEST_NAME
from lockstep.text.rfc3339 import rfc3339_of

log = structlog.get_logger("lockstep.http")

TOKENS = "lockstep.tokens"
"""One partition, compacted. Key: the token's name."""
FORMAT = 1
PREFIX = "lst_"
"""How a token begins, so that one that lies around is known for what it is."""

RoleName = Literal["viewer", "responder", "editor", "admin"]
_NAME = re.compile(r"[\w.@+-](?:[\w.@+ -]*[\w.@+-])?")


class StoredToken(msgspec.Struct, frozen=True, kw_only=True):
    """As stored. digest: SHA-256 of the token, in hex. made_at: RFC 3339 in UTC. made_by: who ran the command."""

    format: int = FORMAT
    name: str
    role: RoleName
    digest: str
    made_at: str
    made_by: str


_DECODER = msgspec.json.Decoder(StoredToken)


class TokenBook:
    """The tokens that there are. `is_known` from the first reading on."""

    def __init__(self, broker: Broker, *, topic: str = TOKENS, audit: str = AUDIT) -> None:
        """topic, audit: others for tests on a broker that they share."""
        self._broker, self._topic, self._audit = broker, topic, audit
        self._follower = Follower(broker, {topic: None}, self._take)
        self._by_name: dict[str, StoredToken] = {}
        self._by_digest: dict[str, StoredToken] = {}
        self.is_known = False

    async def refresh(self) -> None:
        """Read on to the end of the topic. Raises BrokerError."""
        await self._follower.refresh()
        self.is_known = True

    async def follow(self) -> None:
        """Read on for ever."""
        await self._follower.follow("the book of tokens")

    def _take(self, batch: Batch) -> None:
        for key, value in zip(batch.keys, batch.values, strict=True):
            name = (key or b"").decode(errors="replace")
            before = self._by_name.pop(name, None)
            if before is not None:
                self._by_digest.pop(before.digest, None)
            if value is None:
                continue
            try:
                token = _DECODER.decode(value)
            except msgspec.MsgspecError:  # of a newer version: it is nobody here, which lets nobody in
                log.warning("a token is of a newer version and not taken; update this worker", name=name)
                continue
            self._by_name[name] = self._by_digest[token.digest] = token

    def tokens(self) -> list[StoredToken]:
        """By name."""
        return sorted(self._by_name.values(), key=lambda token: token.name)

    def caller(self, token: str) -> Caller | None:
        """Whose token it is; None: nobody's."""
        stored = self._by_digest.get(digest_of(token))
        return None if stored is None else caller_of_token(stored)

    def named(self, name: str) -> StoredToken | None:
        """The token of that name, as it stands now."""
        return self._by_name.get(name)

    async def add(self, name: str, role: RoleName, *, by: str, at: datetime) -> str:
        """Make a token; it is returned here and nowhere else. Raises SettingsError where the name is taken or none."""
        if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
            raise SettingsError(
                f"{name[:LONGEST_NAME]!r} is no name of a token; write letters, digits, spaces and . _ @ + -, at most "
                f"{LONGEST_NAME} of them"
            )
        await self.refresh()
        if name in self._by_name:
            raise SettingsError(
                f"there is a token '{name}' already; remove it first, `lockstep token remove`, or take another name"
            )
        token = PREFIX + secrets.token_urlsafe(32)
        stored = StoredToken(name=name, role=role, digest=digest_of(token), made_at=rfc3339_of(at), made_by=by)
        deed = MakeToken(id=uuid4().hex, by=by, way="cli", at=rfc3339_of(at), name=name, role=role)
        said = audit_record(deed, f"{by} made a token for {name}, {role}", topic=self._audit)
        await self._broker.publish([Record(self._topic, msgspec.json.encode(stored), name.encode(), 0), said])
        return token

    async def remove(self, name: str, *, by: str, at: datetime) -> StoredToken:
        """Every worker refuses it from then on. Raises SettingsError where there is none."""
        await self.refresh()
        stored = self._by_name.get(name)
        if stored is None:
            names = ", ".join(self._by_name) or "there is none"
            raise SettingsError(f"there is no token '{name}'; there are: {names}")
        deed = RemoveToken(id=uuid4().hex, by=by, way="cli", at=rfc3339_of(at), name=name)
        said = audit_record(deed, f"{by} took the token of {name} back", topic=self._audit)
        await self._broker.publish([Record(self._topic, None, name.encode(), 0), said])
        return stored


def caller_of_token(stored: StoredToken) -> Caller:
    """Who asks with it."""
    return Caller(stored.name, Role[stored.role.upper()])


def digest_of(token: str) -> str:
    """SHA-256 of a token, in hex."""
    # Bytes that are no text arrive as lone surrogates.
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
