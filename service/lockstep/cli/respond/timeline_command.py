"""`lockstep timeline`: who knew what when, of an alert or of a stretch of time, for a review without blame."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.cli.respond.alert_commands import LabelsArgument
from lockstep.cli.respond.session import meant
from lockstep.cli.shared.arguments import BrokerOption, RulesOption, moment
from lockstep.cli.shared.broker_session import with_broker
from lockstep.cli.shared.output import fail, out
from lockstep.ports import Broker
from lockstep.settings import Settings, load_settings

if TYPE_CHECKING:
    from lockstep.adapters.timeline.account import Account
    from lockstep.rule.condition.kinds import Rule


def timeline(
    alert: Annotated[str, typer.Argument(metavar="[ALERT]", help="The beginning of its id, or its rule")] = "",
    labels: LabelsArgument = None,
    starts: Annotated[str | None, typer.Option("--from", help="From when on: 2026-11-24T09:30:00Z")] = None,
    ends: Annotated[str | None, typer.Option("--to", help="Until when; default: now")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also earlier episodes of the alert")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON")] = False,
    file: Annotated[Path | None, typer.Option("--out", help="Write it here: .md or .json")] = None,
    rules: RulesOption = None,
    broker: BrokerOption = None,
) -> None:
    """Say who knew what when, as Markdown: of one alert, or of all that became known between two instants."""
    from lockstep.adapters.timeline.account import as_json as json_of
    from lockstep.adapters.timeline.markdown import as_markdown

    settings = load_settings(rules=rules, broker=broker)
    begin, end = moment(starts, "--from"), moment(ends, "--to")
    if not alert and begin is None and end is None:
        fail("of what? name an alert, or give --from and --to; `lockstep alerts` lists those that are open")
    if alert and (begin or end):
        fail("an alert has its own stretch of time; leave --from and --to out, or the alert")
    if begin and end and end <= begin:
        fail("--to is not after --from")

    async def act(opened: Broker) -> "Account | None":
        from lockstep.adapters.timeline.topic_reader import AccountReader
        from lockstep.notify.message import Writer

        in_force = _rules_of(settings)
        reader = AccountReader(opened, lambda: in_force, Writer(settings.zone, settings.public_url, settings.currency))
        if not alert:
            return await reader.between(begin, end)
        episodes = await reader.episodes()
        # The last episode of each alert, or an earlier one by its own id.
        latest = list({t.alert_id: t for t in episodes}.values())
        named = [t for t in episodes if t.episode_id.startswith(alert)] if len(alert) >= 8 and not labels else []
        last = named[0] if len(named) == 1 else meant(alert, labels or [], latest)
        return await reader.of_alert(last.alert_id, last.episode_id, every=every)

    review = with_broker(settings, act, looks=True)
    if review is None:
        fail(f"nothing is known of '{alert}' any more", 1)
    wants_json = as_json or (file is not None and file.suffix == ".json")
    text = json_of(review).decode() + "\n" if wants_json else as_markdown(review)
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{file}: {(error.strerror or type(error).__name__).lower()}")
    out.print(f"{file}: {len(review.entries)} lines", markup=False, highlight=False)


def _rules_of(settings: Settings) -> "dict[str, Rule]":
    """The rules of the folder, for their words; none where they cannot be read: numbers are review then."""
    from lockstep.adapters.rule_files import load_rules
    from lockstep.errors import LockstepError

    try:
        return {rule.name: rule for rule in load_rules(settings.rules).plan.rules}
    except LockstepError:
        return {}
