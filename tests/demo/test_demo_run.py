"""The demo as somebody sees it: the real service, and receivers that check what they get."""

import asyncio
import email
import io
import itertools
import re
import shlex
import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec
import pytest
from standardwebhooks import Webhook

from lockstep.cli.demo import SetClock
from lockstep.tools.demo import run, shop, stand_ins
from lockstep.tools.terminal import Terminal
from lockstep.transition import Transition, TransitionName


async def test_the_demo_shows_what_was_planted(tmp_path, monkeypatch):
    """Every planted trouble is told by webhook, mail and Slack, and the end says so."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = io.StringIO()
    code = await run.run_demo(seconds=1.5, console=Terminal(file=said, width=120))
    text = said.getvalue()
    assert code == 0, text
    for trouble in shop.TRUTH:
        assert f"planted: {trouble.name}" in text
        assert all(rule in text for rule in trouble.rules)
    assert re.search(r"webhooks +\d\d with a right signature, 0 without", text)
    pages = list(tmp_path.glob("lockstep-demo-*/mails/*.html"))
    assert len(pages) >= 14
    assert any("data:image/png" in page.read_text() for page in pages)  # charts, and not only words
    _assert_the_morning_is_shown(re.sub(r"\s+", " ", text), tmp_path)
    next_steps = text.partition("What to try next")[2]
    commands = re.findall(r"^    (\S.*)$", next_steps, re.MULTILINE)  # whole
    check, backtest, serve, tidy, today, report, reports, campaigns, page, board = commands
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/act/\S+", page)
    assert page.startswith(board)
    places = ("today", "reports/daily/2011-03-11", "reports", "campaigns")
    assert [today, report, reports, campaigns] == [f"{board}{place}" for place in places]
    assert serve == check.replace(" check ", " serve --rules ")
    for command in (check, backtest, tidy):
        done = await asyncio.to_thread(subprocess.run, shlex.split(command), capture_output=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
    assert list(tmp_path.glob("lockstep-demo-*")) == []


def test_the_show_waits_before_something_is_told():
    """For the facts of the minute before, and of the two after; of what ends nothing is said of the shop."""
    over = msgspec.structs.replace(_told("2011-03-01T13:00:00Z"), state=TransitionName.RESOLVED)
    minute = datetime(2011, 3, 1, 12, 30, tzinfo=UTC)
    assert run.stops_of([_told("2011-03-01T12:30:40Z"), over]) == [minute, minute + timedelta(minutes=2)]


def _assert_the_morning_is_shown(text, folder):
    """text: without line ends."""
    # An alert that says what it means for the other team, in the shop's numbers.
    assert re.search(
        r"marketing Find out what brings [^·]* tomorrow [^·]* orders are expected today and 85 can be shipped: \d+ too",
        text,
    )
    assert re.search(
        r"marketing Do not promote product 22423 [^·]* It will be out for \d days? before 211 units arrive on", text
    )
    # The report, as a mail to both teams: what matters first is the delivery that is late.
    mails = [email.message_from_bytes(path.read_bytes()) for path in sorted(folder.glob("lockstep-demo-*/mails/*.eml"))]
    reports = {mail["To"] for mail in mails if mail["X-Lockstep-Report"] == "daily/2011-03-11"}
    assert reports == {"marketing@shop.example", "operations@shop.example"}
    assert len([mail for mail in mails if mail["X-Lockstep-Report"]]) == 2
    assert "Daily report, Fri 11 Mar 2011 Yesterday: 116 orders" in text
    assert "Product 85099B will be sold out on Sat 12 Mar, 6 days before 843 units arrive on Fri 18 Mar" in text
    # The hand-off: too much at first, which operations see, too, planned anew, said yes to; all heard by both teams.
    assert re.search(r"answered at once: Campaign Spring tea \([^)]*\) cannot be done as planned", text)
    assert "two of us are away" in text
    assert re.search(r"answered at once: Campaign Spring tea \([^)]*\) looks possible", text)
    assert re.search(r"Mon 21 Mar +49 +13 +62 +85 +23", text)
    subjects = Counter(mail["Subject"] for mail in mails)
    for told in (
        r"^Campaign Spring tea \(.*\) cannot be done as planned",
        r"^Operations agree: campaign Spring tea \(",
        r"^Campaign Spring tea \(.*\) looks possible",
        r"^Operations said yes: campaign Spring tea \(",
    ):
        assert sum(number for subject, number in subjects.items() if re.search(told, subject)) == 2, (told, subjects)


async def test_a_service_that_does_not_start_is_said(tmp_path, monkeypatch):
    """No rules that can be used: one line and exit code 1, not a trace."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "bad.yml").write_text("rules: [{name: A}]\n")
    said = io.StringIO()
    assert await run.run_demo(console=Terminal(file=said, width=200)) == 1
    assert "has faults; see `lockstep check" in said.getvalue()


async def test_a_forged_webhook_is_not_taken(tmp_path):
    """The subscriber counts what is signed by somebody else and shows nothing of it."""
    heard = []
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    async with (
        stand_ins.hook_server(tmp_path / "hooks", secret=secret, on_alert=heard.append) as hook,
        aiohttp.ClientSession() as session,
    ):
        headers = {"webhook-id": "a", "webhook-timestamp": "1700000000", "webhook-signature": "v1,AAAA"}
        async with session.post(hook.url, data=b"{}", headers=headers) as answer:
            assert answer.status == 400
    assert (heard, hook.received, hook.forged) == ([], {}, 1)


async def test_a_webhook_of_the_shops_years_is_taken(tmp_path):
    """Its signature counts, its time does not: the shop lives in 2011."""
    heard, secret = [], "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    async with (
        stand_ins.hook_server(tmp_path / "hooks", secret=secret, on_alert=heard.append) as hook,
        aiohttp.ClientSession() as session,
    ):
        at = datetime(2011, 3, 11, tzinfo=UTC)
        body = '{"type": "alert.firing"}'
        signature = Webhook(secret).sign("a", at, body)
        for given, status in ((signature, 204), ("v1,AAAA", 400), (f"v1,AAAA {signature}", 204)):
            headers = {"webhook-id": "a", "webhook-timestamp": f"{at.timestamp():.0f}", "webhook-signature": given}
            async with session.post(hook.url, data=body, headers=headers) as answer:
                assert answer.status == status, given
    assert (len(heard), hook.repeated, hook.forged) == (1, 1, 1)


def test_a_clock_that_is_set_goes_on():
    """From what it was set to, as fast as the present does."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    clock = SetClock(datetime(2011, 3, 11, tzinfo=UTC), lambda: now)
    now += timedelta(seconds=5)
    assert clock() == datetime(2011, 3, 11, 0, 0, 5, tzinfo=UTC)
    clock.set(datetime(2011, 3, 11, 6, tzinfo=UTC))
    now += timedelta(seconds=1)
    assert clock() == datetime(2011, 3, 11, 6, 0, 1, tzinfo=UTC)


async def test_slack_wants_its_token(tmp_path):
    """Another token gets Slack's own words for it."""
    async with (
        stand_ins.slack_server(tmp_path / "slack", token="right") as slack,
        aiohttp.ClientSession() as session,
    ):
        for token, answered in (("wrong", False), ("right", True)):
            headers = {"Authorization": f"Bearer {token}"}
            url = f"{slack.url}chat.postMessage"
            async with session.post(url, json={"channel": "#shop", "text": "hello"}, headers=headers) as answer:
                assert (await answer.json())["ok"] is answered
    assert (len(slack.messages), slack.refused) == (1, 1)


def _told(at):
    return Transition(
        transition_id=at,
        alert_id="a",
        episode_id="e",
        number=1,
        rule="R",
        labels={},
        state=TransitionName.FIRING,
        at=at,
        started_at=at,
        severity="warning",
        value=1.0,
        baseline=None,
        ratio=None,
        limit=None,
        window_start=None,
        window_end=None,
        so_far=False,
        watermark=None,
        rule_version="",
    )


def test_the_show_lingers_where_something_is_told():
    """The clock goes from the first shown hour to the end, and slowest in the hours after an alert."""
    clock = run.paced([_told("2011-03-01T12:30:00Z")])
    assert clock(0.0) == shop.SHOWN_FROM.timestamp()
    assert clock(1.0) == shop.MORNING.timestamp()
    moments = [clock(part / 1000) for part in range(1001)]
    steps = [b - a for a, b in itertools.pairwise(moments)]
    assert min(steps) > 0
    assert max(steps) == pytest.approx(run.SLOWER * min(steps), rel=0.01)


def test_the_rules_here_come_first(tmp_path):
    """A folder of one's own is shown; elsewhere the shipped one is."""
    shipped = Path(run.__file__).parents[4] / "rules"
    assert run.rules_folder(tmp_path) == shipped
    shutil.copytree(shipped, tmp_path / "rules")
    assert run.rules_folder(tmp_path) == tmp_path / "rules"
