"""Signed links: what a message leads to without a login, valid for as long as an alert may live.

They are signed when a message is sent, and stand on no log: who may read topics cannot act for others. A key has a salt
for each purpose, so that no link does what another one is for.
"""

import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from itsdangerous import BadData, URLSafeSerializer

from lockstep.errors import SettingsError
from lockstep.notification import Item, PlanNews
from lockstep.ports import Destination
from lockstep.settings import SHORTEST_KEY, Settings
from lockstep.text.time_units import DAY_S

_AHEAD_S = 300.0
"""How far the clocks of two workers may be apart."""


class Purpose(StrEnum):
    """What a link is for; also the first part of its path.

    LOOK: at an alert, for somebody else, who cannot act. ACT: look and act as the link's recipient. CHART: the picture
    alone, for a chat that fetches it. MUTE: the recipient no longer hears of a rule. CALENDAR: the shop's calendar, for
    a program that fetches it again and again. REPLY: see what a campaign is answered, and say as the link's recipient
    whether operations are ready for it; without one only see it. REPORT: read one report.
    """

    LOOK = "look"
    ACT = "act"
    CHART = "chart"
    MUTE = "mute"
    CALENDAR = "calendar"
    REPLY = "reply"
    REPORT = "report"


LASTING = (Purpose.CALENDAR, Purpose.REPORT)
"""Links that are good as long as the key is that signed them: a calendar is subscribed to once, and a report is there
to be read for as long as it is kept."""


class LinkFault(Exception):
    """A link that was not signed by us, was changed, or is too old. The message says which, for people."""


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What a link says. signed_at: Unix seconds. who: its recipient, an address or a channel; "" for LOOK, CHART and
    REPORT.

    about: the alert's id; of CHART the transition's, of MUTE the rule's name, of REPLY the campaign's, of REPORT the
    report's id. episode_id: which of the alert's; of REPLY the number of the announcement. channel: by which it was
    sent, `email`.
    """

    signed_at: int
    about: str
    episode_id: str = ""
    who: str = ""
    channel: str = ""


class Signer:
    """Signs small values with the first of several keys, and reads what any of them has signed."""

    def __init__(self, keys: Callable[[], Sequence[str]]) -> None:
        """keys: gives one or more, the newest first; asked once, when something is signed or read the first time."""
        self._ask = keys
        self._asked: list[str] = []

    def signed(self, salt: str, value: object) -> str:
        """A text of letters, digits, `-`, `_` and `.` that only who has the key can make. Its value can be read."""
        return str(self._serializer(salt).dumps(msgspec.to_builtins(value)))

    def read(self, salt: str, text: str) -> Any:
        """What was signed with this salt. Raises LinkFault."""
        try:
            return self._serializer(salt).loads(text)
        except (BadData, ValueError, RecursionError) as error:
            raise LinkFault("this link is not whole, or not from here; open it again from the message") from error

    def mark(self, salt: str, text: str) -> str:
        """What only who has the key can make of a text, and from which nobody can guess it."""
        return self.signed(salt, text).rpartition(".")[2]

    def prepare(self) -> None:
        """Have the keys now. Raises SettingsError where they cannot be had."""
        self._asked = self._asked or list(reversed(self._ask()))  # the last one signs, in the library's order

    def _serializer(self, salt: str) -> URLSafeSerializer:
        self.prepare()
        # The library's own digest is SHA-1.
        return URLSafeSerializer(self._asked, salt=f"lockstep-{salt}-1", signer_kwargs={"digest_method": sha256})


class SignedLinks:
    """ports.Links. base_url: where people reach the service. life_s: how long a link is valid."""

    def __init__(self, signer: Signer, *, base_url: str, life_s: float, clock: Callable[[], datetime]) -> None:
        self._signer, self._base_url, self._clock = signer, base_url.rstrip("/"), clock
        self.life_s = life_s

    def page(self, item: Item, destination: Destination) -> str | None:
        """Where the item's alert is seen, and acted on as the destination, or its campaign; None where it tells of
        neither."""
        if item.campaign is not None:
            return self.plan(item.campaign, destination)
        if not item.alert_id:
            return None
        return self.to(Purpose.ACT, item.alert_id, item.episode_id, destination)

    def plan(self, news: PlanNews, destination: Destination) -> str:
        """Where a campaign is seen, and replied to as the destination where that may reply."""
        return self.to(Purpose.REPLY, news.campaign, str(news.number), destination if news.may_reply else None)

    def look(self, alert_id: str, episode_id: str) -> str:
        """Where an alert is seen, by whoever is given the link."""
        return self.to(Purpose.LOOK, alert_id, episode_id)

    def mute(self, rule: str, destination: Destination) -> str | None:
        """Where the destination says that it wants to hear no more of a rule."""
        return self.to(Purpose.MUTE, rule, "", destination)

    def chart(self, item: Item) -> str | None:
        """Where the item's picture is fetched; None where it can have none, or where nobody outside could."""
        if not isinstance(item.chart, str) or not self._base_url.startswith("https://"):
            return None
        return self.to(Purpose.CHART, item.chart)

    def report(self, report_id: str) -> str | None:
        """Where a report is read, by whoever is given the link: it shows what stands in the message, and nothing
        else."""
        return self.to(Purpose.REPORT, report_id)

    def to(self, purpose: Purpose, about: str, episode_id: str = "", destination: Destination | None = None) -> str:
        """The address of a link that is signed now."""
        return f"{self._base_url}/{purpose}/{self.token(purpose, about, episode_id, destination)}"

    def token(self, purpose: Purpose, about: str, episode_id: str = "", destination: Destination | None = None) -> str:
        """What stands behind the purpose in a link."""
        who, channel = ("", "") if destination is None else (destination.target, destination.channel)
        return self._signer.signed(purpose, Link(int(self._clock().timestamp()), about, episode_id, who, channel))

    def read(self, purpose: Purpose, text: str) -> Link:
        """What a link of that purpose says. Raises LinkFault."""
        value = self._signer.read(purpose, text)
        try:
            link = msgspec.convert(value, Link)
        except msgspec.ValidationError as error:
            raise LinkFault("this link is of another version of Lockstep") from error
        age_s = self._clock().timestamp() - link.signed_at
        if age_s < -_AHEAD_S or (age_s > self.life_s and purpose not in LASTING):
            raise LinkFault(f"this link is older than {self.life_s / DAY_S:g} days; a newer message has a new one")
        return link


def signer_of(settings: Settings, *, database: Path | None) -> Signer:
    """What signs links, cookies and forms of this service.

    database: the SQLite file, beside which the key lies where none is set; None on Kafka: there a worker signs its own
    forms with a key that nobody else has, and no links.
    """
    if settings.link_keys:
        return Signer(lambda: settings.link_keys)
    if database is not None:
        return Signer(lambda: (key_beside(database),))
    own = secrets.token_hex(32)
    return Signer(lambda: (own,))


def why_no_links(settings: Settings) -> str:
    """Why messages carry no links, and the way out; "" where they do."""
    if settings.public_url is None:
        return "nobody has said where people reach this service; set LOCKSTEP_PUBLIC_URL"
    if not settings.is_sqlite and not settings.link_keys:
        return "there is no key that all workers have; set LOCKSTEP_LINK_KEY, `openssl rand -hex 32` makes one"
    return ""


def key_beside(database: Path) -> str:
    """The key of links that lies beside an SQLite file, made the first time, for its owner alone.

    Raises SettingsError where it cannot be read or made.
    """
    path = database.with_name(f"{database.name}.link-key")
    try:
        if not path.exists():
            # Whole or not at all, and one key where two start at once: a link cannot be half of a file.
            draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(handle, "w", encoding="ascii") as file:
                    file.write(secrets.token_hex(32))
                    file.flush()
                    os.fsync(file.fileno())
                with suppress(FileExistsError):
                    os.link(draft, path)
            finally:
                draft.unlink(missing_ok=True)
        key = path.read_text(encoding="ascii").strip()
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise SettingsError(f"{path}: {why}; the key of links lies there, or set LOCKSTEP_LINK_KEY") from error
    except ValueError as error:
        raise SettingsError(f"{path}: not a text; {_REMOVE}") from error
    if len(key) < SHORTEST_KEY:
        raise SettingsError(f"{path}: a key has at least {SHORTEST_KEY} characters; {_REMOVE}")
    return key


_REMOVE = "remove it, which ends the links that were sent, or set LOCKSTEP_LINK_KEY"
