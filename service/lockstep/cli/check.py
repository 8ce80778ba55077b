"""`lockstep check` and `lockstep test`: faults of rule files, and the tests that stand beside them."""

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from lockstep.cli.shared.output import fail, many, out
from lockstep.cli.shared.process import INTERRUPTED, collect_rarely
from lockstep.settings import load_settings
from lockstep.tools.terminal import styled


def check(
    paths: Annotated[list[Path], typer.Argument(help="Rule files, mappings or folders")],
    strict: Annotated[bool, typer.Option("--strict", help="Warnings give exit code 3")] = False,
    output: Annotated[str, typer.Option("--format", help="text, json, sarif or github")] = "text",
    kept: Annotated[
        str | None, typer.Option(help="How long events are kept, `7d`; default: LOCKSTEP_RETENTION where it is set")
    ] = None,
) -> None:
    """Look for every fault in rule files and mappings: where, what, the way out."""
    from lockstep.app import utc_now
    from lockstep.tools.check import fault_formats as faults
    from lockstep.tools.check.check_report import check as run
    from lockstep.tools.check.check_report import exit_code

    if output not in faults.FORMATS:
        fail(f"--format: '{output}' is unknown; write one of {', '.join(faults.FORMATS)}")
    collect_rarely()
    report = run(paths, kept_s=_kept_s(kept), now=utc_now().astimezone(load_settings().zone))
    sources = faults.Sources()
    if output == "json":
        sys.stdout.write(faults.as_json(report.faults, sources) + "\n")
    elif output == "sarif":
        sys.stdout.write(faults.as_sarif(report.faults) + "\n")
    elif output == "github":
        sys.stdout.write(faults.as_github(report.faults))
    else:
        for line in faults.shown(report.faults, sources):
            out.print(line, soft_wrap=True)
        errors, warnings = len(report.errors), len(report.faults) - len(report.errors)
        mappings = f" and {many(report.mappings, 'mapping')}" if report.mappings else ""
        said = (
            f"{many(report.rules, 'rule')}{mappings} in {many(report.files, 'file')}: "
            f"{many(errors, 'error')}, {many(warnings, 'warning')}"
        )
        out.print(styled((said, "red" if errors else "green")))
        if report.faults:
            out.print(f"`lockstep explain {report.faults[0].code}` says more, with an example")
    raise SystemExit(exit_code(report, strict=strict))


def _kept_s(text: str | None) -> int | None:
    """How long events are kept, where somebody has said so: the default of the setting says nothing of your topics."""
    from lockstep.rule.language.quantity import duration_s

    if text is None:
        settings = load_settings()
        return round(settings.retention) if "retention" in settings.model_fields_set else None
    try:
        return duration_s(text)
    except ValueError as error:
        fail(f"--kept: {error}")


def rule_tests(
    paths: Annotated[list[Path], typer.Argument(help="Folders of rules, rule files or files of tests")],
    only: Annotated[str | None, typer.Option("-k", help="Only tests whose name or file contains this")] = None,
    coverage: Annotated[bool, typer.Option("--coverage", help="Say what the tests leave open")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write the results to this file, as JUnit")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Run them again whenever a file changes")] = False,
) -> None:
    """Run the tests of rules: stories of events, with what the rules should say of them."""
    from lockstep.tools.ruletest import rerun as watching

    zone = load_settings().zone

    def once() -> int:
        return _tested(paths, zone, only, coverage=coverage, junit=junit)

    if not watch:
        raise SystemExit(once())
    code: int | None = None
    with suppress(KeyboardInterrupt):  # also in the middle of a run
        for _ in watching.changes(paths):
            if code is not None:
                out.rule()
            code = once()
            out.print(styled(("waiting for a file to change; Ctrl-C ends", "dim")))
    raise SystemExit(INTERRUPTED if code is None else code)


def _is_of_the_shop(place: str) -> bool:
    """Whether a rule stands in a file of the shop's own: a pack that shop.yml switches on has its stories with us."""
    from lockstep.rule.language.packs import is_pack

    path = place.rpartition(":")[0]
    return not is_pack(path) or Path(path).is_file()


def _tested(paths: list[Path], zone: Any, only: str | None, *, coverage: bool, junit: Path | None) -> int:
    """Run the tests once and say what came of them; the exit code."""
    from lockstep.tools.check import fault_formats as faults
    from lockstep.tools.ruletest import results as report
    from lockstep.tools.ruletest.coverage import gaps
    from lockstep.tools.ruletest.runner import run
    from lockstep.tools.ruletest.suite import load_suite

    begun = time.perf_counter()
    suite = load_suite(paths, zone)
    for line in faults.shown(suite.faults, faults.Sources()):
        out.print(line, soft_wrap=True)
    outcomes = [run(t) for t in suite.tests if only is None or only.lower() in f"{t.path} {t.name}".lower()]
    if outcomes:
        out.print(report.table(outcomes))
    failed = [o for o in outcomes if not o.passed]
    for outcome in failed:
        out.print()
        out.print(report.explained(outcome), soft_wrap=True)
    left = gaps([rule for rule in suite.rules if _is_of_the_shop(rule.place)], outcomes) if coverage else []
    for gap in left:
        out.print(styled(("not covered:", "yellow"), f" {gap}"), soft_wrap=True)
    if junit is not None:
        junit.write_bytes(report.junit(outcomes, left))
    if only is not None and not outcomes and not suite.faults:
        out.print(f"no test contains '{only}'")
        return 2
    said = f"{many(len(outcomes), 'test')}, {len(failed)} failed" + (f", {many(len(left), 'gap')}" if coverage else "")
    wrong = bool(failed or suite.errors)
    out.print(styled((said, "red" if wrong else "green"), f" in {time.perf_counter() - begun:.2f} s"))
    return 2 if suite.errors else 1 if failed else 0
