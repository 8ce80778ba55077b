"""`lockstep explain`: of events, of a running worker, of what was published last; and what a code means."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from lockstep.cli.shared.arguments import BrokerOption, RulesOption, moment
from lockstep.cli.shared.broker_session import with_broker
from lockstep.cli.shared.output import err, fail, out, share_bar
from lockstep.errors import RuleError
from lockstep.ports import Broker
from lockstep.settings import Settings, load_settings
from lockstep.tools.terminal import styled


def explain(
    what: Annotated[
        str, typer.Argument(help="A rule, an alert's id, a code such as LS104, a business measure, or a name for texts")
    ],
    labels: Annotated[list[str] | None, typer.Option("--labels", help="sku=A-1; may be given several times")] = None,
    at: Annotated[str | None, typer.Option(help="With --events: as things were at this event time")] = None,
    events: Annotated[list[Path] | None, typer.Option(help="Files of CloudEvents; without: ask the service")] = None,
    more: Annotated[list[Path] | None, typer.Argument(help="Further files of events")] = None,
    rules: RulesOption = None,
    url: Annotated[str | None, typer.Option(help="Of a worker; default: LOCKSTEP_HTTP_HOST and _PORT")] = None,
    broker: BrokerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
) -> None:
    """Say why an alert fires, or why it does not; or what a code of `lockstep check` or a business measure means."""
    from lockstep.adapters.explain_answer import labels_from
    from lockstep.shop.catalogue import BUSINESS
    from lockstep.shop.names import NAMES
    from lockstep.tools import explain_command as ex

    if re.fullmatch(r"(?i)LS[0-9]+", what):
        _explain_code(what)
        return
    if what in BUSINESS:
        business, name = BUSINESS[what], NAMES[what]
        by = f"by {', '.join(business.labels)}" if business.labels else "of the whole shop"
        out.print(styled((f"{what}: a business measure {by}, in {business.unit or 'numbers'}\n", "bold")))
        out.print(f"{business.meaning}. Every rule may use it by its name, as a level: it needs no window.")
        out.print(f"In texts: {{{{ {what} }}}}, such as {name.example}; where it is not known, {name.absent}.")
        return
    if what in NAMES:
        name = NAMES[what]
        out.print(
            styled((f"{what}: a name for texts, {f'of a {name.of}' if name.of else 'of the whole shop'}\n", "bold"))
        )
        out.print(f"{name.meaning}, such as {name.example}; where it is not known, {name.absent}.")
        return
    settings = load_settings(rules=rules, broker=broker)
    wanted = labels_from(labels or [])
    if events:
        plan = _usable_plan(settings.rules, settings.zone)
        with share_bar("replaying") as progress:
            answer = ex.explain_events(
                plan,
                [*events, *(more or [])],
                what,
                wanted,
                zone=settings.zone,
                at=moment(at, "--at"),
                progress=progress,
            )
    else:
        if at is not None:
            fail("--at needs the past: add --events FILE; a service knows its present only")
        asked = url or settings.url()
        token = None if settings.api_token is None else settings.api_token.get_secret_value()
        live = ex.explain_live(asked, token, what, wanted)
        answer = live if live is not None else _last_published(settings, what, wanted, asked)
    if as_json:
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
        return
    for part in ex.shown(answer, settings.zone):
        out.print(part)


def _usable_plan(rules: Path, zone: ZoneInfo) -> Any:
    from lockstep.adapters.rule_files import load_rules

    loaded = load_rules(rules, zone=zone)
    for fault in loaded.errors:
        err.print(str(fault), soft_wrap=True)
    if not loaded.plan.rules:
        fail(f"{rules} cannot be used as it is; see `lockstep check {rules}`", 1)
    return loaded.plan


def _last_published(settings: Settings, what: str, wanted: dict[str, str], url: str) -> dict[str, Any]:
    """Nobody answers: what the service published last is on the broker, what it would say now is not."""
    from lockstep.adapters.alert_board import AlertBoard
    from lockstep.adapters.explain_answer import from_refusals, from_transitions, named
    from lockstep.app import utc_now
    from lockstep.notify.self_alerts import REFUSED

    async def act(opened: Broker) -> list[Any]:
        board = AlertBoard(opened, clock=utc_now)
        await board.refresh()
        return board.alerts(every=True)

    published = with_broker(settings, act)
    rule, labels = named(what, wanted, {t.rule for t in published}, published)
    if rule != REFUSED and not any(t.rule == rule for t in published):
        _require_written(rule, settings)
    transitions = [t for t in published if t.rule == rule and all(t.labels.get(n) == v for n, v in labels.items())]
    err.print(f"no worker answers at {url}: this is what was published last")
    if rule == REFUSED:
        return from_refusals(published, labels, settings.zone)
    return from_transitions(rule, transitions)


def _require_written(rule: str, settings: Settings) -> None:
    """Raises RuleError for a rule of which nothing was published, and that no rule file has."""
    from lockstep.adapters.rule_files import load_rules
    from lockstep.notify.self_alerts import own_rules
    from lockstep.yaml.document import did_you_mean

    loaded = load_rules(settings.rules, zone=settings.zone)
    known = {one.name for one in (*loaded.plan.rules, *own_rules(()))}
    if rule in known:
        return
    unread = f"; `lockstep check {settings.rules}` names what cannot be read there" if loaded.errors else ""
    raise RuleError(
        f"there is no rule '{rule}' in {settings.rules}, and no alert of this id: {did_you_mean(rule, known)}{unread}"
    )


def _explain_code(code: str) -> None:
    from rich.syntax import Syntax

    from lockstep.tools.check.codes import explanation

    explained = explanation(code.upper())
    out.print(styled((f"{explained.code}: {explained.title}\n", "bold")))
    out.print(explained.text)
    for said, colour, example in (("wrong", "red", explained.bad), ("right", "green", explained.good)):
        if example:
            out.print(styled((f"\nSo it is {said}:\n", colour)))
            # To be copied: cut off or wrapped at the width of the window it would be another rule, or none.
            shown = Syntax("", "yaml", theme="ansi_dark", background_color="default").highlight(example.rstrip())
            shown.rstrip()
            out.print(shown, soft_wrap=True)
