"""`lockstep send` and `lockstep dead`: events in, and what could not be counted or delivered."""

import base64
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from lockstep.cli.shared.arguments import BrokerOption
from lockstep.cli.shared.broker_session import with_broker
from lockstep.cli.shared.output import count_bar, err, fail, many, out
from lockstep.ports import Broker
from lockstep.settings import load_settings


def send(
    files: Annotated[list[Path], typer.Argument(help="Files of CloudEvents, one a line or an array; - is stdin")],
    broker: BrokerOption = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad events out instead of stopping")] = False,
    now: Annotated[
        bool, typer.Option("--now", help="Move all times together, so that the newest event happens now: to try rules")
    ] = False,
) -> None:
    """Publish events from files, and say what became of each."""
    from lockstep.adapters.ingest.receipts import IN_WORDS, Outcome, Receipts
    from lockstep.app import utc_now
    from lockstep.tools.send import send_files
    from lockstep.worker.required_topics import prepare

    settings = load_settings(broker=broker)

    async def act(opened: Broker) -> Any:
        await prepare(settings, opened)
        receipts = Receipts(opened, clock=utc_now, chunk_size=settings.chunk_size, future_limit_s=settings.future_limit)
        with count_bar("sending") as bar:
            task = bar.add_task("", total=None)
            return await send_files(
                files,
                receipts,
                settings.topics,
                progress=lambda n: bar.update(task, advance=n),
                skip_bad=skip_bad,
                now=utc_now() if now else None,
            )

    report = with_broker(settings, act)
    for fault in report.faults:
        err.print(fault, soft_wrap=True)
    out.print(f"{many(report.sent, 'event')} sent")
    if report.outcomes.keys() - {Outcome.ACCEPTED}:
        table = Table(box=None)
        for name in ("what became of them", "events", "where and why"):
            table.add_column(name, justify="right" if name == "events" else "left", overflow="fold")
        for outcome in [o for o in Outcome if report.outcomes[o]]:
            count, places = report.outcomes[outcome], report.places[outcome]
            where = "" if outcome is Outcome.ACCEPTED else ", ".join(places) + (", …" if count > len(places) else "")
            parts = [part for part in (where, report.details[outcome]) if part]
            table.add_row(IN_WORDS[outcome], f"{count:,}", ": ".join(parts))
        out.print(table)
    if report.faults and not skip_bad:
        fail("stopped at a bad event; mend it, or use --skip-bad (what was sent counts once when it is sent again)", 1)
    if report.outcomes[Outcome.FUTURE]:
        fail("what is ahead of the clock does not count; check the sender's clock, or use --now to try things out", 1)


def dead_events(
    broker: BrokerOption = None, as_json: Annotated[bool, typer.Option("--json", help="One a line")] = False
) -> None:
    """List the events that could not be counted, with their reason."""
    from lockstep.measure.dead_events import TOPIC, DeadEvent, parse_dead

    async def act(opened: Broker) -> list[DeadEvent]:
        by_place: dict[tuple[str, int, int, str], DeadEvent] = {}
        if not await opened.describe([TOPIC]):
            return []
        for partition, (start, end) in (await opened.bounds(TOPIC)).items():
            async for batch in opened.read(TOPIC, partition, start, end):
                for i, value in enumerate(batch.values):
                    try:
                        dead = parse_dead(value, batch.headers[i] if batch.headers else None)
                    except (KeyError, ValueError):
                        continue
                    by_place[dead.topic, dead.partition, dead.offset, dead.reason] = dead
        return list(by_place.values())

    dead = with_broker(load_settings(broker=broker), act, looks=True)
    if as_json:
        for d in dead:
            row = {**{k: getattr(d, k) for k in ("topic", "partition", "offset", "reason", "detail")}}
            row["value"] = None if d.value is None else base64.b64encode(d.value).decode()
            sys.stdout.write(json.dumps(row) + "\n")
        return
    table = Table(title=many(len(dead), "dead event"))
    for name in ("topic", "partition", "offset", "reason", "detail", "value"):
        table.add_column(name, overflow="fold")
    for d in dead[-200:]:
        shown = "" if d.value is None else d.value[:120].decode("utf-8", "replace")
        table.add_row(d.topic, str(d.partition), str(d.offset), d.reason, d.detail, shown)
    out.print(table)


def dead_deliveries(broker: BrokerOption = None) -> None:
    """List the deliveries that were given up."""
    from lockstep.deliver import DEAD_DELIVERIES

    async def act(opened: Broker) -> list[dict[str, Any]]:
        deliveries = []
        if not await opened.describe([DEAD_DELIVERIES]):
            return []
        for partition, (start, end) in (await opened.bounds(DEAD_DELIVERIES)).items():
            async for batch in opened.read(DEAD_DELIVERIES, partition, start, end):
                deliveries += [json.loads(v) for v in batch.values if v is not None]
        return deliveries

    dead = with_broker(load_settings(broker=broker), act, looks=True)
    table = Table(title=f"{len(dead):,} dead {'delivery' if len(dead) == 1 else 'deliveries'}")
    for name in ("id", "receiver", "rule", "state", "attempts", "reason", "last error"):
        table.add_column(name, overflow="fold")
    for d in dead[-200:]:
        receiver = d["destination"]["receiver"]
        table.add_row(d["id"], receiver, d["rule"], d["state"], str(d["attempts"]), d["reason"], d["last_error"])
    out.print(table)
