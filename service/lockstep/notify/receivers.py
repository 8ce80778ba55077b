"""The ways that reach a team, as rules/routing.yml writes them: one model a channel, all that the core knows of it."""

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.headerregistry import Address
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from lockstep.notification import Audience
from lockstep.ports import Destination
from lockstep.text.host import host_fault, is_loopback, unfilled_fault, url_fault
from lockstep.text.time_units import DAY_S
from lockstep.yaml.document import Pointer


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def many(value: Any) -> Any:
    """A list, where one text stands alone."""
    return [value] if isinstance(value, str) else value


_TEXT = {"type": "string"}
Texts = Annotated[
    list[str],
    BeforeValidator(many),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}),
]
"""Texts, or one without a list around it."""


def _secret_name(value: Any) -> Any:
    # The value is not repeated: whoever writes a secret here must not find it in a log as well.
    if isinstance(value, str) and not _SECRET_NAME.fullmatch(value):
        raise ValueError("this is no secret's name; write capitals, digits and _, as in SHOP_HOOK [LS151]")
    return value


_SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


class SecretName(Strict):
    """A secret by its name: the value comes from LOCKSTEP_SECRET_NAME or the file LOCKSTEP_SECRET_NAME_FILE."""

    secret: Annotated[
        str, BeforeValidator(_secret_name), WithJsonSchema({"type": "string", "pattern": f"^{_SECRET_NAME.pattern}$"})
    ] = Field(description="NAME: read from LOCKSTEP_SECRET_NAME, or from the file that LOCKSTEP_SECRET_NAME_FILE names")


def _not_clear(value: Any) -> Any:
    if not isinstance(value, dict | SecretName) and value is not None:
        raise ValueError("a secret never stands in a file; write {secret: NAME} and set LOCKSTEP_SECRET_NAME [LS151]")
    return value


Secret = Annotated[SecretName, BeforeValidator(_not_clear)]


@dataclass(frozen=True)
class Target:
    """One destination of a way.

    options: settings of the channel as plain texts; secrets by name. apart: what tells it from another destination of
    the same target, as the workspace does where a Slack channel's name is the same. named_at: the key that names it.
    """

    target: str
    named_at: str
    options: Mapping[str, str] = field(default_factory=dict)
    apart: str = ""


@dataclass(frozen=True)
class WayFault:
    """What no model can say of a value. at: from the way on; an index of a text that stands alone means that text."""

    at: Pointer
    message: str
    remedy: str
    code: str = "LS152"


class Way(Strict):
    """How one channel reaches a receiver; a field of ReceiverModel under the channel's name.

    audience: who reads it. life_s: for how many seconds a delivery is worth trying. extra: the extra of this package
    that has to be installed for it, named as the library that it brings; "": none. tells_each: whether
    each alert is opened there by itself, so that none of a group may be counted only. sends: what it sends, as people
    call it: `mail`.
    """

    audience: ClassVar[Audience]
    life_s: ClassVar[float]
    extra: ClassVar[str] = ""
    tells_each: ClassVar[bool] = False
    sends: ClassVar[str] = "message"

    @abstractmethod
    def targets(self) -> list[Target]:
        """Where it goes, each with its own lane, attempts and message."""

    def faults(self) -> Iterator[WayFault]:
        """What is wrong with its values, each well-formed by itself."""
        return iter(())

    @classmethod
    def can_edit(cls, options: Mapping[str, str]) -> bool:
        """Whether a message can be changed where it stands, so that what somebody did is shown and wakes nobody.

        options: of the target.
        """
        return False


PEOPLE_S = 3600.0
"""People need it soon, or by another way."""
PROGRAMS_S = 3.0 * DAY_S


class EmailModel(Way):
    """Mail to each of these addresses."""

    audience = Audience.PEOPLE
    life_s = PEOPLE_S
    sends = "mail"

    to: Texts = Field(min_length=1, description="Addresses; each gets its own mail")

    def targets(self) -> list[Target]:
        addresses = dict.fromkeys(_address(text) or text for text in self.to)
        return [Target(address, "to") for address in addresses]

    def faults(self) -> Iterator[WayFault]:
        for i, text in enumerate(self.to):
            if _address(text) is None:
                wrong = f"'{text}' is no email address", "write one like name@example.com"
                yield WayFault(("to", i), *(unfilled_fault(text) or wrong))


def _slack_channel(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    unfilled = unfilled_fault(value)
    if unfilled is not None:
        raise ValueError(f"{unfilled[0]}; {unfilled[1]} [LS152]")
    if not _CHANNEL.fullmatch(value):
        raise ValueError(f"'{value[:100]}' is no Slack channel; write one like '#orders', or a channel's id [LS152]")
    return value


_CHANNEL = re.compile(r"#?[^\s#@*|,;:!?/\\<>(){}\[\]\"'`&$%^~+=.]{1,80}")


class SlackModel(Way):
    """A message in a Slack channel: by a bot, or by an incoming webhook, which can only post."""

    audience = Audience.PEOPLE
    life_s = PEOPLE_S
    sends = "Slack message"

    channel: (
        Annotated[
            str,
            BeforeValidator(_slack_channel),
            WithJsonSchema({"type": "string", "minLength": 1, "pattern": r"^\S+$"}),
        ]
        | None
    ) = Field(None, description="`#orders` or a channel's id")
    token: Secret | None = Field(None, description="The bot's token, by name: {secret: SLACK_TOKEN}")
    webhook: Secret | None = Field(
        None,
        description="Instead of both: the address of an incoming webhook, by name: {secret: SLACK_HOOK}; no threads, "
        "no edits, no buttons",
    )

    def targets(self) -> list[Target]:
        if self.webhook is not None:
            name = self.webhook.secret
            return [Target(f"incoming webhook {name}", "webhook", {"webhook": name}, apart=name)]
        if self.channel is None or self.token is None:
            return []  # `faults` says so
        # A channel's name means something only within the workspace that its token belongs to.
        return [Target(self.channel, "channel", {"token": self.token.secret}, apart=self.token.secret)]

    @classmethod
    def can_edit(cls, options: Mapping[str, str]) -> bool:
        return "token" in options

    def faults(self) -> Iterator[WayFault]:
        way_out = "write channel and token of a bot, or an incoming webhook instead of both"
        if self.webhook is not None and (self.channel or self.token):
            yield WayFault(("webhook",), "an incoming webhook leads to a channel of its own", way_out)
        elif self.webhook is None and self.channel is None:
            yield WayFault((), "slack has no 'channel'", way_out)
        elif self.webhook is None and self.token is None:
            yield WayFault((), "slack has no 'token'", way_out)


class TeamsModel(Way):
    """A card in a chat or channel of Microsoft Teams, by a workflow, which can only post."""

    audience = Audience.PEOPLE
    life_s = PEOPLE_S
    sends = "Teams message"

    workflow: Secret = Field(
        description="The address of a workflow with the trigger 'When a Teams webhook request is received', by name: "
        "{secret: TEAMS_FLOW}"
    )

    def targets(self) -> list[Target]:
        name = self.workflow.secret
        return [Target(f"workflow {name}", "workflow", {"workflow": name})]


_EVENTS = "https://events.pagerduty.com/v2/enqueue"
_EVENTS_URL = "pagerduty's url must be https://host/path, without a user", f"write one like {_EVENTS}"


class PagerDutyModel(Way):
    """Events for PagerDuty's Events API v2: an incident for each alert."""

    audience = Audience.PEOPLE
    life_s = PEOPLE_S
    sends = "page"
    tells_each = True

    routing_key: Secret = Field(description="The integration key of a service, by name: {secret: PAGERDUTY_KEY}")
    url: str = Field(
        _EVENTS,
        description="Where events go, where that is another region (https://events.eu.pagerduty.com/v2/enqueue) or "
        "another program that takes them",
    )

    @classmethod
    def can_edit(cls, options: Mapping[str, str]) -> bool:
        return True  # an incident is acknowledged and resolved where it stands

    def targets(self) -> list[Target]:
        name = self.routing_key.secret
        options = {"routing_key": name, "url": self.url}
        return [Target(f"integration {name}", "routing_key", options, apart=self.url)]

    def faults(self) -> Iterator[WayFault]:
        wrong = url_fault(self.url, _EVENTS_URL)
        if wrong is None and self.url.startswith("http:") and not is_loopback(urlsplit(self.url).hostname or ""):
            wrong = _EVENTS_URL
        if wrong is not None:
            yield WayFault(("url",), *wrong)


class AppriseModel(Way):
    """A plain text by a service that the library apprise knows: Telegram, ntfy, Discord and others."""

    audience = Audience.PEOPLE
    life_s = PEOPLE_S
    extra = "apprise"

    url: Secret = Field(description="The address in apprise's form, tgram://…, by name: {secret: PHONE_URL}")

    def targets(self) -> list[Target]:
        name = self.url.secret
        return [Target(f"address {name}", "url", {"url": name})]


_URL = "a webhook's url must be http(s)://host/path, without a user", "write one like https://example.com/hook"


class WebhookModel(Way):
    """A signed POST for each transition."""

    audience = Audience.PROGRAMS
    life_s = PROGRAMS_S
    sends = "webhook"

    url: str = Field(description="Where to; yours, so loopback and plain http are fine")
    secret: Secret = Field(description="The signing secret (whsec_…), by name: {secret: SHOP_HOOK}")

    def targets(self) -> list[Target]:
        return [Target(self.url, "url", {"secret": self.secret.secret})]

    def faults(self) -> Iterator[WayFault]:
        wrong = url_fault(self.url, _URL)
        if wrong is not None:
            yield WayFault(("url",), *wrong)


class ReceiverModel(Strict):
    """A named way to reach a team; several kinds at once are fine."""

    email: EmailModel | None = Field(None, description="Mail to each of these addresses")
    slack: SlackModel | None = Field(None, description="A message in a Slack channel")
    msteams: TeamsModel | None = Field(None, description="A card in a chat or channel of Microsoft Teams")
    pagerduty: PagerDutyModel | None = Field(None, description="An incident of PagerDuty for each alert")
    apprise: AppriseModel | None = Field(
        None, description="A plain text by another service: Telegram, ntfy, Discord, …"
    )
    webhook: WebhookModel | None = Field(None, description="A signed POST for each transition")

    def ways(self) -> dict[str, Way]:
        """Channel → how it reaches this receiver, of those that are named."""
        named = {channel: getattr(self, channel) for channel in CHANNELS}
        return {channel: way for channel, way in named.items() if way is not None}


CHANNELS: Mapping[str, type[Way]] = MappingProxyType(
    {channel: get_args(known.annotation)[0] for channel, known in ReceiverModel.model_fields.items()}
)
"""Channel → its model. Who sends it stands in `adapters/channel_table.py`, under the same name."""


def can_edit(destination: Destination) -> bool:
    """Whether what was sent there can be changed where it stands."""
    return destination.channel in CHANNELS and CHANNELS[destination.channel].can_edit(destination.options)


def tells_each(destination: Destination) -> bool:
    """Whether a message there must name each of its alerts."""
    return destination.channel in CHANNELS and CHANNELS[destination.channel].tells_each


def life_s(channel: str) -> float:
    """For how many seconds a delivery is worth trying; that of people for a channel of another version."""
    return CHANNELS[channel].life_s if channel in CHANNELS else PEOPLE_S


def _address(text: str) -> str | None:
    """The address with its domain in lower case, or None for what is none."""
    if unfilled_fault(text) is not None:
        return None
    try:
        address = Address(addr_spec=text)
    except (HeaderParseError, ValueError, IndexError):
        return None
    if not address.username or not address.domain or any(c.isspace() or not c.isprintable() for c in text):
        return None
    if not address.domain.startswith("[") and host_fault(address.domain) is not None:
        return None
    return f"{text.rpartition('@')[0]}@{address.domain.lower()}"
