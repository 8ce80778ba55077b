"""`lockstep report`: what both teams read of a day, a week, a month, an hour; of a file of its facts."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from lockstep.cli.shared.arguments import RulesOption, moment
from lockstep.cli.shared.output import fail, out
from lockstep.settings import load_settings

AtOption = Annotated[
    str | None,
    typer.Option("--at", help="As of when, in the shop's time where no zone is named; default: where the facts end"),
]


def report(
    kind: Annotated[str, typer.Argument(help="daily, weekly, monthly or hourly")],
    at: AtOption = None,
    facts: Annotated[
        Path | None, typer.Option(help="A file of the shop's facts, records of `lockstep.shop`, one a line")
    ] = None,
    rules: RulesOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As webhooks get it, without the Markdown")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown, which is the default")] = False,
    html: Annotated[Path | None, typer.Option(help="Write it as one page for a browser")] = None,
) -> None:
    """Say what the shop came to, what matters most, and who should do what: the same as both teams get at 06:00."""
    from lockstep.adapters.report_views.report_html import report_document
    from lockstep.reports.report_markdown import markdown
    from lockstep.reports.report_record import Kind, encode

    if kind not in get_args(Kind):
        fail(f"there is no '{kind}' report; write {', '.join(get_args(Kind)[:-1])} or {get_args(Kind)[-1]}")
    if as_json and as_markdown:
        fail("--json and --markdown are two answers; give one of them")
    settings = load_settings(rules=rules)
    instant = moment(at, "--at") if at is None or _has_zone(at) else _local(at, settings.zone)
    if facts is None:
        fail("of what? name a file of the shop's facts with --facts")
    made = _of_facts(kind, facts, settings, instant)
    if html is not None:
        try:
            html.write_text(report_document(made), encoding="utf-8")
        except OSError as error:
            fail(f"--html {html}: {error.strerror}; name a file that can be written")
        out.print(f"the report is in {html}", markup=False, highlight=False)
        return
    sys.stdout.write(encode(made).decode() + "\n" if as_json else markdown(made))


def _has_zone(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return True  # `moment` says what is wrong


def _local(text: str, zone: Any) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def _of_facts(kind: Any, path: Path, settings: Any, at: datetime | None) -> Any:
    """The report of a file of facts, as of their end where no instant is named."""
    from lockstep.adapters.report_views.facts_file import shop_from
    from lockstep.adapters.report_views.report_maker import made_report
    from lockstep.adapters.rule_files import load_rules
    from lockstep.reports.news import AlertNews
    from lockstep.shop.shop_settings import ShopSettings

    plan = load_rules(settings.rules).plan
    shop = shop_from(path, settings.zone, plan.shop or ShopSettings(), None)
    if not shop.upto:
        fail(f"{path}: there is no fact in it", 1)
    why = "a file of facts has none of them"
    return made_report(kind, shop, AlertNews(why=why), (), at or datetime.fromisoformat(shop.upto))
