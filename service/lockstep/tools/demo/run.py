"""`lockstep demo`: the real service on a real shop's orders, faster than life, with receivers that check what they get.

It starts the service in a process of its own, posts events to it over HTTP as a shop would, and watches what comes out
at the other end: webhooks, Slack messages, mails. What must come is not written down anywhere: the same events are
replayed through the judge in this process, and the service has to say the same, transition by transition. Then it is
morning in the shop (`morning.py`): the daily report comes, and a campaign is planned.
"""

import asyncio
import base64
import itertools
import json
import multiprocessing
import os
import re
import secrets
import shlex
import shutil
import sys
import tempfile
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from lockstep.adapters.rule_files import load_rules, rule_files
from lockstep.errors import LockstepError, RuleError
from lockstep.notify.self_alerts import BEHIND
from lockstep.rule.condition.kinds import Plan, Severity
from lockstep.tools.backtest.replay import backtest
from lockstep.tools.demo import shop
from lockstep.tools.demo.morning import Morning
from lockstep.tools.demo.morning_view import MorningView
from lockstep.tools.demo.screen import View
from lockstep.tools.demo.service_process import (
    MARKETING,
    OPERATIONS,
    DemoError,
    ServiceProcess,
    environment,
    service,
    write_rules,
)
from lockstep.tools.demo.stand_ins import Hook, Mailbox, Slack, hook_server, mail_server, slack_server
from lockstep.tools.retail import ZONE
from lockstep.tools.terminal import Terminal, styled
from lockstep.transition import Transition, TransitionName

AT_ONCE = 2_000
"""Events in one request, at most; a request stays below the service's limit of 1 MiB."""
MOST_BYTES = 900_000
HOUR = 3600
SLOW_HOURS, SLOWER = 3, 10
"""How long the show lingers after something was told, and how much more slowly an hour passes then."""
DECIDED_BY = timedelta(hours=2)
"""By then the visits of an hour, which come together, have closed the windows before them."""
AFTERWARDS = timedelta(minutes=2)
FACTS_S = 15.0
"""How long the show waits for the facts of a minute, at most: a text would say those of some minutes before."""
LINGER_S = 2.0
"""Alerts are told above the heading of what comes after them; one that fails to come is named at the end."""
FINISH_S = 60.0
SETTLED_S = 0.6
"""Nothing more has come for so long: the last messages are out."""


def _is_told(transition: Transition) -> bool:
    """Whether people hear of it: a severity that falls is no news."""
    if transition.state is TransitionName.SEVERITY:
        ranks = [s.word for s in Severity]
        return ranks.index(transition.severity) > ranks.index(transition.previous_severity or "info")
    return transition.state in (TransitionName.FIRING, TransitionName.RESOLVED)


@dataclass
class Replayed:
    """What is played, as bytes to post. shown: index of the first event that is shown."""

    events: Sequence[shop.Event]
    lines: Sequence[bytes]
    shown: int

    @property
    def history(self) -> Sequence[bytes]:
        return self.lines[: self.shown]


@dataclass
class Expected:
    """What the judge says of these events when it is asked directly.

    transitions: those that receivers must hear of, by id. heard: those that came. unexpected: what came besides.
    """

    plan: Plan
    transitions: Mapping[str, Transition]
    heard: dict[str, Transition] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[Transition]:
        return [t for name, t in self.transitions.items() if name not in self.heard]


def program() -> str:
    """How `lockstep` is called in this folder by somebody who types: by its name only where that is this very one."""
    beside = Path(sys.executable).with_name("lockstep")
    if not beside.exists():
        return f"{shlex.quote(sys.executable)} -m lockstep"
    on_path = shutil.which("lockstep")
    if on_path is not None and Path(on_path).samefile(beside):
        return "lockstep"
    relative = os.path.relpath(beside)
    return shlex.quote(str(beside) if relative.startswith("..") else relative)


def rules_folder(start: Path) -> Path:
    """The rules of the folder we are in, else those of the checkout that this program runs from."""
    for folder in (start / "rules", Path(__file__).parents[4] / "rules"):
        if rule_files([folder]) and folder.is_dir():
            return folder
    raise RuleError("no folder 'rules' here; run the demo in a checkout of Lockstep, or in a folder with rules")


def prepare(folder: Path) -> Replayed:
    """The weeks up to the last morning, also written down for a look at them."""
    events = [event for event in shop.events() if shop.time_of(event) < shop.PLAYED_TO]
    lines = [json.dumps(event, separators=(",", ":")).encode() for event in events]
    (folder / "events.ndjson").write_bytes(b"\n".join(lines) + b"\n")
    border = shop.SHOWN_FROM.timestamp()
    shown = next(i for i, event in enumerate(events) if shop.time_of(event).timestamp() >= border)
    return Replayed(events, lines, shown)


def expect(rules: Path, events: Path) -> dict[str, Transition]:
    """Transition id → what receivers must hear of: what the judge says of these events when it is asked directly."""
    replay = backtest(load_rules(rules).plan, [events], zone=ZONE)
    return {t.transition_id: t for t in replay.transitions if _is_told(t)}


async def run_demo(*, seconds: float = 4.0, console: Terminal | None = None) -> int:
    """Show the demo; returns the exit code. seconds: how long the shown days take. console: where it is shown."""
    console = console or Terminal()
    folder = Path(tempfile.mkdtemp(prefix="lockstep-demo-"))
    try:
        return await _shown(folder, console, seconds)
    except (LockstepError, TimeoutError) as error:
        said = str(error) or "the service did not answer in time"
        console.print(styled(("lockstep demo:", "red"), f" {said}"))
        console.print(f"what there is to look at: {folder}")
        return 1


async def _shown(folder: Path, console: Terminal, seconds: float) -> int:
    rules = rules_folder(Path.cwd())
    loaded = load_rules(rules)
    if loaded.errors:
        raise RuleError(f"{rules} has faults; see `lockstep check {rules}`")
    token, secret = secrets.token_hex(16), f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    view, loop = View(console), asyncio.get_running_loop()
    about = ": weeks of a gift shop, real orders of 2011 (visits, prices and stock simulated)"
    view.say(styled(("Lockstep demo", "bold"), about))
    async with AsyncExitStack() as stack:
        stack.enter_context(view)
        view.begin("starting the service and its receivers", 1)
        # A process of its own, so that what it costs is not taken from what is measured.
        other = stack.enter_context(ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")))
        preparing = asyncio.create_task(asyncio.to_thread(prepare, folder))
        stack.push_async_callback(asyncio.wait, [preparing])
        heard: list[Mapping[str, Any]] = []
        mailbox = await stack.enter_async_context(_mails(folder / "mails"))
        slack = await stack.enter_async_context(slack_server(folder / "slack", token=token))
        hook = await stack.enter_async_context(hook_server(folder / "webhooks", secret=secret, on_alert=heard.append))
        write_rules(rules, folder / "rules", hook.url)
        expected = Expected(load_rules(folder / "rules").plan, {})
        hook.on_alert = partial(_hear, expected, view)
        environ = environment(folder, mailbox=mailbox, slack=slack, token=token, secret=secret)
        process = await stack.enter_async_context(service(folder, environ, shop.PLAYED_TO))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(base_url=process.url, timeout=aiohttp.ClientTimeout(total=FINISH_S), trust_env=False)
        )
        replayed = await preparing
        expecting = loop.run_in_executor(other, expect, folder / "rules", folder / "events.ndjson")
        rate = await _read_history(session, replayed, view)
        view.begin("asking the judge directly what must come", 1)
        expected.transitions = await expecting
        added = await _show(session, process, replayed, expected, view, seconds)
        view.begin("the last messages go out", len(expected.transitions))
        await _finish(expected, hook, mailbox, slack)
        counted = await _counted(session)
        await Morning(process, session, mailbox, slack, hook, MorningView(view)).show()
        view.end()
        code = _conclude(
            view,
            expected,
            hook,
            mailbox,
            slack,
            folder=folder,
            rules=rules,
            events=len(replayed.lines) + added,
            counted=counted,
            rate=rate,
            url=process.url,
        )
        if console.is_terminal and sys.stdin.isatty():
            view.say(styled("\nThe pages are there until you press Enter."))
            await asyncio.to_thread(sys.stdin.readline)
    return code


@asynccontextmanager
async def _mails(folder: Path) -> AsyncIterator[Mailbox]:
    try:
        async with mail_server(folder) as mailbox:
            yield mailbox
    except ImportError as error:
        raise DemoError("the demo's mail server is not installed; pip install 'lockstep[demo]'") from error


# ---- the replay -----------------------------------------------------------------------------------------------------


async def _post(session: aiohttp.ClientSession, lines: Sequence[bytes]) -> None:
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    async with session.post("/v1/events", data=b"[" + b",".join(lines) + b"]", headers=headers) as answer:
        if answer.status != 202:
            raise DemoError(f"the service refused events: HTTP {answer.status}: {(await answer.text())[:500]}")


def _requests(lines: Sequence[bytes]) -> list[tuple[int, int]]:
    """Ranges of lines that fit into one request each."""
    ranges, start, size = [], 0, 0
    for i, line in enumerate(lines):
        if i > start and (i - start >= AT_ONCE or size + len(line) > MOST_BYTES):
            ranges.append((start, i))
            start, size = i, 0
        size += len(line) + 1
    if start < len(lines):
        ranges.append((start, len(lines)))
    return ranges


async def _read_history(session: aiohttp.ClientSession, replayed: Replayed, view: View) -> float:
    """The first weeks, as fast as they go; returns events per second, from the first request until all are counted."""
    loop = asyncio.get_running_loop()
    lines = replayed.history
    view.begin("reading four weeks of history", len(lines))
    began = loop.time()
    for start, end in _requests(lines):
        await _post(session, lines[start:end])
        view.advance(end - start, shop.time_of(replayed.events[end - 1]))
    await _until_counted(session, len(lines))
    rate = len(lines) / (loop.time() - began)
    view.say(
        f"four weeks of history: {len(lines):,} events at {rate:,.0f} a second; from here on you see what is decided"
    )
    return rate


async def _until_counted(session: aiohttp.ClientSession, events: int) -> None:
    async with asyncio.timeout(FINISH_S):
        while True:
            if await _counted(session) >= events:
                return
            await asyncio.sleep(0.02)


async def _counted(session: aiohttp.ClientSession) -> int:
    """How many events the service has counted into measures so far, by its own metrics."""
    async with session.get("/metrics") as answer:
        text = await answer.text()
    return round(sum(float(n) for n in re.findall(r"^lockstep_events_total\{[^}]*\} (\S+)$", text, re.MULTILINE)))


def paced(transitions: Iterable[Transition]) -> Callable[[float], float]:
    """How far the shop's clock has come (seconds since the epoch) after a part of the show, from 0 to 1.

    Hours in which something is told, and those just after, pass more slowly: there is more to read in them.
    """
    begin = int(shop.SHOWN_FROM.timestamp())
    busy = {int(datetime.fromisoformat(t.at).timestamp() - begin) // HOUR for t in transitions}
    slow = {hour + after for hour in busy for after in range(SLOW_HOURS)}
    hours = range(int(shop.MORNING.timestamp() - begin) // HOUR)
    ends = list(itertools.accumulate(SLOWER if hour in slow else 1 for hour in hours))

    def clock(part: float) -> float:
        spent = min(1.0, part) * ends[-1]
        hour = min(bisect_left(ends, spent), len(ends) - 1)
        before = ends[hour - 1] if hour else 0
        return begin + HOUR * (hour + (spent - before) / (ends[hour] - before))

    return clock


def stops_of(transitions: Iterable[Transition]) -> list[datetime]:
    """Where the show waits for the facts of the shop: before the minute in which something is told, and just after."""
    minutes = {
        datetime.fromisoformat(t.at).replace(second=0, microsecond=0)
        for t in transitions
        if t.state is not TransitionName.RESOLVED
    }
    return sorted({stop for minute in minutes for stop in (minute, minute + AFTERWARDS)})


async def _show(
    session: aiohttp.ClientSession,
    process: ServiceProcess,
    replayed: Replayed,
    expected: Expected,
    view: View,
    seconds: float,
) -> int:
    """The shown days in so many seconds: each event when its time has come. Returns how many heartbeats were added."""
    loop, pace = asyncio.get_running_loop(), paced(expected.transitions.values())
    times = [shop.time_of(e) for e in replayed.events[replayed.shown :]]
    lines = replayed.lines[replayed.shown :]
    view.begin("eleven days in fast motion", len(lines))
    troubles, stops = list(shop.TRUTH), stops_of(expected.transitions.values())
    began, at, added = loop.time(), 0, 0
    while at < len(lines):
        while stops and stops[0] <= times[at]:
            stop, paused = stops.pop(0), loop.time()
            beats = [shop.heartbeat(topic, stop + shop.LATENESS) for topic in shop.TOPICS]
            await _post(session, [json.dumps(beat).encode() for beat in beats])
            added += len(beats)
            await _facts_reach(session, process, stop)
            began += loop.time() - paused
        clock = pace((loop.time() - began) / seconds) if seconds > 0 else shop.MORNING.timestamp()
        upto = at
        border = min(clock, stops[0].timestamp() - 1) if stops else clock
        while upto < len(lines) and times[upto].timestamp() <= border and upto - at < AT_ONCE // 4:
            upto += 1
        if upto > at:
            while troubles and troubles[0].starts <= times[upto - 1]:
                if at:
                    began += await _heard_until(expected, times[at - 1] - DECIDED_BY)
                view.planted(troubles.pop(0))
            await _post(session, lines[at:upto])
            view.advance(upto - at, times[upto - 1])
            at = upto
        await asyncio.sleep(0.02)
    return added


async def _facts_reach(session: aiohttp.ClientSession, process: ServiceProcess, moment: datetime) -> None:
    """Wait until event time has come to a moment on all topics, as in life, where minutes pass; or for long.

    The service's clock is known to within a second or so, and before the shop has told a topic all up to the moment its
    event time is LATENESS behind it: half of that tells one from the other.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + FACTS_S
    while loop.time() < until_s:
        asked_at = process.now
        async with session.get("/metrics") as answer:
            text = await answer.text()
        shown = re.findall(r'^lockstep_watermark_delay_seconds\{role="(\w+)"\} (\S+)$', text, re.MULTILINE)
        behind = {role: float(seconds) for role, seconds in shown}
        if behind.keys() >= {*shop.TOPICS}:
            slowest_s = max(behind[topic] for topic in shop.TOPICS)
            if asked_at - timedelta(seconds=slowest_s) >= moment - shop.LATENESS / 2:
                return
        await asyncio.sleep(0.02)


async def _heard_until(expected: Expected, moment: datetime) -> float:
    """Wait for what is told of the time up to a moment, or of nothing for long; returns the seconds that it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        spent = loop.time() - began
        if spent > LINGER_S or all(datetime.fromisoformat(t.at) > moment for t in expected.missing):
            return spent
        await asyncio.sleep(0.02)


def _hear(expected: Expected, view: View, body: Mapping[str, Any]) -> None:
    """A webhook came in and its signature was right."""
    data = body["data"]
    name = data.get("transition_id")
    if name is None:
        return  # a report or a campaign, which the morning waits for
    if data["rule"] == BEHIND:
        return  # the shop's clock goes on while its days are shown; where that takes minutes, the service says so
    transition = expected.transitions.get(name)
    if transition is None:
        expected.unexpected.append(f"{data['rule']} {data['state']} {data['at']}")
        return
    expected.heard[name] = transition
    rule = next((r for r in expected.plan.rules if r.name == transition.rule), None)
    view.alert(transition, rule, data["texts"])


# ---- the end --------------------------------------------------------------------------------------------------------


def _unfinished(expected: Expected, mailbox: Mailbox, slack: Slack) -> list[str]:
    """What must have come and has not; empty when everything has."""
    wanted = {t.rule for t in expected.transitions.values() if t.state is TransitionName.FIRING}
    missing = [f"a webhook for {t.rule} {t.state.value} at {t.at}" for t in expected.missing]
    for address in (MARKETING, OPERATIONS):
        heard = {str(m["X-Lockstep-Rule"]) for m in mailbox.mails if address in str(m["To"])}
        missing += [f"a mail to {address} about {rule}" for rule in sorted(wanted - heard)]
    if len(slack.messages) < len(wanted):
        missing.append(f"{len(wanted) - len(slack.messages)} Slack messages")
    return missing


async def _finish(expected: Expected, hook: Hook, mailbox: Mailbox, slack: Slack) -> None:
    """Wait until everything has arrived that must, and for what is still gathered for people."""
    loop = asyncio.get_running_loop()
    until, counts, since = loop.time() + FINISH_S, (-1, -1, -1), loop.time()
    while loop.time() < until:
        now = (len(hook.received), len(mailbox.mails), len(slack.messages))
        if now != counts:
            counts, since = now, loop.time()
        if not _unfinished(expected, mailbox, slack) and loop.time() - since > SETTLED_S:
            return
        await asyncio.sleep(0.05)


def _conclude(
    view: View,
    expected: Expected,
    hook: Hook,
    mailbox: Mailbox,
    slack: Slack,
    *,
    folder: Path,
    rules: Path,
    events: int,
    counted: int,
    rate: float,
    url: str,
) -> int:
    """Say what was done, and where the alerts' pages are; returns 0 when everything happened that had to."""
    fired = Counter(t.rule for t in expected.heard.values() if t.state is TransitionName.FIRING)
    people = Counter(str(m["To"]) for m in mailbox.mails)
    mails = ", ".join(f"{count} to {address}" for address, count in sorted(people.items()))
    view.summary(
        "What it did",
        [
            ("events", f"{events:,} sent, {counted:,} counted; the history at {rate:,.0f} a second"),
            ("alerts", ", ".join(f"{rule} {count}" for rule, count in sorted(fired.items())) or "none"),
            (
                "the same?",
                f"{len(expected.heard)} of {len(expected.transitions)} as the judge says when it is asked directly",
            ),
            ("mails", f"{mails or 'none'}, in {folder / 'mails'} (open the .html in a browser)"),
            (
                "Slack",
                f"{len(slack.messages)} messages, {slack.replies} of them in threads, {slack.edits} edits, "
                f"in {folder / 'slack'}",
            ),
            (
                "webhooks",
                f"{len(hook.received)} with a right signature, {hook.forged} without, in {folder / 'webhooks'}",
            ),
        ],
    )
    shown, here = os.path.relpath(rules), program()
    named, kept = shlex.quote(shown), shlex.quote(str(folder))
    view.commands(
        "What to try next",
        [
            (f"edit {shown}/orders.yml, then look for faults", f"{here} check {named}"),
            ("what it would have told in these weeks", f"{here} backtest {named} --events {kept}/events.ndjson"),
            (f"for real, with your receivers in {shown}/routing.yml", f"{here} serve --rules {named}"),
            ("tidy up", f"rm -r {kept}"),
        ],
    )
    wrong = _unfinished(expected, mailbox, slack)
    wrong += [f"{counted:,} events counted, {events:,} sent"] if counted != events else []
    wrong += [f"nobody expected {what}" for what in expected.unexpected]
    wrong += [f"{hook.forged} webhooks with a wrong signature"] if hook.forged else []
    wrong += [] if fired else ["not a single alert"]
    for what in wrong[:20]:
        view.say(styled(("missing or wrong:", "red"), f" {what}"))
    page = _link_of(mailbox)
    view.commands(
        "Where both teams look, that morning",
        [
            ("today, live", f"{url}/today"),
            ("the daily report", f"{url}/reports/daily/{shop.MORNING.date().isoformat()}"),
            ("all reports", f"{url}/reports"),
            ("campaigns and their answers", f"{url}/campaigns"),
            *([("an alert, as whoever got its mail", page)] if page else []),
            ("all alerts", f"{url}/"),
        ],
    )
    return 1 if wrong else 0


def _link_of(mailbox: Mailbox) -> str:
    """The link of the last mail about an alert that began; "" where none has one."""
    for mail in reversed(mailbox.mails):
        body = mail.get_body(("plain",))
        links = [] if body is None else re.findall(r"I'm on it, or see details: (\S+)", body.get_content())
        if links:
            return str(links[0])
    return ""
