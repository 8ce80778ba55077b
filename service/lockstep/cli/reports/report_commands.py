"""`lockstep report`: what both teams read of a day, a week, a month, an hour; of past events or of a service."""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from lockstep.cli.shared.arguments import BrokerOption, RulesOption, moment
from lockstep.cli.shared.broker_session import with_broker
from lockstep.cli.shared.output import fail, out, share_bar
from lockstep.cli.shared.process import collect_rarely
from lockstep.ports import Broker
from lockstep.reports.report_record import Report
from lockstep.response.report_due import KINDS, Kind
from lockstep.settings import Settings, load_settings

FilesOption = Annotated[
    list[Path] | None, typer.Option(help="Files of CloudEvents, one a line or an array, .gz too: a report of the past")
]


NO_FACTS = "the service knows no facts of the shop yet"
WHENCE_FACTS = "they come of orders, visits and stock, where rules/shop.yml is there (it may be empty)"


def report(
    kind: Annotated[str, typer.Argument(help="daily, weekly, monthly or hourly")],
    more: Annotated[list[Path] | None, typer.Argument(help="Further files of events")] = None,
    at: Annotated[
        str | None,
        typer.Option(help="As of when, in the shop's time where it names no zone; default: now, or the files' end"),
    ] = None,
    events: FilesOption = None,
    facts: Annotated[
        Path | None, typer.Option(help="Instead: a file of the shop's facts, records of lockstep.shop, one a line")
    ] = None,
    rules: RulesOption = None,
    broker: BrokerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As programs read it")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown, which is the default")] = False,
    html: Annotated[Path | None, typer.Option(help="Write it as one page for a browser")] = None,
) -> None:
    """Say what the shop came to, what matters most, and who should do what: the same as both teams get at 06:00."""
    from lockstep.adapters.report_views.report_html import report_document
    from lockstep.app import utc_now
    from lockstep.reports.renderings.report_markdown import markdown
    from lockstep.reports.report_record import encode

    named = next((known for known in KINDS if known == kind), None)
    if named is None:
        fail(f"there is no '{kind}' report; write {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    if as_json and as_markdown:
        fail("--json and --markdown are two answers; give one of them")
    settings = load_settings(rules=rules, broker=broker)
    instant = _instant(at, settings.zone)
    files = [*(events or []), *(more or [])]
    if facts is not None and files:
        fail("--events and --facts are two sources; name one of them")
    if facts is not None:
        made = _of_facts(named, facts, settings, instant)
    elif files:
        made = _of_events(named, files, settings, instant)
    else:
        made = _of_service(named, settings, instant or utc_now())
    if html is not None:
        try:
            html.write_text(report_document(made), encoding="utf-8")
        except OSError as error:
            fail(f"--html {html}: {error.strerror}; name a file that can be written")
        out.print(f"the report is in {html}", markup=False, highlight=False)
        return
    sys.stdout.write(encode(made).decode() + "\n" if as_json else markdown(made))


def _instant(at: str | None, zone: ZoneInfo) -> datetime | None:
    """What --at names; by the clock of the shop where it names no zone."""
    instant = moment(at, "--at")
    if at is None or instant is None:
        return None
    written = datetime.fromisoformat(at)
    return instant if written.tzinfo is not None else written.replace(tzinfo=zone)


def _of_facts(kind: Kind, path: Path, settings: Settings, at: datetime | None) -> Report:
    """The report of a file of facts, as of their end where no instant is named."""
    from lockstep.adapters.report_views.facts_file import shop_from
    from lockstep.adapters.report_views.report_maker import made_report
    from lockstep.adapters.rule_files import load_rules
    from lockstep.reports.news import AlertNews
    from lockstep.shop.shop_settings import ShopSettings

    plan = load_rules(settings.rules, zone=settings.zone).plan
    shop = shop_from(path, settings.zone, plan.shop or ShopSettings(), plan.calendar)
    if not shop.upto:
        fail(f"{path}: there is no fact in it; write records of the topic `lockstep.shop`, one a line", 1)
    why = "a file of facts has none of them"
    return made_report(kind, shop, AlertNews(why=why), (), at or datetime.fromisoformat(shop.upto))


def _of_events(kind: Kind, files: Sequence[Path], settings: Settings, at: datetime | None) -> Report:
    """The report of past events, as they would have been judged."""
    from dataclasses import replace

    from lockstep.adapters.report_views.report_maker import made_report, news_from
    from lockstep.adapters.rule_files import load_rules
    from lockstep.notify.message import Writer
    from lockstep.rule.condition.kinds import series_of_plan
    from lockstep.shop.shop_settings import ShopSettings
    from lockstep.tools.backtest.replay import backtest

    collect_rarely()
    loaded = load_rules(settings.rules, zone=settings.zone)
    if loaded.errors:
        fail(f"{settings.rules} cannot be used as it is; see `lockstep check {settings.rules}`", 1)
    # A report needs the facts, also of a shop whose rules read none of them.
    plan = loaded.plan
    if plan.shop is None:
        plan = replace(plan, shop=ShopSettings(), series=series_of_plan(plan.rules, ShopSettings()))
    with share_bar("replaying") as progress:
        result = backtest(plan, files, zone=settings.zone, until=at, progress=progress)
    book = None if result.judge is None else result.judge.book
    if result.shortfall or book is None or not book.shop.upto:
        why = result.shortfall or f"these events make no facts of a shop; {WHENCE_FACTS}"
        fail(why if at is None else f"{why}; --at leaves out what came after it, {at:%Y-%m-%d %H:%M}", 1)
    instant = at or datetime.fromisoformat(book.shop.upto)
    rules = {rule.name: rule for rule in plan.rules}
    writer = Writer(settings.zone, settings.public_url, settings.currency)
    news = news_from(kind, result.transitions, instant, writer=writer, rules=rules)
    return made_report(kind, book.shop, news, (), instant)


def _of_service(kind: Kind, settings: Settings, at: datetime) -> Report:
    """The report of what the topics of a running service hold now."""
    from lockstep.adapters.alert_board import AlertBoard
    from lockstep.adapters.report_views.report_board import ReportBoard
    from lockstep.adapters.report_views.report_maker import ReportMaker
    from lockstep.adapters.response_board import ResponseBoard
    from lockstep.adapters.rule_files import load_rules
    from lockstep.adapters.shop_facts.shop_board import ShopBoard
    from lockstep.app import utc_now
    from lockstep.notify.message import Writer

    if at.astimezone(settings.zone).date() > utc_now().astimezone(settings.zone).date():
        fail(f"--at: {at:%Y-%m-%d} is still to come, and nothing is known of it yet; name a day of the past, or none")
    plan = load_rules(settings.rules, zone=settings.zone).plan

    async def act(opened: Broker) -> Report:
        shop = ShopBoard(opened, settings.zone, plan=lambda: plan)
        alerts, responses = AlertBoard(opened, clock=utc_now), ResponseBoard(opened, clock=utc_now)
        reports = ReportBoard(opened)
        await shop.refresh()
        await alerts.refresh()
        await responses.refresh()
        await reports.refresh()
        if not shop.shop.upto:
            fail(f"{NO_FACTS}, so there is nothing to report; {WHENCE_FACTS}", 1)
        maker = ReportMaker(
            lambda: shop.shop,
            alerts,
            responses,
            reports,
            writer=Writer(settings.zone, settings.public_url, settings.currency),
            rules=lambda: {rule.name: rule for rule in plan.rules},
        )
        return await maker.composed(kind, at)

    return with_broker(settings, act, looks=True)
