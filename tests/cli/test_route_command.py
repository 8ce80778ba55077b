"""`lockstep route`: the way of an alert, as a person reads it and for programs."""

import json
import subprocess
import sys

ROUTING = """\
teams: {operations: [mail]}
receivers:
  mail: {email: {to: [anna@example.com]}}
  chat: {slack: {channel: "#ops", token: {secret: SLACK_TOKEN}}}
routes:
  - match: severity=critical
    to: chat
    repeat_interval: 90s
    routes:
      - {match: channel=web, to: [mail, chat], continue: true}
      - {match: channel=app, group_by: ['...']}
"""


def lockstep(*args, cwd):
    """The command as a person gives it."""
    return subprocess.run(
        [sys.executable, "-m", "lockstep", *args], cwd=cwd, capture_output=True, text=True, check=False
    )


def _shop(path):
    (path / "rules").mkdir()
    (path / "rules" / "routing.yml").write_text(ROUTING)
    return path


def test_the_way_is_drawn_with_whom_it_reaches(tmp_path):
    """The tree with what is taken, then each way with its effective options."""
    done = lockstep("route", "severity=critical", "channel=web", cwd=_shop(tmp_path))
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "└─ │ severity=critical",
        "   ├─ ● channel=web → mail, chat (continue)",
        "   └─ ○ channel=app → chat",
        "operations: severity=critical > channel=web",
        "  to mail, chat: email anna@example.com, slack #ops",
        "  group_by rule; group_wait 10 seconds; group_interval 10 seconds; repeat_interval 90 seconds",
        "silences and inhibitions are known to the running service: `lockstep why ALERT` asks it",
    ]


def test_for_programs(tmp_path):
    """The same as JSON; what meets no route goes to its team."""
    done = lockstep("route", "channel=web", "--json", cwd=_shop(tmp_path))
    (path,) = json.loads(done.stdout)["paths"]
    assert (path["route"], path["destinations"]) == ("team operations", ["email anna@example.com"])


def test_a_severity_that_is_none(tmp_path):
    """One line that says what to write."""
    done = lockstep("route", "severity=high", cwd=_shop(tmp_path))
    assert done.returncode == 2
    assert "severity 'high' is none; write info, warning or critical" in done.stderr
