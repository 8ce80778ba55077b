"""What the channels are tested against: a real SMTP server, an HTTP server that behaves as told, sample messages."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from msgspec.structs import replace

from lockstep.adapters.slack_api.message_blocks import rendered
from lockstep.measure.definition import Aggregate, Measured, SeriesDef
from lockstep.notification import CAME_AND_WENT, Item, Message
from lockstep.notify.message import Writer
from lockstep.rule.condition.kinds import Baseline, NoData, Rule, Severity, Spike
from lockstep.rule.judged_verdict import Judged, Stretch
from lockstep.transition import Transition, TransitionName

NOW = datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENVIRON = {"LOCKSTEP_SECRET_HOOK": SECRET, "LOCKSTEP_SECRET_SLACK": "xoxb-test"}


RULE = Rule(
    name="OrderSpike",
    by=("channel",),
    condition=Spike(
        Measured(SeriesDef(Aggregate.COUNT, "order.placed", "orders")),
        900,
        Baseline(weeks=4),
        Severity.WARNING,
        above=2.0,
    ),
    for_s=0,
    keep_firing_for_s=0,
    no_data=NoData.KEEP,
    teams=("marketing", "operations"),
)


@dataclass
class Letter:
    """What a channel sees of a delivery."""

    id: str
    body: Any
    thread: str | None = None
    attempts: int = 0
    created: float = NOW.timestamp()


def reasons(**changed: Any) -> Judged:
    """Why a spike is one."""
    return Judged(
        **{
            "kind": "spike",
            "of": "count of order.placed",
            "verdict": "breach",
            "value": 62.0,
            "baseline": 20.0,
            "baseline_of": "the last 4 weeks",
            "ratio": 3.1,
            "limit": 40.0,
            "limit_of": "",
            "window_start": (NOW - timedelta(minutes=15, seconds=30)).isoformat(),
            "window_end": (NOW - timedelta(seconds=30)).isoformat(),
            "counts": {"windows": 4.0, "sigma": 4.5},
            "asked": {"above": 2.0, "at_least": 50.0},
            "history": tuple(
                Stretch(
                    (NOW - timedelta(weeks=w, minutes=15, seconds=30)).isoformat(),
                    (NOW - timedelta(weeks=w, seconds=30)).isoformat(),
                    value,
                )
                for w, value in ((4, 18.0), (3, 22.0), (2, 17.0), (1, 24.0))
            ),
            **changed,
        }
    )


def transition(state: str = "firing", channel: str = "web", **changed: Any) -> Transition:
    at = NOW - timedelta(seconds=30)
    return Transition(
        **{
            "transition_id": f"t-{state}-{channel}",
            "alert_id": f"alert-{channel}",
            "episode_id": f"episode-{channel}",
            "number": 1,
            "rule": "OrderSpike",
            "labels": {"channel": channel},
            "state": TransitionName(state),
            "at": at.isoformat(),
            "started_at": (at - timedelta(minutes=20)).isoformat(),
            "severity": "warning",
            "value": 62.0,
            "baseline": 20.0,
            "ratio": 3.1,
            "limit": 40.0,
            "window_start": (at - timedelta(minutes=15)).isoformat(),
            "window_end": at.isoformat(),
            "so_far": False,
            "watermark": at.isoformat(),
            "rule_version": "v1",
            "explanation": reasons(),
            **changed,
        }
    )


def item(*args: Any, teams: tuple[str, ...] = ("marketing", "operations"), **changed: Any) -> Item:
    own = {k: changed.pop(k) for k in ("note", "runbook", "headline", "texts") if k in changed}
    return replace(Writer(LONDON).item(transition(*args, **changed), RULE, teams), **own)


def body(*items: Item, **changed: Any) -> Message:
    shown = items or (item(),)
    message = Message(
        subject=shown[0].line,
        state=shown[0].state,
        rule="OrderSpike",
        severity="warning",
        teams=("marketing", "operations"),
        items=shown,
    )
    return replace(message, **changed)


def mixed() -> Message:
    """A message with one item of each kind."""
    went = replace(item(channel="shop"), state=CAME_AND_WENT, texts={"marketing": "It was over again at once."})
    return body(
        item("severity", "app", severity="critical", runbook="https://shop.example/spikes?a=1&b=2"),
        item(note="the rule's own text for operations could not be filled in"),
        item(
            "resolved",
            "kiosk",
            value=22.0,
            ratio=1.1,
            explanation=reasons(verdict="clear", value=22.0, ratio=1.1, of="orders <by> kiosk & co"),
        ),
        went,
        subject="Now critical: OrderSpike, app: 62 within 15 minutes, usually 20; and 10 more",
        more=7,
        summary=True,
    )


def slack_blocks(message: Message, **ways: Any) -> list[dict[str, Any]]:
    """Everything that is shown of a message in Slack, from the top."""
    shown = rendered(message, **ways)
    return [*shown.blocks, *(block for one in shown.attachments for block in one["blocks"])]


def slack_text(message: Message, **ways: Any) -> str:
    """What is written there, a line for each part."""
    parts = []
    for block in slack_blocks(message, **ways):
        for element in (block.get("text"), *block.get("elements", ())):
            if element is not None:
                text = element["text"]
                parts.append(text if isinstance(text, str) else f"[{text['text']}]")
    return "\n".join(parts)


def webhook_body() -> dict[str, Any]:
    return Writer(LONDON).webhook(transition(), RULE, ("operations",))


@dataclass
class Inbox:
    """An SMTP server's handler. answers: what it says instead of `250` to ehlo, mail, rcpt, data (`hang` never
    answers)."""

    answers: dict[str, str] = field(default_factory=dict)
    mails: list[Envelope] = field(default_factory=list)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd looks for this name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [self.answers["ehlo"]] if "ehlo" in self.answers else responses

    async def handle_HELO(  # noqa: N802 - as above
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str
    ) -> str:
        session.host_name = hostname
        return self.answers.get("ehlo", "250 inbox.test")

    async def handle_MAIL(  # noqa: N802 - as above
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "mail" not in self.answers:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.answers.get("mail", "250 ok")

    async def handle_RCPT(  # noqa: N802 - as above
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "rcpt" not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get("rcpt", "250 ok")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        answer = self.answers.get("data", "250 ok")
        if answer == "hang":
            await asyncio.Event().wait()
        if answer.startswith("250"):
            self.mails.append(envelope)
        return answer


@asynccontextmanager
async def smtp_server(inbox: Inbox, **options: Any) -> AsyncIterator[int]:
    """The port of a real SMTP server on loopback."""
    loop = asyncio.get_running_loop()
    protocols: list[SMTP] = []

    def connected() -> SMTP:
        protocols.append(SMTP(inbox, enable_SMTPUTF8=True, hostname="inbox.test", **options))
        return protocols[-1]

    server = await loop.create_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for protocol in protocols:
            if protocol.transport is not None:
                protocol.transport.abort()
            handler = protocol._handler_coroutine
            if handler is not None:
                handler.cancel()
                await asyncio.gather(handler, return_exceptions=True)


Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class HttpPeer:
    """An HTTP server that behaves as told and remembers what it was sent."""

    behaviour: Behaviour
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.path, headers, await request.read()))
        return await self.behaviour(request)


@asynccontextmanager
async def http_server(peer: HttpPeer) -> AsyncIterator[str]:
    """The base URL of the peer on loopback."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", peer.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def answers(status: int, text: str = "", **headers: str) -> Behaviour:
    async def behave(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return behave


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


async def drops(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def trickles(request: web.Request) -> web.StreamResponse:
    """A success whose body never ends."""
    response = web.StreamResponse(status=200, headers={"content-length": "1000000"})
    await response.prepare(request)
    await response.write(b"x")
    await asyncio.Event().wait()
    return response


def says(data: Any, status: int = 200, **headers: str) -> Behaviour:
    async def behave(request: web.Request) -> web.StreamResponse:
        return web.json_response(data, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return behave
