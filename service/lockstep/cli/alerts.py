"""`lockstep alerts` and `lockstep notify`: what is open, and whether a receiver hears of it."""

import asyncio
import os
import sys
from typing import Annotated, Any

import typer

from lockstep.cli.shared.arguments import BrokerOption, RulesOption
from lockstep.cli.shared.broker_session import with_broker
from lockstep.cli.shared.output import err, many, out
from lockstep.ports import Broker
from lockstep.settings import load_settings
from lockstep.tools.terminal import styled


def alerts(
    broker: BrokerOption = None, as_json: Annotated[bool, typer.Option("--json", help="One a line")] = False
) -> None:
    """Show what is pending or firing now, since when, with its numbers."""
    from lockstep.adapters.alert_board import AlertBoard
    from lockstep.adapters.promises import unread_events
    from lockstep.app import utc_now
    from lockstep.tools.backtest.replay import json_line
    from lockstep.tools.report.terminal_tables import alerts_table
    from lockstep.worker.required_topics import SAMPLES

    settings = load_settings(broker=broker)

    async def act(opened: Broker) -> tuple[list[Any], int]:
        board = AlertBoard(opened, clock=utc_now)
        await board.refresh()
        return board.alerts(), await unread_events(opened, SAMPLES, settings.topics.values(), now=utc_now())

    open_alerts, unread = with_broker(settings, act, looks=True)
    if unread:
        said = f"{many(unread, 'event')} not read yet: no `lockstep serve` runs on this broker; start one"
        err.print(styled(("lockstep:", "yellow"), f" {said}"), soft_wrap=True)
    if as_json:
        for transition in open_alerts:
            sys.stdout.write(json_line(transition) + "\n")
        return
    out.print(alerts_table(open_alerts, settings.zone))


def notify_test(
    receiver: Annotated[str, typer.Argument(help="Name of a receiver in routing.yml")], rules: RulesOption = None
) -> None:
    """Send a marked test message to a receiver."""
    from lockstep.adapters.channel_table import build_channels
    from lockstep.adapters.dispatch import send_test
    from lockstep.adapters.rule_files import load_routes
    from lockstep.app import utc_now

    settings = load_settings(rules=rules)
    routing = load_routes(settings.rules)

    async def act() -> list[tuple[str, str]]:
        channels = build_channels(settings, os.environ)
        try:
            return await send_test(receiver, routing, channels, clock=utc_now, zone=settings.zone)
        finally:
            for channel in channels.values():
                await channel.close()

    results = asyncio.run(act())
    for where, failure in results:
        out.print(f"{where}: {failure or 'sent'}")
    if any(failure for _, failure in results):
        raise SystemExit(1)
