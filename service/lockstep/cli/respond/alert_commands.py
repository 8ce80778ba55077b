"""What people do about one alert, and ask of it: `lockstep ack|unack|assign|note|snooze|close|why`."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.table import Table

from lockstep.cli.respond.session import Boards, head, labels_text, say, until_text, with_boards
from lockstep.cli.respond.who import AsOption
from lockstep.cli.shared.arguments import BrokerOption, moment
from lockstep.cli.shared.output import fail, out
from lockstep.response.command import Acknowledge, AddNote, Answer, Assign, Close, Command, Snooze, TakeBack
from lockstep.response.decision import Decision
from lockstep.settings import load_settings

AlertArgument = Annotated[str, typer.Argument(metavar="ALERT", help="The beginning of its id, or its rule")]
LabelsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="LABEL=VALUE", help="Which alert of the rule: sku=A-1")
]
LabelsOption = Annotated[
    list[str] | None, typer.Option("--label", metavar="LABEL=VALUE", help="Which alert of the rule: sku=A-1")
]
ForOption = Annotated[str | None, typer.Option("--for", help="How long: 90m, 2h, 1d")]
UntilOption = Annotated[str | None, typer.Option(help="Until when: 2026-11-28T18:00+01:00")]
NoteOption = Annotated[str, typer.Option("--note", "-m", help="What to say with it")]


def ack(
    alert: AlertArgument,
    labels: LabelsArgument = None,
    lasting: ForOption = None,
    until: UntilOption = None,
    note: NoteOption = "",
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Say that you have an alert: nothing repeats or escalates until it is over."""
    from lockstep.app import utc_now

    now = utc_now()
    ends = until_text(lasting, moment(until), now)
    _give(
        broker,
        alert,
        labels,
        lambda a, e: Acknowledge(alert_id=a, episode_id=e, until=ends, note=note, **head(who, now)),
    )


def unack(
    alert: AlertArgument, labels: LabelsArgument = None, who: AsOption = None, broker: BrokerOption = None
) -> None:
    """Take an acknowledgement, a snooze or an end by hand back."""
    from lockstep.app import utc_now

    now = utc_now()
    _give(broker, alert, labels, lambda a, e: TakeBack(alert_id=a, episode_id=e, **head(who, now)))


def assign(
    alert: AlertArgument,
    labels: LabelsArgument = None,
    to: Annotated[str, typer.Option("--to", help="Whose it is; empty: nobody's")] = "",
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Make an alert somebody's."""
    from lockstep.app import utc_now

    now = utc_now()
    _give(broker, alert, labels, lambda a, e: Assign(alert_id=a, episode_id=e, to=to, **head(who, now)))


def note(
    alert: AlertArgument,
    text: Annotated[str, typer.Argument(help="What to know about it")],
    labels: LabelsOption = None,
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Write something to an alert; its timeline and later messages have it."""
    from lockstep.app import utc_now

    now = utc_now()
    _give(broker, alert, labels, lambda a, e: AddNote(alert_id=a, episode_id=e, text=text, **head(who, now)))


def snooze(
    alert: AlertArgument,
    labels: LabelsArgument = None,
    lasting: ForOption = None,
    until: UntilOption = None,
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Hear nothing more of an alert until then, unless it gets worse or is over (default: an hour)."""
    from lockstep.app import utc_now

    now = utc_now()
    ends = until_text(lasting if lasting or until else "1h", moment(until), now) or ""
    _give(broker, alert, labels, lambda a, e: Snooze(alert_id=a, episode_id=e, until=ends, **head(who, now)))


def close(
    alert: AlertArgument,
    labels: LabelsArgument = None,
    note: NoteOption = "",
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Say that an alert is over; people hear of it again if it gets worse or begins anew."""
    from lockstep.app import utc_now

    now = utc_now()
    _give(broker, alert, labels, lambda a, e: Close(alert_id=a, episode_id=e, note=note, **head(who, now)))


def _give(broker: str | None, alert: str, labels: list[str] | None, make: Any) -> None:
    """Give the command that `make` makes of an alert's and its episode's id, and say what became of it."""

    async def act(boards: Boards) -> Answer:
        transition = boards.alert(alert, labels or [])
        command: Command = make(transition.alert_id, transition.episode_id)
        return await boards.give(command)

    say(with_boards(load_settings(broker=broker), act))


def why(
    alert: AlertArgument,
    receiver: Annotated[str | None, typer.Argument(help="Of this receiver alone")] = None,
    labels: LabelsOption = None,
    every: Annotated[bool, typer.Option("--all", help="Also what was decided of earlier episodes")] = False,
    broker: BrokerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One decision a line")] = False,
) -> None:
    """Say why somebody was told of an alert, or was not."""
    import msgspec

    from lockstep.text.figures import time_text

    settings = load_settings(broker=broker)

    async def act(boards: Boards) -> tuple[Any, list[Decision]]:
        transition = boards.alert(alert, labels or [])
        episode = "" if every else transition.episode_id
        return transition, boards.responses.decisions(transition.alert_id, episode)

    transition, decisions = with_boards(settings, act)
    shown = [d for d in decisions if receiver is None or d.receiver == receiver]
    if receiver is not None and not shown and decisions:
        names = ", ".join(dict.fromkeys(d.receiver for d in decisions if d.receiver)) or "nobody"
        fail(f"nothing was decided of it for '{receiver}'; it concerned {names}", 1)
    if as_json:
        for decision in shown:
            sys.stdout.write(json.dumps(msgspec.to_builtins(decision)) + "\n")
        return
    title = f"{transition.rule} {labels_text(transition)}".rstrip()
    if not shown:
        out.print(f"{title}: nothing was decided of it yet, or it was long ago", markup=False, highlight=False)
        return
    table = Table(title=title)
    for column in ("when", "receiver", "what", "why"):
        table.add_column(column, overflow="fold")
    for d in shown:
        what = {"told": "told", "waits": "waits", "not_told": "not told"}[d.outcome]
        table.add_row(time_text(d.at, settings.zone), d.receiver or "nobody", what, d.why)
    out.print(table)
