"""A command of a person, given from a terminal: which alert is meant, and what became of it."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar
from uuid import uuid4

from lockstep.cli.respond.who import name_of
from lockstep.cli.shared.broker_session import with_broker
from lockstep.cli.shared.output import fail, out
from lockstep.ports import Broker
from lockstep.response.command import Answer, Command
from lockstep.rule.language.quantity import duration_s
from lockstep.settings import Settings
from lockstep.text.rfc3339 import rfc3339_of
from lockstep.transition import Transition

T = TypeVar("T")
MOST_NAMED = 10
"""Alerts that are named where several are meant."""


@dataclass(frozen=True)
class Boards:
    """What a command reads, up to date when it begins: the alerts, and what people did about them."""

    alerts: Any
    responses: Any
    give: Callable[[Command], Awaitable[Answer]]

    def alert(self, what: str, labels: Sequence[str]) -> Transition:
        """The alert that is meant; ends the command where none is, or several. See `meant`."""
        return meant(what, labels, self.alerts.alerts(every=True))


def with_boards(settings: Settings, act: Callable[[Boards], Awaitable[T]]) -> T:
    """What `act` returns, with the boards read to their end."""
    from lockstep.adapters.alert_board import AlertBoard
    from lockstep.adapters.command_door import CommandDoor
    from lockstep.adapters.response_board import ResponseBoard
    from lockstep.app import utc_now

    async def run(broker: Broker) -> T:
        alerts, responses = AlertBoard(broker, clock=utc_now), ResponseBoard(broker, clock=utc_now)
        await alerts.refresh()
        await responses.refresh()
        return await act(Boards(alerts, responses, CommandDoor(broker, responses).give))

    return with_broker(settings, run, looks=True)


def meant(what: str, labels: Sequence[str], alerts: Sequence[Transition]) -> Transition:
    """The one alert that is meant; ends the command where none is, or several.

    what: the beginning of an alert's or an episode's id, or a rule, with `labels` (`sku=A-1`) where it has several.
    alerts: the last transition of each; those that are open are preferred.
    """
    from lockstep.adapters.alert_board import candidates
    from lockstep.adapters.explain_answer import labels_from

    known = candidates(what, labels_from(labels), alerts)
    said = " ".join([what, *labels])
    if not known:
        rules = sorted({t.rule for t in alerts})
        names = f"; there are alerts of {', '.join(rules[:MOST_NAMED])}" if rules else "; there is none now"
        fail(f"no alert '{said}' is known{names}; `lockstep alerts` lists those that are open", 1)
    if len(known) > 1:
        lines = [f"  {t.alert_id[:8]}  {t.rule} {labels_text(t)}".rstrip() for t in known[:MOST_NAMED]]
        lines += [] if len(known) <= MOST_NAMED else [f"  and {len(known) - MOST_NAMED:,} more"]
        which = "name one by its id or its labels:\n" + "\n".join(lines)
        fail(f"'{said}' may be any of {len(known):,} alerts; {which}", 1)
    return known[0]


def labels_text(transition: Transition) -> str:
    """`sku=A-1 channel=web`."""
    return " ".join(f"{name}={value}" for name, value in sorted(transition.labels.items()))


def the_one(beginning: str, ids: Iterable[str], *, one: str, many: str, listed: str) -> str:
    """The id that begins so; ends the command where none does, or several.

    one, many: what they are, as "no silence that holds or will" and "silences". listed: the command that lists them.
    """
    known = [number for number in ids if number.startswith(beginning)]
    if len(known) != 1:
        said = one if not known else f"{len(known)} {many}"
        fail(f"{said} begins with '{beginning}'; `{listed}` has them", 1)
    return known[0]


def head(who: str | None, now: datetime) -> dict[str, Any]:
    """What stands in every command, as keywords. who: of `--as`."""
    way: Literal["cli"] = "cli"
    return {"id": uuid4().hex, "by": name_of(who), "way": way, "at": rfc3339_of(now)}


def until_text(lasting: str | None, until: datetime | None, now: datetime) -> str | None:
    """When something ends, of `--for` and `--until`; None where neither is given. Ends the command where both are."""
    if lasting is not None and until is not None:
        fail("--for and --until say two things; give one of them")
    if lasting is not None:
        try:
            return rfc3339_of(now + timedelta(seconds=duration_s(lasting)))
        except ValueError as error:
            fail(f"--for: {str(error).removesuffix(' [LS104]')}")
    return None if until is None else rfc3339_of(until)


def say(answer: Answer) -> None:
    """What became of a command; a refusal ends with exit code 1."""
    if not answer.applied:
        fail(answer.why, 1)
    out.print(answer.why, markup=False, highlight=False)
