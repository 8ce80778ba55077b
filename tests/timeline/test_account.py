"""Who knew what when: read back from the topics, in neutral sentences, as Markdown and JSON."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from lockstep.adapters.alert_board import AlertBoard
from lockstep.adapters.response_board import ResponseBoard
from lockstep.adapters.stream import open_broker
from lockstep.adapters.timeline import topic_reader
from lockstep.adapters.timeline.account import Account, as_json
from lockstep.adapters.timeline.markdown import as_markdown, escaped
from lockstep.adapters.timeline.topic_reader import AccountReader
from lockstep.judge.publish import ALERTS
from lockstep.notify.message import Writer
from lockstep.ports import Record, TopicSpec
from lockstep.response.command import AUDIT, Acknowledge, AddNote, Answer
from lockstep.response.decision import DECISIONS, Decision, Reason
from lockstep.settings import load_settings
from lockstep.shop.facts import SHOP, CapacityFacts, PlanFacts, ProductFacts, Receipt, encode, key_of
from lockstep.transition import Transition, TransitionName
from lockstep.transition import encode as encode_transition
from lockstep.worker.required_topics import prepare

BEGAN = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
ZONE = ZoneInfo("Europe/London")


def text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


class Clock:
    def __init__(self) -> None:
        self.now = BEGAN

    def __call__(self) -> datetime:
        return self.now


def transition(
    state: TransitionName, number: int, *, at: datetime, sku: str = "A-1", episode: str = "", **changed
) -> Transition:
    return Transition(
        **{
            "transition_id": f"t-{sku}-{episode}-{number}",
            "alert_id": f"a-{sku}",
            "episode_id": f"e-{sku}{episode}",
            "number": number,
            "rule": "LowStock",
            "labels": {"sku": sku},
            "state": state,
            "at": text(at),
            "started_at": text(BEGAN),
            "severity": "critical",
            "value": 12.0,
            "baseline": None,
            "ratio": None,
            "limit": 20.0,
            "window_start": None,
            "window_end": None,
            "so_far": False,
            "watermark": text(at),
            "rule_version": "v1",
            **changed,
        }
    )


def alert_record(of: Transition) -> Record:
    return Record(ALERTS, encode_transition(of), of.alert_id.encode(), 0)


def told(of: Transition, receiver: str, at: datetime, outcome: str = "told", why: str = "it is the first") -> Record:
    decision = Decision(
        alert_id=of.alert_id,
        episode_id=of.episode_id,
        transition_id=of.transition_id,
        rule=of.rule,
        labels=of.labels,
        severity=of.severity,
        state=of.state.value,
        at=text(at),
        outcome=outcome,
        reason=Reason.FIRST,
        why=why,
        receiver=receiver,
        channel="email",
        destination_id=receiver,
    )
    return Record(DECISIONS, msgspec.json.encode(decision), of.alert_id.encode(), 0)


def did(command, at: datetime, *, applied: bool = True, why: str = "done") -> Record:
    answer = Answer(id=command.id, command=command, applied=applied, why=why, decided_at=text(at))
    return Record(AUDIT, msgspec.json.encode(answer), answer.id.encode(), 0)


def head(number: str, by: str) -> dict[str, str]:
    return {"id": number, "by": by, "way": "link", "at": text(BEGAN)}


@pytest.fixture
async def log(tmp_path):
    """(the broker, its clock, who reads accounts of it), on a file."""
    clock = Clock()
    settings = load_settings(broker=f"sqlite:///{tmp_path}/shop.db")
    broker = open_broker(settings, clock=clock)
    await broker.start()
    await prepare(settings, broker)
    try:
        yield broker, clock, AccountReader(broker, dict, Writer(ZONE))
    finally:
        await broker.stop()


async def night(broker, clock) -> None:
    """A product runs low at 3:00; who was told, what Anna and Ben did, and that stock came back."""
    low = transition(TransitionName.FIRING, 1, at=BEGAN - timedelta(minutes=5))
    steps = [
        (0, [alert_record(low), told(low, "marketing-mail", BEGAN), told(low, "ops-mail", BEGAN)]),
        (1, [told(low, "night-phone", BEGAN + timedelta(minutes=1), "not_told", "muted by nights")]),
        (4, [did(Acknowledge(alert_id="a-A-1", note="on it", **head("c1", "Anna")), BEGAN + timedelta(minutes=4))]),
        (9, [did(AddNote(alert_id="a-A-1", text="truck at 9", **head("c2", "Ben")), BEGAN + timedelta(minutes=9))]),
        (9, [alert_record(transition(TransitionName.FIRING, 1, at=BEGAN, sku="B-2"))]),
        (60, [alert_record(transition(TransitionName.RESOLVED, 2, at=BEGAN + timedelta(hours=1), value=500.0))]),
    ]
    for minutes, records in steps:
        clock.now = BEGAN + timedelta(minutes=minutes)
        await broker.publish(records)


async def test_of_an_alert_it_says_who_knew_what_when(log):
    """Each sentence is neutral: what was known, who was told, what somebody did."""
    broker, clock, reader = log
    await night(broker, clock)
    account = await reader.of_alert("a-A-1")
    assert account is not None
    assert [(entry.at[11:16], entry.kind, entry.what) for entry in account.entries] == [
        ("03:00", "alert", "It began (critical): LowStock, A-1: 12, the limit is 20"),
        ("03:00", "told", "Mail to marketing-mail, ops-mail sent"),
        ("03:01", "not_told", "Not sent to night-phone by email: muted by nights"),
        ("03:04", "person", "Anna took it and wrote: on it (by a link)"),
        ("03:09", "person", "Ben wrote: truck at 9 (by a link)"),
        ("04:00", "alert", "It is over after 1 hour 5 minutes: Low stock, product A-1"),
    ]
    assert account.entries[0].happened_at == text(BEGAN - timedelta(minutes=5))
    assert [(h.who, h.how, h.after) for h in account.heard] == [
        ("marketing-mail by email", "was told", ""),
        ("ops-mail by email", "was told", ""),
        ("Anna", "acted", "4 minutes"),
        ("Ben", "acted", "9 minutes"),
    ]
    assert (account.known_since, account.remarks) == ("", ())


async def test_between_two_instants_it_says_all_that_became_known(log):
    """Of every alert; with what was announced of campaigns, capacity and deliveries, as far as it stands."""
    broker, clock, reader = log
    await night(broker, clock)
    at = text(BEGAN + timedelta(minutes=10))
    facts = [
        PlanFacts(campaign="SUMMER", starts=at, ends="2026-11-27T00:00:00Z", told_at=at, number=2, upto=at),
        CapacityFacts(starts=at, ends="2026-11-25T00:00:00Z", orders_per_day=120, told_at=at, upto=at),
        ProductFacts(
            sku="A-1",
            day="2026-11-24",
            upto=at,
            receipts=[
                Receipt(
                    quantity=500,
                    expected_on="2026-11-27",
                    first_expected_on="2026-11-25",
                    status="received",
                    told_at=at,
                    received_at=text(BEGAN + timedelta(minutes=58)),
                )
            ],
        ),
    ]
    await broker.declare([TopicSpec(SHOP, 1, compacted=True)])
    await broker.publish([Record(SHOP, encode(fact), key_of(fact).encode(), 0) for fact in facts])
    account = await reader.between(BEGAN + timedelta(minutes=5), BEGAN + timedelta(minutes=59))
    assert [(entry.at[11:16], entry.what) for entry in account.entries] == [
        ("03:09", "It began (critical): LowStock, B-2: 12, the limit is 20"),
        ("03:09", "Ben wrote: truck at 9 (by a link)"),
        ("03:10", "Campaign SUMMER was planned anew: Tue 24 Nov 2026 03:10 GMT to Fri 27 Nov 2026 00:00 GMT"),
        (
            "03:10",
            "Operations said that they can ship 120 orders a day from Tue 24 Nov 2026 03:10 GMT to Wed 25 Nov 2026 "
            "00:00 GMT",
        ),
        ("03:10", "500 of product A-1 were promised for Fri 27 Nov, first for Wed 25 Nov"),
        ("03:58", "500 of product A-1 arrived"),
    ]
    assert account.remarks == ("of campaigns, deliveries and capacity the last word is known, and not those before it",)


async def test_an_episode_that_no_worker_has_in_memory_is_read_back(log):
    """The board of a worker keeps the newest; the topics have more."""
    broker, clock, reader = log
    await night(broker, clock)
    for number in range(1, 40):
        clock.now = BEGAN + timedelta(hours=2, minutes=number)
        await broker.publish([alert_record(transition(TransitionName.FIRING, number, at=clock.now, sku="NEW"))])
    board = ResponseBoard(broker, clock=clock, most_bytes=10_000)
    await board.refresh()
    assert board.transitions("a-A-1") == []
    account = await reader.of_alert("a-A-1")
    assert account is not None
    assert len(account.entries) == 6
    assert account.known_since == ""


async def test_what_the_topics_no_longer_have_is_said(log, monkeypatch):
    """From when on all of it is known: nobody takes a part for the whole."""
    broker, clock, reader = log
    await night(broker, clock)
    monkeypatch.setattr(topic_reader, "MOST_READ", 2)
    account = await reader.between(BEGAN - timedelta(hours=1), None)
    assert account.known_since == "2026-11-24T03:09:00.000Z"
    assert account.remarks == ("all of it is known from Tue 24 Nov 2026 03:09 GMT on; what is older is kept no more",)
    assert "all of it is known from" in as_markdown(account)


async def test_an_earlier_episode_by_its_id_and_all_of_them(log):
    """Without a name it is the last one."""
    broker, clock, reader = log
    await night(broker, clock)
    clock.now = BEGAN + timedelta(days=1)
    again = transition(TransitionName.FIRING, 1, at=clock.now, episode="-2", severity="warning")
    await broker.publish([alert_record(again), alert_record(again)])
    last = await reader.of_alert("a-A-1")
    first = await reader.of_alert("a-A-1", "e-A-1")
    both = await reader.of_alert("a-A-1", every=True)
    assert [len([e for e in a.entries if e.kind == "alert"]) for a in (last, first, both)] == [1, 2, 3]
    assert {t.episode_id for t in await reader.episodes()} == {"e-A-1", "e-A-1-2", "e-B-2"}
    assert await reader.of_alert("a-nobody") is None


async def test_nothing_that_people_or_labels_say_is_markup(log):
    """A label with a table's border, a link, HTML; a note of two lines."""
    broker, _, reader = log
    bad = transition(TransitionName.FIRING, 1, at=BEGAN, sku="A|<script>*x*[y](http://evil.example)")
    note = AddNote(alert_id=bad.alert_id, text="a\n| b | c |\n# d", **head("c1", "<b>Eve</b>"))
    await broker.publish([alert_record(bad), did(note, BEGAN)])
    account = await reader.of_alert(bad.alert_id)
    assert account is not None
    markdown = as_markdown(account)
    assert "<script" not in markdown
    assert "<b>" not in markdown
    assert re.search(r"(?<!\\)[\]*|](?=\()", markdown) is None
    assert "://" not in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {3, 5}  # two columns, and four
    assert escaped("a_b") == r"a\_b"
    assert msgspec.json.decode(as_json(account), type=Account) == account


async def test_the_boards_know_no_more_than_the_topics(log):
    """What the alert's own page shows as its timeline is in the account, too: the same records."""
    broker, clock, reader = log
    await night(broker, clock)
    board, alerts = ResponseBoard(broker, clock=clock), AlertBoard(broker, clock=clock)
    await board.refresh()
    await alerts.refresh()
    account = await reader.of_alert("a-A-1")
    assert account is not None
    kinds = {"Transition": "alert", "Answer": "person"}
    on_page = [kinds.get(type(e).__name__, "decision") for e in board.timeline("a-A-1", "e-A-1")]
    assert on_page.count("alert") == sum(e.kind == "alert" for e in account.entries)
    assert on_page.count("person") == sum(e.kind == "person" for e in account.entries)
    assert on_page.count("decision") == sum(len(e.who) for e in account.entries if e.kind in ("told", "not_told"))
