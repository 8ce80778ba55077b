"""Every channel keeps the port: a delivery arrives, or DeliveryError says why and whether to try again."""

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import aiosmtplib
import pytest
from channel_peers import (
    ENVIRON,
    NOW,
    HttpPeer,
    Inbox,
    Letter,
    answers,
    body,
    drops,
    hangs,
    http_server,
    says,
    smtp_server,
    trickles,
    webhook_body,
)
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from lockstep.adapters.channels import secrets_from
from lockstep.adapters.channels.email import EmailChannel, _failure
from lockstep.adapters.channels.msteams import TeamsChannel
from lockstep.adapters.channels.pagerduty import PagerDutyChannel
from lockstep.adapters.channels.slack import SlackChannel
from lockstep.adapters.channels.webhook import WebhookChannel
from lockstep.errors import DeliveryError
from lockstep.ports import Channel, Destination
from lockstep.settings import Settings

REASONS = {
    "clientError",
    "serverError",
    "authError",
    "rateLimited",
    "timeout",
    "connection",
    "ambiguous",
    "configuration",
}
PATIENCE_S = 20.0
"""The channels' time-out where the peer answers: how long a busy machine takes decides nothing."""
SHORT_S = 0.3
"""The same where it never does."""

Setup = tuple[Channel, Destination, Letter]


@asynccontextmanager
async def _webhook(behaviour: Any, *, timeout_s: float = PATIENCE_S) -> AsyncIterator[Setup]:
    async with http_server(HttpPeer(behaviour)) as url:
        channel = WebhookChannel(secrets_from(ENVIRON), timeout_s=timeout_s)
        destination = Destination("d", "webhook", f"{url}/token-in-path", "hook", {"secret": "HOOK"})
        try:
            yield channel, destination, Letter("l1", webhook_body())
        finally:
            await channel.close()


@asynccontextmanager
async def _slack(behaviour: Any, *, timeout_s: float = PATIENCE_S) -> AsyncIterator[Setup]:
    async with http_server(HttpPeer(behaviour)) as url:
        channel = SlackChannel(secrets_from(ENVIRON), base_url=f"{url}/api/", timeout_s=timeout_s)
        try:
            yield channel, Destination("d", "slack", "#ops", "ops", {"token": "SLACK"}), Letter("l1", body())
        finally:
            await channel.close()


@asynccontextmanager
async def _email(given: dict[str, str], *, timeout_s: float = PATIENCE_S) -> AsyncIterator[Setup]:
    async with smtp_server(Inbox(given)) as port:
        channel = EmailChannel(Settings(smtp_port=port), timeout_s=timeout_s)
        yield channel, Destination("d", "email", "anna@example.com", "mail"), Letter("l1", body())


@asynccontextmanager
async def _msteams(behaviour: Any, *, timeout_s: float = PATIENCE_S) -> AsyncIterator[Setup]:
    async with http_server(HttpPeer(behaviour)) as url:
        environ = {"LOCKSTEP_SECRET_FLOW": f"{url}/workflows/token-in-path?sig=token-in-path"}
        channel = TeamsChannel(secrets_from(environ), timeout_s=timeout_s)
        try:
            yield (
                channel,
                Destination("d", "msteams", "workflow FLOW", "ops", {"workflow": "FLOW"}),
                Letter("l1", body()),
            )
        finally:
            await channel.close()


PAGER = {"LOCKSTEP_SECRET_PD": "token-in-path" + "0" * 19}


def _integration(url: str) -> Destination:
    return Destination("d", "pagerduty", "integration PD", "pager", {"routing_key": "PD", "url": url})


@asynccontextmanager
async def _pagerduty(behaviour: Any, *, timeout_s: float = PATIENCE_S) -> AsyncIterator[Setup]:
    async with http_server(HttpPeer(behaviour)) as url:
        channel = PagerDutyChannel(secrets_from(PAGER), timeout_s=timeout_s)
        try:
            yield channel, _integration(f"{url}/v2/enqueue"), Letter("l1", body())
        finally:
            await channel.close()


def _invalid(error: str) -> Any:
    return says({"status": "invalid event", "message": "Event object is invalid", "errors": [error]}, 400)


def _azure(code: str, status: int = 400) -> Any:
    return says({"error": {"code": code, "message": "…"}}, status)


@asynccontextmanager
async def _nobody(kind: str) -> AsyncIterator[Setup]:
    """Nothing listens: the port is bound, so that it cannot be anybody's."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    secrets = secrets_from(ENVIRON)
    channel: Channel
    if kind == "email":
        channel = EmailChannel(Settings(smtp_port=port), timeout_s=PATIENCE_S)
        destination, letter = Destination("d", "email", "a@b.example", "mail"), Letter("l1", body())
    elif kind == "slack":
        channel = SlackChannel(secrets, base_url=f"http://127.0.0.1:{port}/api/", timeout_s=PATIENCE_S)
        destination, letter = Destination("d", "slack", "#ops", "ops", {"token": "SLACK"}), Letter("l1", body())
    elif kind == "msteams":
        environ = {"LOCKSTEP_SECRET_FLOW": f"http://127.0.0.1:{port}/token-in-path"}
        channel = TeamsChannel(secrets_from(environ), timeout_s=PATIENCE_S)
        destination, letter = Destination("d", kind, "workflow FLOW", "ops", {"workflow": "FLOW"}), Letter("l1", body())
    elif kind == "pagerduty":
        channel = PagerDutyChannel(secrets_from(PAGER), timeout_s=PATIENCE_S)
        destination, letter = _integration(f"http://127.0.0.1:{port}/x"), Letter("l1", body())
    else:
        channel = WebhookChannel(secrets, timeout_s=PATIENCE_S)
        destination = Destination("d", "webhook", f"http://127.0.0.1:{port}/x", "hook", {"secret": "HOOK"})
        letter = Letter("l1", webhook_body())
    yield channel, destination, letter
    await channel.close()
    bound.close()


GOOD_SLACK = says({"ok": True, "ts": "171.5"})


@pytest.mark.parametrize(
    ("peer", "reference"),
    [
        pytest.param(lambda: _webhook(answers(204)), None, id="webhook"),
        pytest.param(lambda: _webhook(trickles), None, id="webhook whose answer's body never ends"),
        pytest.param(lambda: _webhook(answers(200, "x" * 5_000_000)), None, id="webhook with a huge answer"),
        pytest.param(lambda: _slack(GOOD_SLACK), "171.5", id="slack"),
        pytest.param(lambda: _email({}), None, id="email"),
        pytest.param(lambda: _msteams(answers(202)), None, id="msteams"),
        pytest.param(lambda: _pagerduty(says({"status": "success"}, 202)), None, id="pagerduty"),
        pytest.param(lambda: _pagerduty(says({"status": "success"}, 200)), None, id="pagerduty, another program"),
        pytest.param(lambda: _msteams(trickles, timeout_s=SHORT_S), None, id="msteams whose answer's body never ends"),
    ],
)
async def test_a_delivery_arrives(peer: Callable[[], AbstractAsyncContextManager[Setup]], reference):
    """Sent says by what a later message can answer to it."""
    async with peer() as (channel, destination, letter):
        sent = await channel.send(destination, letter, now=NOW)
        assert sent.reference == reference


def _says(error: str) -> Any:
    return says({"ok": False, "error": error})


@pytest.mark.parametrize(
    ("peer", "reason", "retryable"),
    [
        pytest.param(lambda: _webhook(answers(410)), "clientError", False, id="webhook: gone"),
        pytest.param(lambda: _webhook(answers(400)), "clientError", False, id="webhook: refused"),
        pytest.param(lambda: _webhook(answers(404)), "clientError", True, id="webhook: being deployed"),
        pytest.param(lambda: _webhook(answers(401)), "authError", True, id="webhook: another secret"),
        pytest.param(lambda: _webhook(answers(302, Location="/x")), "clientError", True, id="webhook: redirect"),
        pytest.param(lambda: _webhook(answers(429)), "rateLimited", True, id="webhook: too many"),
        pytest.param(lambda: _webhook(answers(500)), "serverError", True, id="webhook: broken"),
        pytest.param(lambda: _webhook(answers(504)), "serverError", True, id="webhook: its proxy"),
        pytest.param(lambda: _webhook(hangs, timeout_s=SHORT_S), "timeout", True, id="webhook: never answers"),
        pytest.param(lambda: _webhook(drops), "connection", True, id="webhook: hangs up"),
        pytest.param(lambda: _nobody("webhook"), "connection", True, id="webhook: nobody listens"),
        pytest.param(lambda: _slack(_says("channel_not_found")), "configuration", True, id="slack: no such channel"),
        pytest.param(lambda: _slack(_says("is_archived")), "configuration", True, id="slack: archived"),
        pytest.param(lambda: _slack(_says("invalid_blocks")), "clientError", False, id="slack: a message it refuses"),
        pytest.param(lambda: _slack(answers(403, "<html>")), "authError", True, id="slack: a proxy forbids"),
        pytest.param(lambda: _slack(answers(404, "<html>")), "clientError", True, id="slack: a proxy knows it not"),
        pytest.param(lambda: _slack(says({"error": "denied"}, 403)), "authError", True, id="slack: a proxy with JSON"),
        pytest.param(lambda: _slack(_says("not_in_channel")), "configuration", True, id="slack: not invited"),
        pytest.param(lambda: _slack(_says("invalid_auth")), "authError", True, id="slack: bad token"),
        pytest.param(lambda: _slack(_says("fatal_error")), "serverError", True, id="slack: its own fault"),
        pytest.param(lambda: _slack(_says("ratelimited")), "rateLimited", True, id="slack: too many"),
        pytest.param(lambda: _slack(answers(429, "slow", Retry_After="7")), "rateLimited", True, id="slack: 429"),
        pytest.param(lambda: _slack(answers(502, "<html>")), "serverError", True, id="slack: 502"),
        pytest.param(lambda: _slack(answers(200, "hello")), "ambiguous", True, id="slack: a captive portal"),
        pytest.param(lambda: _slack(says([])), "ambiguous", True, id="slack: a list"),
        pytest.param(lambda: _slack(answers(302, Location="/x")), "clientError", True, id="slack: redirect"),
        pytest.param(lambda: _slack(hangs, timeout_s=SHORT_S), "timeout", True, id="slack: never answers"),
        pytest.param(lambda: _slack(drops), "connection", True, id="slack: hangs up"),
        pytest.param(lambda: _nobody("slack"), "connection", True, id="slack: nobody listens"),
        pytest.param(lambda: _msteams(answers(400)), "configuration", True, id="msteams: another kind of address"),
        pytest.param(lambda: _msteams(_azure("WorkflowNotFound", 404)), "configuration", True, id="msteams: deleted"),
        pytest.param(lambda: _msteams(_azure("WorkflowTriggerIsNotEnabled")), "configuration", True, id="msteams: off"),
        pytest.param(lambda: _msteams(answers(401)), "authError", True, id="msteams: another signature"),
        pytest.param(lambda: _msteams(answers(413)), "clientError", False, id="msteams: too large"),
        pytest.param(lambda: _msteams(answers(302, Location="/x")), "clientError", True, id="msteams: redirect"),
        pytest.param(lambda: _msteams(answers(429)), "rateLimited", True, id="msteams: too many"),
        pytest.param(lambda: _msteams(answers(502)), "serverError", True, id="msteams: 502"),
        pytest.param(
            lambda: _msteams(answers(200, "Webhook message delivery failed with error: …")),
            "serverError",
            True,
            id="msteams: a connector that is retired",
        ),
        pytest.param(lambda: _msteams(hangs, timeout_s=SHORT_S), "timeout", True, id="msteams: never answers"),
        pytest.param(lambda: _msteams(drops), "connection", True, id="msteams: hangs up"),
        pytest.param(lambda: _nobody("msteams"), "connection", True, id="msteams: nobody listens"),
        pytest.param(lambda: _pagerduty(_invalid("no summary")), "clientError", False, id="pagerduty: refused"),
        pytest.param(lambda: _pagerduty(_invalid("Invalid routing key")), "authError", True, id="pagerduty: its key"),
        pytest.param(lambda: _pagerduty(answers(400)), "clientError", True, id="pagerduty: a proxy refuses"),
        pytest.param(lambda: _pagerduty(answers(403)), "authError", True, id="pagerduty: a proxy forbids"),
        pytest.param(lambda: _pagerduty(answers(429)), "rateLimited", True, id="pagerduty: too many"),
        pytest.param(lambda: _pagerduty(answers(500)), "serverError", True, id="pagerduty: broken"),
        pytest.param(lambda: _pagerduty(answers(200, "hello")), "ambiguous", True, id="pagerduty: a captive portal"),
        pytest.param(lambda: _pagerduty(answers(301, Location="/x")), "clientError", True, id="pagerduty: redirect"),
        pytest.param(lambda: _pagerduty(hangs, timeout_s=SHORT_S), "timeout", True, id="pagerduty: never answers"),
        pytest.param(lambda: _pagerduty(drops), "connection", True, id="pagerduty: hangs up"),
        pytest.param(lambda: _nobody("pagerduty"), "connection", True, id="pagerduty: nobody listens"),
        pytest.param(lambda: _email({"rcpt": "550 no such user"}), "clientError", False, id="email: no such user"),
        pytest.param(
            lambda: _email({"rcpt": "554 5.7.1 <anna@example.com>: Relay access denied"}),
            "configuration",
            True,
            id="email: relays nothing for us",
        ),
        pytest.param(lambda: _email({"rcpt": "550 relay not permitted"}), "configuration", True, id="email: no relay"),
        pytest.param(lambda: _email({"mail": "550 who are you"}), "configuration", True, id="email: another sender"),
        pytest.param(lambda: _email({"mail": "450 later"}), "serverError", True, id="email: sender, later"),
        pytest.param(lambda: _email({"ehlo": "554 not you"}), "configuration", True, id="email: no greeting"),
        pytest.param(lambda: _email({"data": "550 5.7.26 no SPF"}), "configuration", True, id="email: no SPF"),
        pytest.param(lambda: _email({"rcpt": "451 greylisted"}), "serverError", True, id="email: greylisted"),
        pytest.param(lambda: _email({"rcpt": "530 TLS first"}), "authError", True, id="email: wants TLS"),
        pytest.param(lambda: _email({"data": "552 too large"}), "clientError", False, id="email: too large"),
        pytest.param(lambda: _email({"data": "421 closing"}), "serverError", True, id="email: closing"),
        pytest.param(lambda: _email({"data": "hang"}, timeout_s=SHORT_S), "timeout", True, id="email: never answers"),
        pytest.param(lambda: _nobody("email"), "connection", True, id="email: nobody listens"),
    ],
)
async def test_a_failure_is_a_delivery_error(peer, reason, retryable):
    """Its reason is of the known vocabulary, its text says where and holds neither token nor full URL."""
    async with peer() as (channel, destination, letter):
        with pytest.raises(DeliveryError) as raised:
            await channel.send(destination, letter, now=NOW)
    error = raised.value
    assert (error.reason, error.retryable) == (reason, retryable)
    assert error.reason in REASONS
    assert "token-in-path" not in str(error)
    assert "xoxb" not in str(error)
    assert str(error).startswith(destination.channel)


@pytest.mark.parametrize(
    ("peer", "message"),
    [
        pytest.param(
            lambda: _email({"mail": "553 5.7.1 <lockstep@localhost>: not owned by you"}),
            "email/example.com: the relay refuses the sender (553 5.7.1 <lockstep@localhost>: not owned by you); "
            "check LOCKSTEP_SMTP_FROM and what the relay lets it send",
            id="sender",
        ),
        pytest.param(
            lambda: _email({"rcpt": "550 5.1.1 no such user"}),
            "email/example.com: recipient refused (550 5.1.1 no such user)",
            id="recipient",
        ),
        pytest.param(
            lambda: _email({"data": "552 5.3.4 too\x07 large" + "!" * 300}),
            "email/example.com: the relay refuses the mail (552 5.3.4 too large" + "!" * 185 + ")",
            id="on one line, and cut",
        ),
        pytest.param(
            lambda: _slack(answers(403, "<html>")),
            "slack/#ops: HTTP 403; it is not Slack that says so; look at the proxies between",
            id="a proxy",
        ),
        pytest.param(
            lambda: _slack(_says("channel_not_found")),
            "slack/#ops: channel_not_found; make the channel, or invite the bot where it is private",
            id="a channel",
        ),
        pytest.param(
            lambda: _msteams(_azure("WorkflowTriggerIsNotEnabled")),
            "msteams/ops: HTTP 400 WorkflowTriggerIsNotEnabled; turn the workflow on",
            id="a workflow",
        ),
    ],
)
async def test_a_failure_says_what_the_other_side_said(peer, message):
    """It stands in the dead letter, where somebody looks for what to do."""
    async with peer() as (channel, destination, letter):
        with pytest.raises(DeliveryError) as raised:
            await channel.send(destination, letter, now=NOW)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("Tue, 24 Nov 2026 12:01:30 GMT", 60.0),
        ("Tue, 24 Nov 2020 12:01:30 GMT", 0.0),
        ("-5", 0.0),
        ("soon", None),
    ],
)
@pytest.mark.parametrize("peer", [_webhook, _slack, _msteams, _pagerduty])
async def test_what_the_destination_asks_for_is_understood(peer, header, expected):
    """Retry-After in seconds or as a date; nonsense is no wish."""
    async with peer(answers(429, Retry_After=header)) as (channel, destination, letter):
        with pytest.raises(DeliveryError) as raised:
            await channel.send(destination, letter, now=NOW)
    assert raised.value.retry_after_s == expected


async def test_a_slow_relay_ends_with_the_attempt():
    """Each command in time and the whole too late: the attempt has an end of its own, without a goodbye."""
    async with asyncio.timeout(10), smtp_server(Inbox({"data": "hang"})) as port:
        channel = EmailChannel(Settings(smtp_port=port), timeout_s=60, total_s=SHORT_S)
        with pytest.raises(DeliveryError, match="does not answer") as raised:
            await channel.send(Destination("d", "email", "a@b.example", "mail"), Letter("l1", body()), now=NOW)
    assert raised.value.reason == "timeout"


async def test_a_relay_without_starttls_is_a_fault_of_the_settings():
    """Mail is not sent in the clear because TLS failed."""
    async with smtp_server(inbox := Inbox()) as port:
        channel = EmailChannel(Settings(smtp_port=port, smtp_tls="starttls"), timeout_s=5)
        with pytest.raises(DeliveryError) as raised:
            await channel.send(Destination("d", "email", "a@b.example", "mail"), Letter("l1", body()), now=NOW)
    assert raised.value.reason == "configuration"
    assert inbox.mails == []


def _tree(root: type[BaseException]) -> list[type[BaseException]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in _tree(child))]


def _made(kind: type[BaseException]) -> BaseException:
    """An instance of a foreign exception, however it wants to be made."""
    if kind is aiosmtplib.SMTPRecipientsRefused:
        return kind([aiosmtplib.SMTPRecipientRefused(550, "no", "a@b.example")])
    key = aiohttp.client_reqrep.ConnectionKey("h", 80, False, True, None, None, None)
    for arguments in (
        ("x",),
        (550, "no"),
        (550, "no", "a@b.example"),
        (key, OSError(1, "x")),
        (key, ssl.SSLCertVerificationError("x")),
        (b"a", b"b", "h", 80),
        ("/s", key, OSError(1, "x")),
        (aiohttp.RequestInfo(URL("http://h/"), "POST", CIMultiDictProxy(CIMultiDict()), URL("http://h/")), ()),
    ):
        try:
            made = kind(*arguments)
            str(made)
        except (TypeError, AttributeError):
            continue
        return made
    raise AssertionError(f"do not know how to make a {kind.__name__}")


SMTP_TREE = sorted(_tree(aiosmtplib.SMTPException), key=lambda k: k.__name__)


@pytest.mark.parametrize("kind", SMTP_TREE, ids=lambda k: k.__name__)
def test_every_exception_of_the_mail_library_has_a_meaning(kind):
    """The foreign tree is walked: none is left to chance when the library grows."""
    error = _failure("email/x", _made(kind))  # type: ignore[arg-type] # the tree holds exceptions only
    assert error.reason in REASONS


HTTP_TREE = sorted(_tree(aiohttp.ClientError), key=lambda k: k.__name__)


@pytest.mark.parametrize("kind", HTTP_TREE, ids=lambda k: k.__name__)
@pytest.mark.parametrize("peer", [_webhook, _slack, _msteams, _pagerduty])
async def test_every_exception_of_the_http_library_becomes_ours(peer, kind):
    """Whatever aiohttp raises from inside a request, the channel says it in its own words."""
    raised_by_library = _made(kind)

    async def fail(*_: Any) -> None:
        raise raised_by_library

    async with peer(answers(500)) as (channel, destination, letter):
        with pytest.raises(DeliveryError, match="500"):
            await channel.send(destination, letter, now=NOW)  # opens the session
        session = {_slack: "_calls", _msteams: "_posts", _pagerduty: "_posts"}.get(peer)
        session = channel._session if session is None else getattr(channel, session).session
        session.trace_configs[:] = [_tracing(fail)]
        with pytest.raises(DeliveryError) as raised:
            await channel.send(destination, letter, now=NOW)
    assert raised.value.reason in ("connection", "timeout")


def _tracing(handler: Any) -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(handler)
    trace.freeze()
    return trace


@pytest.mark.parametrize("kind", ["webhook", "slack", "msteams", "pagerduty"])
async def test_a_missing_secret_says_how_to_set_it(kind):
    """The operator can act, and meanwhile the delivery waits."""
    channel: Channel
    if kind == "webhook":
        channel = WebhookChannel(secrets_from({}))
        destination = Destination("d", kind, "http://127.0.0.1:1/", "hook", {"secret": "HOOK"})
    elif kind == "pagerduty":
        channel = PagerDutyChannel(secrets_from({}))
        destination = Destination("d", kind, "integration HOOK", "pager", {"routing_key": "HOOK", "url": "https://e/"})
    elif kind == "msteams":
        channel = TeamsChannel(secrets_from({}))
        destination = Destination("d", kind, "workflow HOOK", "ops", {"workflow": "HOOK"})
    else:
        channel = SlackChannel(secrets_from({}), base_url="http://127.0.0.1:1/api/")
        destination = Destination("d", kind, "#ops", "ops", {"token": "HOOK"})
    message = r"secret HOOK is not set; set LOCKSTEP_SECRET_HOOK or LOCKSTEP_SECRET_HOOK_FILE"
    with pytest.raises(DeliveryError, match=message) as raised:
        await channel.send(destination, Letter("l1", body()), now=NOW)
    assert (raised.value.reason, raised.value.retryable) == ("configuration", True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"from-file\n", None, id="a file with a line's end"),
        pytest.param(b"", "is empty", id="an empty file"),
        pytest.param(b"\xff\xfe", "not a text", id="no text"),
        pytest.param(None, "No such file", id="no file"),
    ],
)
def test_a_secret_may_stand_in_a_file(tmp_path, content, message):
    """As containers hand them over; what is wrong names the file, never its content."""
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    read = secrets_from({"LOCKSTEP_SECRET_X_FILE": str(path)})
    if message is None:
        assert read("X") == "from-file"
    else:
        with pytest.raises(DeliveryError, match=message):
            read("X")


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("whsec_" + base64.b64encode(b"x" * 23).decode(), id="too short"),
        pytest.param("whsec_" + base64.b64encode(b"x" * 65).decode(), id="too long"),
        pytest.param(base64.b64encode(b"x" * 32).decode(), id="without its prefix"),
        pytest.param("whsec_not base64!", id="no base64"),
    ],
)
async def test_a_weak_webhook_secret_is_refused(secret):
    """The library would sign with one byte, and with what is no base64; we do not."""
    channel = WebhookChannel(secrets_from({"LOCKSTEP_SECRET_HOOK": secret}))
    destination = Destination("d", "webhook", "http://127.0.0.1:1/", "hook", {"secret": "HOOK"})
    with pytest.raises(DeliveryError) as raised:
        await channel.send(destination, Letter("l1", webhook_body()), now=NOW)
    assert raised.value.reason == "configuration"
    assert secret not in str(raised.value)
