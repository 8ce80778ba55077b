"""`lockstep route`: who hears of an alert with these labels, and how, by the files alone."""

import json
import sys
from typing import Annotated

import typer

from lockstep.cli.shared.arguments import RulesOption
from lockstep.cli.shared.output import fail, out
from lockstep.settings import load_settings
from lockstep.tools.terminal import styled


def route(
    labels: Annotated[list[str], typer.Argument(help="sku=A-1 rule=LowStock severity=critical team=operations")],
    rules: RulesOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
) -> None:
    """Show the way of an alert through the routes of routing.yml, whom it reaches, and what keeps it quiet now."""
    from lockstep.adapters.explain_answer import labels_from
    from lockstep.adapters.rule_files import load_routing, load_rules
    from lockstep.app import utc_now
    from lockstep.tools.routes_shown import SILENCES, routes_shown

    settings = load_settings(rules=rules)
    facts = labels_from(labels)
    if facts.get("severity", "warning") not in ("info", "warning", "critical"):
        fail(f"severity '{facts['severity']}' is none; write info, warning or critical")
    routing, faults = load_routing(settings.rules / "routing.yml")
    if routing is None:
        fail("; ".join(str(fault) for fault in faults if fault.level == "error"))
    shown = routes_shown(
        routing,
        facts,
        load_rules(settings.rules).plan.rules,
        group_wait_s=settings.group_wait,
        now=utc_now(),
        zone=settings.zone,
    )
    if as_json:
        sys.stdout.write(json.dumps(shown.as_json(), indent=2, ensure_ascii=False) + "\n")
        return
    for line in shown.tree:
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    for path in shown.paths:
        out.print(styled((f"{path.team}: {path.route}", "bold")), soft_wrap=True)
        reached = ", ".join(path.destinations) or "nobody"
        out.print(f"  to {', '.join(path.to)}: {reached}", markup=False, highlight=False, soft_wrap=True)
        words = "; ".join(f"{name} {value}" for name, value in path.options.items())
        out.print(f"  {words}", markup=False, highlight=False, soft_wrap=True)
        if path.quiet:
            out.print(f"  now: {path.quiet}", markup=False, highlight=False, soft_wrap=True)
    if not shown.paths:
        out.print("no team hears of it: routing.yml names none", markup=False)
    out.print(SILENCES, markup=False, highlight=False, soft_wrap=True)
