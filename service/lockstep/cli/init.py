"""`lockstep init`: five questions, and the files with which a shop begins."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lockstep.cli.shared.output import fail, out
from lockstep.errors import LockstepError
from lockstep.tools.terminal import styled


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write; it is made where it is missing")] = Path(),
    country: Annotated[
        str | None, typer.Option(help="Whose holidays calendar.yml gets: DE, or with a part of it DE-BY; '' for none")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="The shop's time zone; default: that of the country")] = None,
    export: Annotated[
        Path | None,
        typer.Option(help="A file of your shop: orders, stock, visits; a mapping is written if it needs one"),
    ] = None,
    marketing: Annotated[
        str | None, typer.Option(help="How marketing is told: an email address, a #channel of Slack, a URL")
    ] = None,
    operations: Annotated[str | None, typer.Option(help="How operations are told, likewise")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there")] = False,
) -> None:
    """Begin: write rules with tests, calendar, routing and settings for a shop. Asks for what no option says."""
    from lockstep.adapters.convert.field_values import Setting
    from lockstep.tools.init.country_zones import zone_of
    from lockstep.tools.init.shop_export import ShopExport
    from lockstep.tools.init.shop_files import Answers, shop_files, zone_named

    ask = sys.stdin.isatty()
    country = _answer(ask, country, "Country of the shop, for its holidays (DE, GB, US-CA; empty for none)", "")
    zone = zone_of(country) or "Europe/London"
    timezone = _answer(ask, timezone, "Its time zone", zone) or zone
    file = _answer(ask, None if export is None else str(export), "A file of your shop, such as an export of orders", "")
    marketing = _answer(
        ask, marketing, "How marketing is told (email address, #channel of Slack, URL; empty: not yet)", ""
    )
    operations = _answer(ask, operations, "How operations are told", "")
    try:
        shop_zone = zone_named(timezone)
        known = ShopExport.of(Path(file), Setting(shop_zone)) if file else None
        draft = None if known is None else known.draft
        texts = shop_files(Answers(shop_zone, country, marketing, operations, draft))
    except LockstepError as error:
        fail(str(error))
    there = [folder / path for path in texts if (folder / path).exists()]
    if there and not force:
        fail(
            f"{', '.join(map(str, there))}: already there, so nothing was written; name another folder, or add --force"
        )
    for path, text in texts.items():
        try:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            part = folder / path.with_name(f"{path.name}.part")
            part.write_text(text, encoding="utf-8")  # whole or not at all: a service may be waiting for it
            part.replace(folder / path)
        except OSError as error:
            fail(f"{folder / path}: {error.strerror}; name a folder that can be written")
        out.print(f"wrote {folder / path}", soft_wrap=True)
    if known is not None:
        out.print(styled((known.said, "green" if known.known_as else "yellow")), soft_wrap=True)
    out.print("Next:")
    for command in _next_steps(folder, known):
        out.print(f"  {command}", soft_wrap=True)


def _next_steps(folder: Path, known: Any) -> list[str]:
    """The commands that lead from here to a service."""
    rules, events = folder / "rules", folder / "events.ndjson"
    file = "FILE"
    if known is not None and (known.known_as or known.draft):
        file = str(known.path)
    if known is not None and known.draft:
        file += f" --mapping {folder / 'mappings' / known.draft[0]}.yml"
    return [
        f"set -a; . {'./' if not folder.is_absolute() else ''}{folder / 'lockstep.env'}; set +a",
        f"lockstep convert {file} --out {events}",
        f"lockstep suggest orders --by channel --rules {rules} --events {events}",
        f"lockstep backtest {rules} --events {events}",
        f"lockstep import {events}",
        f"lockstep serve --rules {rules}",
    ]


def _answer(ask: bool, said: str | None, question: str, default: str) -> str:
    """What an option said, else what is answered on a terminal, else the default."""
    if said is not None or not ask:
        return (said or default).strip()
    return str(typer.prompt(question, default=default, show_default=bool(default))).strip()
