"""The channels: who sends what each of them carries. What the core knows of them stands in `notify/receivers.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lockstep.adapters.channels import Secrets, apprise, pagerduty, secrets_from
from lockstep.adapters.channels.apprise import AppriseChannel
from lockstep.adapters.channels.email import EmailChannel
from lockstep.adapters.channels.msteams import TeamsChannel
from lockstep.adapters.channels.msteams import checked as workflow
from lockstep.adapters.channels.pagerduty import PagerDutyChannel
from lockstep.adapters.channels.slack import SlackChannel
from lockstep.adapters.channels.webhook import WebhookChannel, signer
from lockstep.errors import DeliveryError
from lockstep.notify.route import Routing
from lockstep.ports import Channel, Links, NoLinks, NoPictures, Pictures
from lockstep.settings import Settings


@dataclass(frozen=True)
class Sender:
    """How a channel is made.

    attempt_s: the end of an attempt that the channel forgot to end, in seconds; its own time-outs are shorter.
    check_secret: raises DeliveryError for a value that can be no secret of it; None where any may be one.
    plain: options that are no names of secrets.
    """

    make: Callable[[Settings, Secrets, Pictures, Links], Channel[Any]]
    attempt_s: float = 20.0
    check_secret: Callable[[str], object] | None = None
    plain: frozenset[str] = frozenset()


SENDERS: Mapping[str, Sender] = {
    "email": Sender(
        lambda settings, _, pictures, links: EmailChannel(settings, pictures=pictures, links=links), attempt_s=720.0
    ),
    "slack": Sender(
        lambda settings, secrets, pictures, links: SlackChannel(
            secrets,
            base_url=settings.slack_base_url,
            pictures=pictures,
            links=links,
            signing_secrets=settings.slack_signing,
        ),
    ),
    "msteams": Sender(lambda _, secrets, __, links: TeamsChannel(secrets, links=links), check_secret=workflow),
    "pagerduty": Sender(
        lambda _, secrets, __, links: PagerDutyChannel(secrets, links=links),
        attempt_s=pagerduty.ATTEMPT_S,
        check_secret=pagerduty.integration_key,
        plain=frozenset({"url"}),
    ),
    "apprise": Sender(
        lambda _, secrets, __, links: AppriseChannel(secrets, links=links),
        attempt_s=apprise.ATTEMPT_S,
        check_secret=apprise.ready,
    ),
    "webhook": Sender(lambda _, secrets, __, ___: WebhookChannel(secrets), check_secret=signer),
}
"""Channel, as `ReceiverModel` names it → who sends it."""


def attempt_s(channel: str) -> float:
    """The end of an attempt, in seconds; a minute where the table does not know the channel."""
    return SENDERS[channel].attempt_s if channel in SENDERS else 60.0


def build_channels(
    settings: Settings,
    environ: Mapping[str, str],
    pictures: Pictures | None = None,
    links: Links | None = None,
) -> dict[str, Channel[Any]]:
    """A channel of each kind. pictures: what they may show; links: where they may lead; None: they only write."""
    secrets = secrets_from(environ)
    return {
        name: sender.make(settings, secrets, pictures or NoPictures(), links or NoLinks())
        for name, sender in SENDERS.items()
    }


def check_secrets(routing: Routing, environ: Mapping[str, str]) -> list[str]:
    """What is said at start about secrets that are not set, or can be none."""
    read = secrets_from(environ)
    missing = []
    for destination in (each for several in routing.destinations.values() for each in several):
        sender = SENDERS[destination.channel]
        check = sender.check_secret
        for name in [name for option, name in destination.options.items() if option not in sender.plain]:
            try:
                secret = read(name)
                if check is not None:
                    check(secret)
            except DeliveryError as error:
                missing.append(f"receiver '{destination.receiver}': {error}")
    return missing
