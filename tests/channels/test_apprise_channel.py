"""Services that apprise knows: a process for each attempt, which ends with it, and what an address may not say."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from channel_peers import NOW, HttpPeer, Letter, answers, body, http_server, item, mixed
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lockstep.adapters.channels import secrets_from
from lockstep.adapters.channels.apprise import AppriseChannel, service_of, title_and_body
from lockstep.errors import DeliveryError
from lockstep.ports import Destination
from lockstep.tools.check import check_report

PHONE = Destination("d", "apprise", "address PUSH", "phone", {"url": "PUSH"})
installed = pytest.mark.skipif(find_spec("apprise") is None, reason="APPRISE IS NOT INSTALLED: run `make install`")


def channel_to(url: str, **ways: Any) -> AppriseChannel:
    return AppriseChannel(secrets_from({"LOCKSTEP_SECRET_PUSH": url}), **ways)


@installed
async def test_a_message_arrives():
    """By the library itself: a title and a plain text, once."""
    peer = HttpPeer(answers(200, "{}"))
    async with http_server(peer) as url:
        await channel_to(url.replace("http", "ntfy", 1) + "/orders").send(PHONE, Letter("l1", body()), now=NOW)
    ((_, _, raw),) = peer.requests
    sent = json.loads(raw)
    assert (sent["topic"], sent["title"]) == ("orders", "Warning: OrderSpike, web: 62 within 15 minutes, usually 20")
    assert sent["message"].startswith("Value: 62 within 15 minutes, usual 20\nMarketing: Find out whether")


@installed
@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "authError"), (404, "clientError"), (429, "rateLimited"), (503, "serverError"), (302, "clientError")],
)
async def test_what_the_service_answers_is_said(status: int, reason: str):
    """Apprise says no more than a number; each is tried again. No redirect is followed, and nothing is tried twice."""
    peer = HttpPeer(answers(status, "", Location="/elsewhere"))
    async with http_server(peer) as url:
        with pytest.raises(DeliveryError) as raised:
            await channel_to(url.replace("http", "ntfy", 1) + "/token").send(PHONE, Letter("l1", body()), now=NOW)
    assert (raised.value.reason, raised.value.retryable) == (reason, True)
    assert str(raised.value) == f"apprise/phone: HTTP {status}"
    assert len(peer.requests) == 1


@installed
async def test_where_nobody_listens():
    """It says where to look, and not the address."""
    with pytest.raises(DeliveryError, match="apprise/phone: apprise could not send it; look at the address") as raised:
        await channel_to("ntfy://127.0.0.1:9/token").send(PHONE, Letter("l1", body()), now=NOW)
    assert "token" not in str(raised.value)


@installed
async def test_an_address_that_apprise_cannot_read():
    """One of a service that is sent to, without what that service needs."""
    with pytest.raises(DeliveryError, match="apprise cannot read the address") as raised:
        await channel_to("tgram://nonsense").send(PHONE, Letter("l1", body()), now=NOW)
    assert raised.value.reason == "configuration"


@pytest.fixture
def program(tmp_path) -> Callable[[str], Path]:
    """A program in the place of ours; it has its input in `asked`, and writes its number to the file `pids`."""

    def make(text: str) -> Path:
        path = tmp_path / "program.py"
        begin = "import json, os, sys, time\nasked = json.loads(sys.stdin.buffer.read())\n"
        pids = f"with open({str(tmp_path / 'pids')!r}, 'a') as pids: pids.write(f'{{os.getpid()}} ')\n"
        path.write_text(begin + pids + text)
        return path

    return make


async def began(tmp_path: Path, count: int) -> list[int]:
    """The processes that have begun, when there are so many."""
    while True:
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()] if (tmp_path / "pids").exists() else []
        if len(pids) >= count:
            return pids
        await asyncio.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@installed
@pytest.mark.parametrize("ended", ["by its time", "with its worker"])
async def test_a_process_that_hangs_is_killed(program, tmp_path, ended: str):
    """No attempt leaves one behind."""
    limit_s = 1.0 if ended == "by its time" else 60.0
    channel = channel_to("ntfy://h/t", program=program("time.sleep(600)\n"), timeout_s=limit_s)
    attempt = asyncio.create_task(channel.send(PHONE, Letter("l1", body()), now=NOW))
    if ended == "with its worker":
        await began(tmp_path, 1)
        attempt.cancel()
    (outcome,) = await asyncio.gather(attempt, return_exceptions=True)
    assert isinstance(outcome, DeliveryError if ended == "by its time" else asyncio.CancelledError)
    assert [pid for pid in await began(tmp_path, 0) if lives(pid)] == []


@installed
async def test_a_service_that_hangs_delays_no_other(program, tmp_path):
    """Many destinations of one service wait for each other, two at a time; those of another do not wait for them."""
    text = "if asked['url'].startswith('tgram'):\n    time.sleep(600)\nprint(json.dumps({'outcome': 'sent'}))\n"
    secrets = secrets_from({"LOCKSTEP_SECRET_A": "tgram://a/b", "LOCKSTEP_SECRET_B": "ntfy://h/t"})
    channel = AppriseChannel(secrets, program=program(text), timeout_s=60.0)

    def attempt(secret: str) -> asyncio.Task[Any]:
        place = Destination(secret, "apprise", f"address {secret}", "phone", {"url": secret})
        return asyncio.create_task(channel.send(place, Letter("l1", body()), now=NOW))

    hanging = [attempt("A") for _ in range(5)]
    await began(tmp_path, 2)
    await attempt("B")
    assert len(await began(tmp_path, 3)) == 3
    for each in hanging:
        each.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


@installed
@pytest.mark.parametrize("answer", ["", "hello\n", "[1]\n"], ids=["none", "no JSON", "no object"])
async def test_a_process_that_breaks_is_a_failure(program, answer: str):
    """Such as of a library that ends it."""
    channel = channel_to("ntfy://h/t", program=program(f"sys.stdout.write({answer!r})\n"))
    with pytest.raises(DeliveryError, match="the process of apprise has failed") as raised:
        await channel.send(PHONE, Letter("l1", body()), now=NOW)
    assert (raised.value.reason, raised.value.retryable) == ("other", True)


@installed
async def test_the_process_sees_no_other_secret(program, tmp_path, monkeypatch):
    """Its address comes by its input; no list of processes shows it, and the environment holds nothing else of ours."""
    monkeypatch.setenv("LOCKSTEP_SECRET_OTHER", "xoxb-1")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    text = f"open({str(tmp_path / 'seen')!r}, 'w').write(json.dumps([sys.argv[1:], dict(os.environ)]))\nprint('{{}}')\n"
    with pytest.raises(DeliveryError):
        await channel_to("ntfy://h/t", program=program(text)).send(PHONE, Letter("l1", body()), now=NOW)
    arguments, environ = json.loads((tmp_path / "seen").read_text())
    assert arguments == []
    assert environ["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert [name for name in environ if name.startswith("LOCKSTEP")] == []


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("json://169.254.169.254/token", id="anything that speaks HTTP"),
        pytest.param("syslog://token", id="this machine"),
        pytest.param("https://discord.com/api/webhooks/1/token", id="its address in a browser"),
        pytest.param("ntfy://a/token json://b", id="two"),
        pytest.param("token", id="no address"),
        pytest.param("ntfys://[token", id="half of one"),
        *(
            pytest.param(f"ntfys://h/token?{key}=1", id=key)
            for key in ("verify", "Verify", "retry", "wait", "cto", "rto", "redirect", "attach", "template", "format")
        ),
    ],
)
def test_what_an_address_may_not_be(address: str):
    """Neither a place that nobody meant, nor what would make TLS, redirects and attempts its own."""
    with pytest.raises(DeliveryError) as raised:
        service_of(address)
    assert (raised.value.reason, raised.value.retryable) == ("configuration", True)
    assert "token" not in str(raised.value)


def test_what_an_address_may_say():
    """What belongs to the service."""
    assert service_of("tgram://123:abc/-100?thread=5&silent=yes") == "tgram"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("**b** _i_ ~~s~~ `c` ||x|| \\", "∗∗b∗∗ ˍiˍ ∼∼s∼∼ ˋcˋ ∣∣x∣∣ ∖", id="markdown"),
        pytest.param("@everyone <@1>", "@\u200beveryone <\u200b@\u200b1>", id="mentions"),
        pytest.param("[us](https://evil.example)", "[us]\u200b(https:\u200b//evil.example)", id="a link"),
        pytest.param("www.evil.example", "www\u200b.evil.example", id="an address without its scheme"),
        pytest.param(":tada: 12:00:30", ":\u200btada: 12:00:30", id="emoji"),
        pytest.param("A_B-C 3\n# x", "A_B-C 3 # x", id="a sku, and no heading"),
    ],
)
def test_labels_are_shown_as_they_are(text: str, shown: str):
    """In whichever of the services it is read."""
    title, said = title_and_body(body(item(headline=text, texts={"marketing": text})), {})
    assert title == f"Warning: {shown}"
    assert f"To do: {shown}\n" in said


@settings(deadline=None)
@given(
    texts=st.dictionaries(st.text(min_size=1, max_size=60), st.text(max_size=1000), max_size=6),
    headline=st.text(max_size=300),
    count=st.integers(1, 30),
)
def test_it_is_never_too_long(texts, headline, count):
    """Discord takes 2,000 characters; a link is whole or not there, and something is always said."""
    items = [replace(item(texts=texts, headline=headline), episode_id=f"e{n}") for n in range(count)]
    pages = {f"e{n}": f"https://alerts.example/act/{'z' * 160}{n}" for n in range(count)}
    title, said = title_and_body(body(*items), pages)
    assert len(title) <= 200
    assert 1 <= len(said) <= 1_900
    assert {line for line in said.split("\n") if line.startswith("https:")} <= {*pages.values()}
    assert pages["e0"] in said


def test_several_are_one_text():
    """The heads of all, and how many are left."""
    title, said = title_and_body(mixed(), {})
    assert title == "11 alerts, 1 critical"
    assert "… and 7 more." in said


async def test_without_the_extra_it_says_so(monkeypatch, tmp_path):
    """In each attempt, which waits for it, and before in `lockstep check`."""
    monkeypatch.setitem(sys.modules, "apprise", None)  # as where it is not installed
    with pytest.raises(DeliveryError) as raised:
        await channel_to("ntfy://h/t").send(PHONE, Letter("l1", body()), now=NOW)
    way_out = "`pip install 'lockstep[apprise]'` where `lockstep serve` runs"
    assert str(raised.value) == f"apprise/phone: apprise is not installed here; {way_out}"
    assert raised.value.retryable
    routing = tmp_path / "routing.yml"
    routing.write_text("teams: {operations: [phone]}\nreceivers: {phone: {apprise: {url: {secret: PUSH}}}}\n")
    (fault,) = check_report.check([routing]).faults
    assert (fault.line, fault.column, fault.level, fault.code) == (2, 21, "warning", "LS150")
    assert (fault.message, fault.remedy) == ("receiver 'phone': apprise is not installed here", way_out)


@installed
@pytest.mark.parametrize("arrived", [False, True])
async def test_a_worker_that_dies_around_the_call_loses_nothing(arrived: bool):
    """Killed before the service has it: once; after it: twice, as nobody can ask for it."""
    reached = asyncio.Event()

    async def takes(request: web.Request) -> web.StreamResponse:
        reached.set()
        if arrived and len(peer.requests) == 1:
            await asyncio.Event().wait()
        return web.json_response({})

    peer = HttpPeer(takes)
    async with http_server(peer) as url:
        address = url.replace("http", "ntfy", 1) + "/orders"
        attempt = asyncio.create_task(channel_to(address).send(PHONE, Letter("l1", body()), now=NOW))
        if arrived:
            await reached.wait()
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        await channel_to(address).send(PHONE, Letter("l1", body()), now=NOW)
    assert len(peer.requests) == (2 if arrived else 1)
