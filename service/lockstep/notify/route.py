"""Routing: teams → receivers → destinations, as rules/routing.yml says."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from lockstep.document import Document, Fault, Pointer, did_you_mean, read_document, validate
from lockstep.host import host_fault, unfilled_fault, url_fault
from lockstep.labels import stable_id
from lockstep.ports import Destination
from lockstep.rule.foreign import foreign_fault
from lockstep.rule.model import without_null

M = TypeVar("M", bound=BaseModel)

_URL = "a webhook's url must be http(s)://host/path, without a user", "write one like https://example.com/hook"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_TEXT = {"type": "string"}
Texts = Annotated[
    list[str],
    BeforeValidator(_many),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}),
]
"""Texts, or one without a list around it."""


def _secret_name(value: Any) -> Any:
    # The value is not repeated: whoever writes a secret here must not find it in a log as well.
    if isinstance(value, str) and not _SECRET_NAME.fullmatch(value):
        raise ValueError("this is no secret's name; write capitals, digits and _, as in SHOP_HOOK [LS151]")
    return value


_SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


class SecretName(_Strict):
    """A secret by its name: the value comes from LOCKSTEP_SECRET_NAME or the file LOCKSTEP_SECRET_NAME_FILE."""

    secret: Annotated[
        str, BeforeValidator(_secret_name), WithJsonSchema({"type": "string", "pattern": f"^{_SECRET_NAME.pattern}$"})
    ] = Field(description="NAME: read from LOCKSTEP_SECRET_NAME, or from the file that LOCKSTEP_SECRET_NAME_FILE names")


def _not_clear(value: Any) -> Any:
    if not isinstance(value, dict | SecretName) and value is not None:
        raise ValueError("a secret never stands in a file; write {secret: NAME} and set LOCKSTEP_SECRET_NAME [LS151]")
    return value


Secret = Annotated[SecretName, BeforeValidator(_not_clear)]


class EmailModel(_Strict):
    """Mail to each of these addresses."""

    to: Texts = Field(min_length=1, description="Addresses; each gets its own mail")


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


class SlackModel(_Strict):
    """A message in a Slack channel."""

    channel: Annotated[
        str, BeforeValidator(_slack_channel), WithJsonSchema({"type": "string", "minLength": 1, "pattern": r"^\S+$"})
    ] = Field(description="`#orders` or a channel's id")
    token: Secret = Field(description="The bot's token, by name: {secret: SLACK_TOKEN}")


class WebhookModel(_Strict):
    """A signed POST for each transition."""

    url: str = Field(description="Where to; yours, so loopback and plain http are fine")
    secret: Secret = Field(description="The signing secret (whsec_…), by name: {secret: SHOP_HOOK}")


class ReceiverModel(_Strict):
    """A named way to reach a team; several kinds at once are fine."""

    email: EmailModel | None = Field(None, description="Mail to each of these addresses")
    slack: SlackModel | None = Field(None, description="A message in a Slack channel")
    webhook: WebhookModel | None = Field(None, description="A signed POST for each transition")


class RoutingFile(_Strict):
    """Who is reached how."""

    teams: dict[str, Texts] = Field(default_factory=dict, description="Team → names of receivers")
    receivers: dict[str, ReceiverModel] = Field(default_factory=dict, description="Receivers by name")


@dataclass(frozen=True)
class Routing:
    """destinations: receiver → where it goes. teams: team → receivers."""

    destinations: Mapping[str, tuple[Destination, ...]]
    teams: Mapping[str, tuple[str, ...]]

    def for_teams(self, teams: Iterable[str]) -> list[tuple[Destination, tuple[str, ...]]]:
        """Every destination of these teams once, with those of the teams that share it."""
        found: dict[str, tuple[Destination, list[str]]] = {}
        for team in teams:
            for receiver in self.teams.get(team, ()):
                for destination in self.destinations.get(receiver, ()):
                    sharing = found.setdefault(destination.id, (destination, []))[1]
                    if team not in sharing:
                        sharing.append(team)
        return [(destination, tuple(sharing)) for destination, sharing in found.values()]

    def deaf(self, teams: Iterable[str]) -> tuple[str, ...]:
        """Those of these teams that nothing reaches."""
        return tuple(dict.fromkeys(t for t in teams if not self.for_teams([t])))


NOBODY = Routing({}, {})


def load_routing(path: Path) -> tuple[Routing | None, list[Fault]]:
    """The routing of a file, with every fault in it; NOBODY when there is no such file."""
    if not path.exists():
        return NOBODY, []
    document, faults = read_document(path)
    return (None, faults) if document is None else routing_of(document)


def routing_of(document: Document) -> tuple[Routing | None, list[Fault]]:
    """The routing in a document, with every fault in it."""
    foreign = foreign_fault(document)
    if foreign is not None:
        return None, [foreign]
    model, faults = validate(document, RoutingFile)
    if model is None:
        # Nobody mends a file in rounds: what could be read is looked at all the same.
        return None, sorted({*faults, *_lint(document, _readable(document.data), broken=_broken(document.data))})
    faults = _lint(document, model)
    if any(f.level == "error" for f in faults):
        return None, faults
    return _compile(model), faults


def _compile(model: RoutingFile) -> Routing:
    destinations: dict[str, tuple[Destination, ...]] = {}
    for name, receiver in model.receivers.items():
        found: list[Destination] = []
        if receiver.email is not None:
            addresses = dict.fromkeys(_address(text) or text for text in receiver.email.to)
            found += [_destination("email", address, name, {}) for address in addresses]
        if receiver.slack is not None:
            found.append(_destination("slack", receiver.slack.channel, name, {"token": receiver.slack.token.secret}))
        if receiver.webhook is not None:
            found.append(
                _destination("webhook", receiver.webhook.url, name, {"secret": receiver.webhook.secret.secret})
            )
        destinations[name] = tuple(found)
    return Routing(destinations, {team: tuple(names) for team, names in model.teams.items()})


def _destination(channel: str, target: str, receiver: str, options: dict[str, str]) -> Destination:
    # The receiver is no part of the id: two receivers with one address are one destination, which hears things once.
    # A Slack channel's name means something only within the workspace that its token belongs to.
    workspace = options.get("token", "") if channel == "slack" else ""
    return Destination(stable_id("destination", channel, target, workspace), channel, target, receiver, options)


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


def _valid(model: type[M], data: Any) -> M | None:
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def _part(data: Any, key: str) -> dict[str, Any]:
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _broken(data: Any) -> frozenset[str]:
    """The receivers that are not as they must be."""
    return frozenset(n for n, r in _part(data, "receivers").items() if _valid(ReceiverModel, r) is None)


def _readable(data: Any) -> RoutingFile:
    """What is as it must be in a file that is not: teams, receivers, the ways of a receiver, each for itself."""
    teams = {}
    for team, names in _part(data, "teams").items():
        several = _many(names)
        if isinstance(several, list) and all(isinstance(name, str) for name in several):
            teams[team] = several
    receivers = {}
    for name, ways in _part(data, "receivers").items():
        kinds: dict[str, type[BaseModel]] = {"email": EmailModel, "slack": SlackModel, "webhook": WebhookModel}
        found = {kind: _valid(model, _part({"it": ways}, "it").get(kind)) for kind, model in kinds.items()}
        receivers[name] = ReceiverModel.model_validate(found)
    return RoutingFile(teams=teams, receivers=receivers)


def _lint(document: Document, model: RoutingFile, *, broken: frozenset[str] = frozenset()) -> list[Fault]:
    """broken: receivers whose faults have been said; of them only what else they hold is looked at."""
    faults: list[Fault] = []

    def fault(at: Pointer, message: str, remedy: str, code: str, *, warn: bool = False) -> None:
        faults.append(document.fault(at, message, remedy, code, level="warning" if warn else "error", key=warn))

    for team, names in model.teams.items():
        for i, name in enumerate(names):
            if name not in model.receivers:
                at: Pointer = ("teams", team, i) if isinstance(document.data["teams"][team], list) else ("teams", team)
                remedy = did_you_mean(name, model.receivers)
                fault(at, f"team '{team}' names the unknown receiver '{name}'", remedy, "LS150")
        if not names:
            fault(("teams", team), f"team '{team}' has no receiver", "name one", "LS150", warn=True)
    used = {name for names in model.teams.values() for name in names}
    secrets: dict[str, str] = {}
    for name, receiver in model.receivers.items():
        here: Pointer = ("receivers", name)
        if receiver.email is None and receiver.slack is None and receiver.webhook is None and name not in broken:
            fault(here, f"receiver '{name}' reaches nobody", "add email, slack or webhook", "LS150", warn=True)
        elif name not in used:
            fault(here, f"no team uses receiver '{name}'", "add it to a team or remove it", "LS150", warn=True)
        if receiver.email is not None:
            for i, address in enumerate(receiver.email.to):
                if _address(address) is None:
                    several = isinstance(document.data["receivers"][name]["email"]["to"], list)
                    at = (*here, "email", "to", i) if several else (*here, "email", "to")
                    wrong = f"'{address}' is no email address", "write one like name@example.com"
                    fault(at, *(unfilled_fault(address) or wrong), "LS152")
        if receiver.webhook is not None:
            at = (*here, "webhook", "url")
            odd = url_fault(receiver.webhook.url, _URL)
            if odd is not None:
                fault(at, *odd, "LS152")
            elif secrets.setdefault(receiver.webhook.url, receiver.webhook.secret.secret) != (
                receiver.webhook.secret.secret
            ):
                fault(at, "this url has another secret in an earlier receiver", "give it one secret", "LS153")
    return faults


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of routing.yml, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/routing.schema.json",
        **without_null(RoutingFile.model_json_schema()),
        "title": "Lockstep routing file",
    }
