"""`lockstep oncall plan`: a table of who is on call when, from the files alone."""

import subprocess
import sys

import pytest

ROUTING = """\
teams: {operations: ["oncall:day"]}
receivers:
  anna: {email: {to: [anna@example.com]}}
  ben: {email: {to: [ben@example.com]}}
schedules:
  day:
    zone: Europe/London
    rotations: [{who: [anna, ben], every: 1w, from: 2026-10-19 09:00, until: 2026-11-06 12:00}]
"""


def _plan(folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lockstep", "oncall", "plan", *arguments, "--rules", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"COLUMNS": "100", "PATH": ""})


@pytest.fixture
def rules(tmp_path):
    (tmp_path / "routing.yml").write_text(ROUTING)
    return tmp_path


def test_who_is_on_call_from_when_to_when(rules):
    """Times of the schedule's zone, over the end of summer time, with gaps marked and added up."""
    run = _plan(rules, "day", "--at", "2026-10-20T12:00:00Z", "--weeks", "3")
    assert run.returncode == 0, run.stderr
    assert [line.rstrip() for line in run.stdout.splitlines()] == [
        "day (Europe/London)",
        " who     from                       to",
        " anna    Tue 20 Oct 2026 13:00 BST  Mon 26 Oct 2026 09:00 GMT",
        " ben     Mon 26 Oct 2026 09:00 GMT  Mon 2 Nov 2026 09:00 GMT",
        " anna    Mon 2 Nov 2026 09:00 GMT   Fri 6 Nov 2026 12:00 GMT",
        " nobody  Fri 6 Nov 2026 12:00 GMT   Tue 10 Nov 2026 12:00 GMT",
        "nobody is on call for 4 days of 3 weeks",
    ]


def test_a_schedule_that_is_not_there_is_said_with_those_that_are(rules):
    """And a file that cannot be used, with its faults."""
    run = _plan(rules, "night")
    assert (run.returncode, run.stderr.strip()) == (
        2,
        "lockstep: there is no schedule 'night'; routing.yml has day",
    )
    (rules / "routing.yml").write_text(ROUTING.replace("[anna, ben]", "[anna, bne]"))
    run = _plan(rules)
    assert run.returncode == 1
    assert "unknown receiver 'bne'; did you mean 'ben'? [LS150]" in run.stderr
