"""Routing: teams → receivers → destinations, as rules/routing.yml says."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lockstep.document import Document, Fault, did_you_mean, read_document, validate
from lockstep.labels import stable_id
from lockstep.ports import Destination


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class SecretName(_Strict):
    """A secret by its name: the value comes from LOCKSTEP_SECRET_NAME or the file LOCKSTEP_SECRET_NAME_FILE."""

    secret: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]


def _not_clear(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError("a secret never stands in a file; write {secret: NAME} and set LOCKSTEP_SECRET_NAME [LS151]")
    return value


Secret = Annotated[SecretName, BeforeValidator(_not_clear)]


class EmailModel(_Strict):
    """Mail to each of these addresses."""

    to: Annotated[list[str], BeforeValidator(_many)] = Field(
        min_length=1, description="Addresses; each gets its own mail"
    )


class SlackModel(_Strict):
    """A message in a Slack channel."""

    channel: str = Field(min_length=1, description="`#orders` or a channel's id")
    token: Secret = Field(description="The bot's token, by name: {secret: SLACK_TOKEN}")


class WebhookModel(_Strict):
    """A signed POST for each transition."""

    url: str = Field(description="Where to; yours, so loopback and plain http are fine")
    secret: Secret = Field(description="The signing secret (whsec_…), by name: {secret: SHOP_HOOK}")


class ReceiverModel(_Strict):
    """A named way to reach a team; several kinds at once are fine."""

    email: EmailModel | None = None
    slack: SlackModel | None = None
    webhook: WebhookModel | None = None


class RoutingFile(_Strict):
    """Who is reached how."""

    teams: dict[str, Annotated[list[str], BeforeValidator(_many)]] = Field(
        default_factory=dict, description="Team → names of receivers"
    )
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


NOBODY = Routing({}, {})


def load_routing(path: Path) -> tuple[Routing | None, list[Fault]]:
    """The routing of a file, with every fault in it; NOBODY when there is no such file."""
    if not path.exists():
        return NOBODY, []
    document, faults = read_document(path)
    if document is None:
        return None, faults
    model, faults = validate(document, RoutingFile)
    if model is None:
        return None, faults
    faults = _lint(document, model)
    if any(f.level == "error" for f in faults):
        return None, faults
    return _compile(model), faults


def _compile(model: RoutingFile) -> Routing:
    destinations: dict[str, tuple[Destination, ...]] = {}
    for name, receiver in model.receivers.items():
        found: list[Destination] = []
        if receiver.email is not None:
            found += [_destination("email", address, name, {}) for address in receiver.email.to]
        if receiver.slack is not None:
            found.append(_destination("slack", receiver.slack.channel, name, {"token": receiver.slack.token.secret}))
        if receiver.webhook is not None:
            found.append(
                _destination("webhook", receiver.webhook.url, name, {"secret": receiver.webhook.secret.secret})
            )
        destinations[name] = tuple(found)
    return Routing(destinations, {team: tuple(names) for team, names in model.teams.items()})


def _destination(channel: str, target: str, receiver: str, options: dict[str, str]) -> Destination:
    return Destination(stable_id("destination", channel, target), channel, target, receiver, options)


_ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")


def _lint(document: Document, model: RoutingFile) -> list[Fault]:
    faults: list[Fault] = []
    for team, names in model.teams.items():
        for i, name in enumerate(names):
            if name not in model.receivers:
                message = f"team '{team}' names the unknown receiver '{name}'"
                remedy = did_you_mean(name, model.receivers)
                pointer = ("teams", team, i) if isinstance(document.data["teams"][team], list) else ("teams", team)
                faults.append(document.fault(pointer, message, remedy, "LS150"))
        if not names:
            faults.append(
                document.fault(
                    ("teams", team), f"team '{team}' has no receiver", "name one", "LS150", level="warning", key=True
                )
            )
    for name, receiver in model.receivers.items():
        at = ("receivers", name)
        if receiver.email is not None:
            for i, address in enumerate(receiver.email.to):
                if not _ADDRESS.fullmatch(address):
                    message = f"'{address}' is no email address"
                    faults.append(document.fault((*at, "email", "to", i), message, "write name@example.com", "LS152"))
        if receiver.webhook is not None:
            parts = urlsplit(receiver.webhook.url)
            if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
                message = "a webhook's url must be http(s)://host/path without a user"
                faults.append(
                    document.fault((*at, "webhook", "url"), message, "write https://example.com/hook", "LS152")
                )
        if receiver.email is None and receiver.slack is None and receiver.webhook is None:
            message = f"receiver '{name}' reaches nobody"
            faults.append(
                document.fault(at, message, "add email, slack or webhook", "LS150", level="warning", key=True)
            )
    return faults


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of routing.yml, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/routing.schema.json",
        **RoutingFile.model_json_schema(),
        "title": "Lockstep routing file",
    }
