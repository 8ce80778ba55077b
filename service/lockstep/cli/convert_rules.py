"""`lockstep convert rules FILE…`: rule files of Prometheus and ElastAlert become one of ours."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lockstep.cli.shared.output import err, fail, many
from lockstep.tools.terminal import styled

RULES = "rules"


def convert_rules(
    paths: Annotated[list[Path], typer.Argument(help="Rule files of Prometheus or ElastAlert, or folders of them")],
    measure: Annotated[
        list[str] | None,
        typer.Option(help="What a metric or an index counts: 'orders_total=count: order.placed'; may be given often"),
    ] = None,
    to: Annotated[Path, typer.Option("--out", help="The rule file to write; - is stdout")] = Path("-"),
) -> None:
    """Write rules of Prometheus and ElastAlert as ours, and say which have no equivalent here, and why."""
    from lockstep.adapters.rule_files import read_document, rule_files
    from lockstep.tools.foreign_rules.foreign_files import translate
    from lockstep.tools.foreign_rules.shop_measures import said_measure

    try:
        said = dict(said_measure(text) for text in measure or [])
    except ValueError as error:
        fail(f"--measure: {error}")
    documents: list[Any] = []
    faults: list[Any] = []
    for path in rule_files(paths):
        document, wrong = read_document(path)
        documents += [document] if document is not None else []
        faults += wrong
    translation = translate(documents, said)
    for fault in faults:
        err.print(str(fault), soft_wrap=True)
    for name, program in translation.programs:
        err.print(f"{name}: {program}", soft_wrap=True)
    for left in translation.left:
        err.print(styled((str(left), "yellow")), soft_wrap=True)
    if not translation.rules:
        fail("nothing was written: no rule of these has an equivalent here", 1)
    _write(translation.text, to)
    none = f", {len(translation.left):,} without an equivalent" if translation.left else ""
    is_whole = not translation.left and not faults
    err.print(styled((f"{many(len(translation.rules), 'rule')} written{none}", "green" if is_whole else "yellow")))
    if str(to) != "-":
        err.print(f"read its comments, then `lockstep check {to}`", soft_wrap=True)
    raise SystemExit(0 if is_whole else 1)


def _write(text: str, to: Path) -> None:
    if str(to) == "-":
        sys.stdout.write(text)
        return
    try:
        to.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"--out: {to}: {error.strerror}; name a file that can be written")
