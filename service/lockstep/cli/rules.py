"""`lockstep rules`: which rules there are, and what each of them costs."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from lockstep.cli.shared.output import err, fail, many, out


def rules(
    paths: Annotated[list[Path] | None, typer.Argument(help="Rule files or folders; default: LOCKSTEP_RULES")] = None,
    cost: Annotated[
        bool, typer.Option("--cost", help="Say what each rule takes of memory, and how often it looks")
    ] = False,
    groups: Annotated[int, typer.Option(min=1, help="With --cost: how many groups a rule with labels has")] = 1_000,
    as_json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
) -> None:
    """List rules; with --cost, what each costs at most: an estimate from the rule alone."""
    from lockstep.adapters.rule_files import load_rules
    from lockstep.settings import load_settings

    loaded = load_rules(*(paths or [load_settings().rules]))
    for fault in loaded.errors:
        err.print(str(fault), soft_wrap=True)
    if loaded.errors:
        fail("rules with faults have no cost; see `lockstep check`" if cost else "see `lockstep check`", 1)
    rows = [_row(rule, groups, cost=cost) for rule in loaded.plan.rules]
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    out.print(_table(rows, cost=cost))
    if cost:
        out.print(
            f"Estimated for {many(groups, 'group')} of each rule with labels, one of any other, with data in every "
            "bucket; a quiet group takes little of it. Looks: how often a group is judged in an hour with data in "
            "every bucket, and after one event alone. A measure that several rules read is kept once."
        )


def packs(
    name: Annotated[str | None, typer.Argument(help="A pack, to see its file; without: the list of all")] = None,
    folder: Annotated[Path | None, typer.Option("--rules", help="Of the shop; default: LOCKSTEP_RULES")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
) -> None:
    """List rule packs: what each promises, whether it is switched on, and its settings with their values."""
    from lockstep.adapters.rule_files import load_packs, pack_files
    from lockstep.settings import load_settings
    from lockstep.yaml.document import did_you_mean

    rules_folder = folder or load_settings().rules
    if name is not None:
        file = pack_files(rules_folder).get(name)
        if file is None:
            fail(f"there is no pack '{name}'; {did_you_mean(name, pack_files(rules_folder))}")
        sys.stdout.write(file.read_text("utf-8"))
        return
    known, on = load_packs(rules_folder)
    if as_json:
        rows = [{**asdict(pack), "on": pack.name in on} for pack in known]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    out.print(_packs_table(known, on))
    out.print(f"Switched on by 'packs: […]' in {rules_folder / 'shop.yml'}, changed under the pack's name there.")


def _packs_table(known: Any, on: Any) -> Any:
    from rich.table import Table

    table = Table(box=None)
    for heading in ("pack", "on", "promise", "settings"):
        table.add_column(heading, overflow="fold")
    for pack in known:
        settings = [
            f"{s.name} {s.value}{f' (default {s.default})' if s.is_changed else ''}: {s.says}" for s in pack.settings
        ]
        table.add_row(pack.name, "on" if pack.name in on else "", pack.promise, "\n".join(settings))
    return table


def _row(rule: Any, groups: int, *, cost: bool) -> dict[str, Any]:
    from lockstep.rule.cost import cost as cost_of

    row: dict[str, Any] = {"rule": rule.name, "by": list(rule.by), "place": rule.place}
    if cost:
        of_group = cost_of(rule)
        row |= asdict(of_group) | {"groups": groups if rule.by else 1}
        row["bytes_of_all"] = of_group.bytes * row["groups"]
    return row


def _table(rows: list[dict[str, Any]], *, cost: bool) -> Any:
    from rich.table import Table

    from lockstep.rule.language.quantity import duration_text

    table = Table(box=None)
    for name in ("rule", "by", *(() if cost else ("place",))):
        table.add_column(name)
    for name in ("kept", "a group", "all", "looks/hour", "looks/event") if cost else ():
        table.add_column(name, justify="right")
    for row in rows:
        cells = [row["rule"], ", ".join(row["by"])]
        if cost:
            cells += [duration_text(row["kept_s"]), _size(row["bytes"]), _size(row["bytes_of_all"])]
            cells += [
                f"{row['looks_an_hour']:,}" if row["looks_an_hour"] else "each value",
                f"{row['looks_an_event']:,}",
            ]
        else:
            cells.append(row["place"])
        table.add_row(*cells)
    return table


def _size(number: int) -> str:
    """`24 KB`, `1.2 MB`."""
    from lockstep.rule.cost import MEGABYTE

    return f"{number / MEGABYTE:,.1f} MB" if number >= MEGABYTE else f"{number / 1_000:,.0f} KB"
