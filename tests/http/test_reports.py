"""Reports of a real service: read by the API, seen as a page, composed when they are due."""

from datetime import timedelta

import msgspec
from report_samples import ACTIONS, NEWS, SIX, sample_shop
from shop_api import valid
from test_server import until

from lockstep.app import utc_now
from lockstep.ports import Record
from lockstep.reports.daily import daily
from lockstep.reports.report_body import report_document, report_in
from lockstep.response.command import COMMANDS, WriteReport, decode_command
from lockstep.response.report_due import REPORTS, ReportDue, due_key
from lockstep.shop.facts import SHOP, encode
from lockstep.text.rfc3339 import rfc3339_of


async def test_a_report_is_listed_read_and_seen_as_a_page(shop):
    """As webhooks got it, as Markdown, and as a page whose sheet is ours alone."""
    report = daily(sample_shop(campaigns=False), NEWS, ACTIONS, SIX)
    document = report_document(report)
    await shop.service.broker.publish([Record(REPORTS, msgspec.json.encode(document), report.id.encode(), 0)])

    async def listed():
        return (await shop.get("/v1/reports"))["reports"]

    (row,) = await until(listed)
    assert (row["id"], row["headline"]) == (report.id, report.headline)
    assert valid(await shop.get(f"/v1/reports/{report.id}"), "ReportBody") == document
    async with shop.session.get(f"{shop.base}/v1/reports/{report.id}?as=markdown") as answer:
        assert await answer.text() == document["markdown"]
    await shop.get("/v1/reports/daily/2026-01-01", status=404)
    async with shop.session.get(f"{shop.base}/reports") as answer:
        assert report.title in await answer.text()
    async with shop.session.get(f"{shop.base}/reports/{report.id}") as answer:
        page = await answer.text()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert report.matters[0].act in page
    assert "<style" not in page
    assert " style=" not in page
    async with shop.session.get(f"{shop.base}/report.css") as answer:
        assert ".r-act" in await answer.text()
    async with shop.session.get(f"{shop.base}/reports/daily/2026-01-01") as answer:
        assert answer.status == 404


async def test_what_is_due_is_composed_of_what_the_worker_knows_and_given_as_a_command(shop):
    """Of the shop's facts and of the alert that fires. Notify says what became of it: nothing is due by its own clock
    here, so it is refused, as the second one of two workers is."""
    facts = sample_shop(campaigns=False)
    everything = [*facts.days.values(), *facts.products.values()]
    records = [Record(SHOP, encode(fact), f"{n}".encode(), 0) for n, fact in enumerate(everything)]
    await shop.service.broker.publish(records)
    await shop.fire("A")
    given: list[WriteReport] = []
    now = utc_now()
    due = ReportDue(
        id="daily/2026-11-30",
        kind="daily",
        due_at=rfc3339_of(now + timedelta(seconds=2)),  # the alert fires before it
        decided_at=rfc3339_of(now - timedelta(hours=1)),
    )
    await shop.service.broker.publish([Record(REPORTS, msgspec.json.encode(due), due_key(due.id).encode(), 0)])

    async def answered():
        answers = [a for a in shop.service.responses.answers() if isinstance(a.command, WriteReport)]
        given[:] = [a.command for a in answers]
        return answers

    (answer,) = await until(answered)
    assert (answer.applied, answer.why) == (False, "no report 'daily/2026-11-30' is due")
    assert given[0].report_id == due.id
    written = [value for value in await _commands(shop) if isinstance(value, WriteReport)]
    report = report_in(written[0].document)
    assert report is not None
    assert report.id == due.id
    assert report.late == 0
    alerts = next(s for s in report.sections if s.name == "alerts").tables[0]
    assert len(alerts.rows) == 1
    stock = next(s for s in report.sections if s.name == "stock").tables[0]
    assert {row[0] for row in stock.rows} >= {"85099B"}


async def _commands(shop):
    """What was given, as it stands on the log."""
    commands = []
    for partition, (earliest, end) in (await shop.service.broker.bounds(COMMANDS)).items():
        async for batch in shop.service.broker.read(COMMANDS, partition, earliest, end):
            commands += [decode_command(value) for value in batch.values if value is not None]
    return commands
