"""When reports are due: at the shop's own time, once, whatever restarts; caught up with until noon, then only said."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from lockstep.notification import Audience, body_of
from lockstep.notify.decide import Notify
from lockstep.notify.pipeline.hooks import Applied, Happened
from lockstep.notify.receivers import CHANNELS
from lockstep.notify.reporting.report_schedule import KEPT, ReportSchedule, ReportTimes, report_times
from lockstep.notify.route import NOBODY, routing_of
from lockstep.response.command import TakeBack, WriteReport
from lockstep.response.report_due import REPORTS, decode_due
from lockstep.rule.condition.kinds import Plan
from lockstep.shop.shop_settings import ReportSlot, ShopSettings
from lockstep.yaml.document import parse_document

BERLIN = ZoneInfo("Europe/Berlin")
ROUTING = """\
teams: {marketing: [mail, hook], operations: [mail, chat]}
receivers:
  mail: {email: {to: [both@shop.example]}}
  chat: {slack: {channel: "#shop", token: {secret: BOT}}}
  hook: {webhook: {url: "https://shop.example/hook", secret: {secret: HOOK}}}
"""
DAILY = ReportTimes(time(6), None, None)
TWO = ReportTimes(
    time(6), None, None, {"daily": (ReportSlot("06:00", ("mail",)), ReportSlot("08:00", ("chat", "hook", "mail")))}
)
"""A mail at six, chat and hook at eight; the mail gets it once."""
ALL = ReportTimes(time(6), 0, datetime(2026, 11, 30, 12, tzinfo=BERLIN))


def at(text: str, day: str = "2026-11-30") -> datetime:
    return datetime.combine(date.fromisoformat(day), time.fromisoformat(text), BERLIN)


def notify_due(shop: ShopSettings, *moments: datetime) -> list[str]:
    """The reports that a notify stage of this shop has made at these moments."""
    stage, due = Notify(Plan((), (), shop=shop), NOBODY, zone=BERLIN), []
    for moment in moments:
        stage.tick(moment)
        due += [decode_due(r.value).id for r in stage.cut().records if r.topic == REPORTS and r.value is not None]
    return due


def test_no_report_is_due_before_shop_yml_could_be_read():
    """Not at the default time; from the next day on once it is mended."""
    mornings = [at("05:00", "2026-12-03"), at("06:01", "2026-12-03"), at("06:01", "2026-12-04")]
    assert notify_due(ShopSettings(reports_wait=True), *mornings) == []
    assert notify_due(ShopSettings(), *mornings) == ["daily/2026-12-03", "daily/2026-12-04"]


class Run:
    """The part as notify drives it, made anew of its entries after every step."""

    def __init__(self, times: ReportTimes | None = DAILY, *, begins: datetime | None = None) -> None:
        document, _ = parse_document("routing.yml", ROUTING)
        assert document is not None
        routing, faults = routing_of(document)
        assert routing is not None, faults
        self.times, self.routing = times, routing
        self.entries: dict[bytes, bytes] = {}
        self.part = ReportSchedule(times, BERLIN, routing)
        if begins is not None:
            self.tick(begins)

    def restart(self) -> None:
        for key, value in self.part.cut().items():
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value
        self.part = ReportSchedule(self.times, BERLIN, self.routing)
        self.part.restore(self.entries)

    def tick(self, moment: datetime) -> Happened:
        happened = self.part.tick(moment.timestamp())
        self.restart()
        return happened

    def due(self, moment: datetime) -> list[str]:
        """What became due."""
        records = self.tick(moment).records
        assert all(r.topic == REPORTS for r in records)
        return [decode_due(r.value).id for r in records if r.value is not None]

    def write(self, number: str, moment: datetime, text: str = "all is well") -> Applied:
        document = {"type": "report.daily", "data": {"id": number, "headline": text}}
        command = WriteReport(
            id=f"c{text}",
            by="Lockstep",
            way="lockstep",
            at="",
            report_id=number,
            title="Daily report",
            text=text,
            document=document,
        )
        applied = self.part.apply(command, moment.timestamp())
        assert applied is not None
        self.restart()
        return applied


def test_a_report_is_due_once_a_day_at_the_time_of_the_shop():
    run = Run(begins=at("05:00", "2026-11-24"))
    assert run.due(at("05:59:59", "2026-11-24")) == []
    assert run.due(at("06:00", "2026-11-24")) == ["daily/2026-11-24"]
    assert run.due(at("06:00:01", "2026-11-24")) == []
    assert run.due(at("05:59", "2026-11-25")) == []
    assert run.due(at("06:00", "2026-11-25")) == ["daily/2026-11-25"]


@pytest.mark.parametrize(
    ("day", "utc"), [("2026-10-25", 5), ("2026-03-29", 4)], ids=["a day of 25 hours", "a day of 23 hours"]
)
def test_the_clocks_change_and_it_is_six_as_ever(day, utc):
    eve = (date.fromisoformat(day) - timedelta(1)).isoformat()
    run = Run(begins=at("12:00", eve))
    six = datetime.fromisoformat(f"{day}T0{utc}:00:00+00:00")
    assert run.due(six - timedelta(seconds=1)) == []
    assert run.due(six) == [f"daily/{day}"]


def test_a_time_that_a_day_does_not_have_is_met_once():
    """02:30 on the day on which the clocks go from 02:00 to 03:00, and on that on which 02:30 comes twice."""
    for day in ("2026-03-29", "2026-10-25"):
        run = Run(ReportTimes(time(2, 30), None, None), begins=at("00:30", day))
        start = at("00:30", day).astimezone(UTC)
        due = [n for m in range(0, 60 * 6, 10) for n in run.due(start + timedelta(minutes=m))]
        assert due == [f"daily/{day}"]


def test_a_schedule_that_begins_at_noon_sends_nothing_of_the_morning():
    run = Run(begins=at("11:00"))
    assert run.due(at("11:30")) == []


def test_down_at_0559_and_back_at_eleven_it_is_caught_up_with():
    run = Run(begins=at("05:59:59"))
    assert run.due(at("11:00")) == ["daily/2026-11-30"]
    assert run.write("daily/2026-11-30", at("11:01")).applied


def test_back_after_noon_it_is_only_said():
    run = Run(begins=at("05:59:59"))
    happened = run.tick(at("12:00"))
    assert happened.records == []
    (notice,) = happened.notices
    assert "no daily report" in notice.headline
    assert "lockstep report daily --at 2026-11-30T05:00:00Z" in notice.text
    assert run.tick(at("12:01")).notices == []


def test_what_nobody_composes_until_noon_is_given_up_and_said():
    run = Run(begins=at("05:00"))
    run.tick(at("06:00"))
    happened = run.tick(at("12:00"))
    assert [(r.key, r.value) for r in happened.records] == [(b"due/daily/2026-11-30", None)]
    assert len(happened.notices) == 1
    assert not run.write("daily/2026-11-30", at("12:01")).applied


def test_the_first_with_an_id_is_written_and_any_other_refused():
    run = Run(begins=at("05:00"))
    run.tick(at("06:00"))
    applied = run.write("daily/2026-11-30", at("06:01"), "the first")
    assert applied.why == "report daily/2026-11-30 is written, for 3 destinations"
    again = run.write("daily/2026-11-30", at("06:01"), "the second")
    assert (again.applied, again.documents, again.records) == (False, (), ())
    assert again.why == "report 'daily/2026-11-30' is written already"
    kept = {r.key: r.value for r in applied.records}
    assert msgspec.json.decode(kept[b"daily/2026-11-30"] or b"")["data"]["headline"] == "the first"
    assert kept[b"due/daily/2026-11-30"] is None


def test_what_is_not_due_is_refused():
    assert not Run(begins=at("05:00")).write("daily/2026-12-24", at("05:01")).applied
    assert Run().part.apply(TakeBack(id="", by="", way="api", at="", alert_id="a"), 0) is None


def test_each_destination_gets_it_once_with_the_same_document():
    """A mail that both teams share is one mail; programs get the document, people a message with it."""
    run = Run(begins=at("05:00"))
    run.tick(at("06:00"))
    documents = run.write("daily/2026-11-30", at("06:01")).documents
    assert len({d.id for d in documents}) == len(documents) == 3
    reports = []
    for document in documents:
        stored: Any = msgspec.json.decode(msgspec.json.encode(document.body))
        body = body_of(stored)
        if CHANNELS[document.destination.channel].audience is Audience.PROGRAMS:
            reports.append(body)
        else:
            assert body.teams == (
                ("marketing", "operations") if document.destination.channel == "email" else ("operations",)
            )
            reports.append(body.report)
    assert reports == [reports[0]] * 3


def test_every_kind_has_its_time():
    run = Run(ALL, begins=at("04:30"))
    assert run.due(at("05:00")) == ["hourly/2026-11-30T04Z"]
    assert sorted(run.due(at("06:00"))) == ["daily/2026-11-30", "hourly/2026-11-30T05Z", "weekly/2026-11-30"]
    assert sorted(run.due(at("06:00", "2026-12-01"))) == ["daily/2026-12-01", "monthly/2026-11"]
    assert run.due(at("06:00", "2026-12-06")) == ["daily/2026-12-06"]
    assert sorted(run.due(at("06:00", "2026-12-07"))) == ["daily/2026-12-07", "weekly/2026-12-07"]


def test_a_launch_that_was_over_while_nobody_was_here_is_not_told_hours_later():
    run = Run(ALL, begins=at("08:30"))
    assert run.tick(at("10:45")).records == []
    assert run.due(at("11:00")) == ["hourly/2026-11-30T10Z"]


def test_a_shop_that_says_nothing_has_no_reports():
    run = Run(None, begins=at("05:00"))
    assert run.due(at("06:00")) == []


def test_old_reports_are_forgotten():
    run = Run(begins=at("05:00", "2026-01-01"))
    first = date(2026, 1, 1)
    gone: list[bytes | None] = []
    for n in range(KEPT["daily"] + 1):
        day = (first + timedelta(n)).isoformat()
        run.tick(at("06:00", day))
        applied = run.write(f"daily/{day}", at("06:01", day))
        gone += [r.key for r in applied.records if r.value is None and not (r.key or b"").startswith(b"due/")]
    assert gone == [b"daily/2026-01-01"]


def test_the_times_of_shop_yml():
    times = report_times(ShopSettings(report_at="07:30", agenda_on="Tuesday", launch_until="2026-12-01T18:00"), BERLIN)
    assert (times.at, times.weekday) == (time(7, 30), 1)
    assert times.launch_until == datetime(2026, 12, 1, 18, tzinfo=BERLIN)
    assert report_times(ShopSettings(launch_until="2026-12-24"), BERLIN).launch_until == at("00:00", "2026-12-25")
    assert report_times(ShopSettings(), BERLIN) == ReportTimes(time(6), 0, None)


# ---- who gets it when -----------------------------------------------------------------------------------------------


def to(documents: Sequence[Any]) -> list[str]:
    return [document.destination.receiver for document in documents]


def test_it_is_made_once_at_the_earliest_time_and_others_get_the_same_later():
    run = Run(TWO, begins=at("05:00"))
    assert run.due(at("06:00")) == ["daily/2026-11-30"]
    applied = run.write("daily/2026-11-30", at("06:01"))
    assert to(applied.documents) == ["mail"]
    assert applied.why == "report daily/2026-11-30 is written, for 1 destination and 2 later"
    assert run.tick(at("07:59:59")).documents == []
    later = run.tick(at("08:00")).documents
    assert sorted(to(later)) == ["chat", "hook"]
    bodies = [msgspec.to_builtins(d.body) for d in (*applied.documents, *later)]
    assert len({msgspec.json.encode(b.get("report", b)) for b in bodies}) == 1
    assert run.tick(at("08:00:01")).documents == []
    assert run.tick(at("06:00", "2026-12-01")).documents == []


def test_written_after_the_later_time_everybody_gets_it_at_once():
    run = Run(TWO, begins=at("05:59:59"))
    assert run.due(at("09:00")) == ["daily/2026-11-30"]
    assert sorted(to(run.write("daily/2026-11-30", at("09:01")).documents)) == ["chat", "hook", "mail"]
    assert run.tick(at("09:02")).documents == []


@pytest.mark.parametrize(
    ("back", "sent", "told"),
    [
        pytest.param("11:59", 2, 0, id="before noon: they get it"),
        pytest.param("12:00", 0, 2, id="then they hear of it"),
    ],
)
def test_down_at_the_later_time_it_is_caught_up_with_until_noon(back, sent, told):
    run = Run(TWO, begins=at("05:00"))
    run.tick(at("06:00"))
    run.write("daily/2026-11-30", at("06:01"))
    happened = run.tick(at(back))
    assert (len(happened.documents), len(happened.notices)) == (sent, told)
    assert all("/reports/daily/2026-11-30 has it" in notice.text for notice in happened.notices)
    again = run.tick(at("13:00"))
    assert (again.documents, again.notices) == ([], [])


def test_who_is_named_at_two_times_gets_it_at_the_earlier_one():
    """In whatever order shop.yml has them."""
    slots = (ReportSlot("08:00", ("chat", "mail")), ReportSlot("06:00", ("mail",)))
    run = Run(ReportTimes(time(6), None, None, {"daily": slots}), begins=at("05:00"))
    run.tick(at("06:00"))
    assert to(run.write("daily/2026-11-30", at("06:01")).documents) == ["mail"]
    assert to(run.tick(at("08:00")).documents) == ["chat"]


@pytest.mark.parametrize(
    ("back", "due", "told"),
    [
        pytest.param("18:00", True, 0, id="in time"),
        pytest.param("23:59", True, 0, id="within six hours"),
        pytest.param("00:00", False, 1, id="then they hear of it"),
    ],
)
def test_a_report_of_the_afternoon_is_caught_up_with_for_six_hours(back, due, told):
    """Noon is over when it is due."""
    run = Run(ReportTimes(time(18), None, None), begins=at("05:00"))
    happened = run.tick(at(back, "2026-12-01" if back == "00:00" else "2026-11-30"))
    assert (len(happened.records) == 1, len(happened.notices)) == (due, told)


def test_a_destination_that_is_taken_out_meanwhile_gets_nothing():
    run = Run(TWO, begins=at("05:00"))
    run.tick(at("06:00"))
    run.write("daily/2026-11-30", at("06:01"))
    run.times = ReportTimes(time(6), 0, None, {"daily": (ReportSlot("06:00", ("chat",)),)})
    run.restart()
    assert to(run.tick(at("08:00")).documents) == ["chat"]


def test_each_kind_goes_to_its_own_at_its_own_time():
    times = ReportTimes(
        time(6),
        0,
        datetime(2026, 11, 30, 12, tzinfo=BERLIN),
        {"weekly": (ReportSlot("09:30", ("chat",)),), "hourly": (ReportSlot("", ("hook",)),)},
    )
    run = Run(times, begins=at("04:30"))
    assert sorted(run.due(at("06:00"))) == ["daily/2026-11-30", "hourly/2026-11-30T05Z"]
    assert to(run.write("hourly/2026-11-30T05Z", at("06:01")).documents) == ["hook"]
    assert len(run.write("daily/2026-11-30", at("06:01")).documents) == 3
    assert "weekly/2026-11-30" in run.due(at("09:30"))
    assert to(run.write("weekly/2026-11-30", at("09:31")).documents) == ["chat"]


def test_a_time_that_is_moved_makes_no_second_report_of_a_day():
    """An edit of shop.yml after today's report: nothing is due again, and nobody hears that there is none."""
    run = Run(begins=at("05:00"))
    run.tick(at("06:00"))
    run.write("daily/2026-11-30", at("06:01"))
    run.times = ReportTimes(time(8), None, None)
    run.restart()
    assert run.due(at("08:00")) == []
    assert run.tick(at("14:00")).notices == []
    assert "daily/2026-12-01" in run.due(at("08:00", "2026-12-01"))


@pytest.mark.parametrize(
    "moved",
    [
        pytest.param(ReportTimes(time(8), 0, None), id="to a later time: last month's was not due at that"),
        pytest.param(ReportTimes(time(6), 1, None), id="to Tuesday, on a Wednesday: yesterday nothing was due"),
    ],
)
def test_a_time_that_is_moved_has_missed_no_report(moved):
    """Nobody hears that there is no report of a time that came before the edit that names it."""
    run = Run(ReportTimes(time(6), 0, None), begins=at("12:00", "2026-12-02"))
    run.times = moved
    run.restart()
    happened = run.tick(at("12:10", "2026-12-02"))
    assert (happened.records, happened.notices) == ([], [])
    later = run.tick(at("13:00", "2026-12-09"))
    assert {notice.headline for notice in later.notices} >= {"There is no daily report today"}


def test_entries_of_before_there_were_later_times_are_read():
    run = Run()
    stored = {"format": 1, "last": at("06:00").timestamp(), "open": {}, "written": ["daily/2026-11-30"]}
    run.entries = {b"\x1freport\x1fdaily": msgspec.json.encode(stored)}
    run.part.restore(run.entries)
    assert run.due(at("06:00:01")) == []
    assert "daily/2026-12-01" in run.due(at("06:00", "2026-12-01"))
