"""The README's way from nothing to an alert, walked as it is written, on whatever day this is."""

import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kafka_for_tests import held_ports

README = (Path(__file__).parents[2] / "README.md").read_text()
WALK = README.partition("## From nothing to an alert")[2].partition("\n## ")[0]


def _files():
    """File → content, of every "put this in" of the walk."""
    found = re.findall(r"Put th(?:is|ese) in `([^`]+)`.*?```\w+\n(.*?)```", WALK, re.DOTALL)
    return {name: text for name, text in found if "/" in name or "." in name}


def _commands():
    """Every command line of the walk, without its comment."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", WALK, re.DOTALL | re.MULTILINE)
    blocks = [text for language, text in fenced if not language]
    return [line.partition("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


@contextmanager
def _started(args, said, **options):
    """A process, its output in a file; ended with the block."""
    with said.open("wb") as out:
        process = subprocess.Popen([sys.executable, *args], stdout=out, stderr=out, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _wait_for(words, said, process):
    """Wait until a process has said all of these."""
    with said.open(encoding="utf-8") as told:
        text = ""
        while not all(word in text for word in words):
            assert process.poll() is None, text
            text += told.readline()
    return text


@pytest.fixture
def folder(tmp_path):
    """The files of the walk, with a port that is free here."""
    port = str(held_ports(1)[0])
    for name, text in _files().items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("9000", port))
    return tmp_path


def test_the_walk_ends_with_an_alert(folder):
    """Check, backtest, receiver, serve, send: firing and resolved arrive, each step as printed."""
    commands = _commands()
    secret = next(c for c in commands if c.startswith("export LOCKSTEP_SECRET")).removeprefix("export ")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSTEP_")}
    name, _, value = secret.partition("=")
    environ = {**kept, name: value, "LOCKSTEP_HTTP_PORT": "0", "LOCKSTEP_LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1"}

    def run(command):
        args = shlex.split(command)
        assert args[0] == "lockstep", command
        done = subprocess.run(
            [sys.executable, "-m", *args], cwd=folder, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    step = {c.split()[1]: c for c in commands if c.startswith("lockstep ")}
    assert set(step) == {"check", "backtest", "serve", "send", "alerts"}
    run(step["check"])
    assert "LowStock" in run(step["backtest"])
    heard, log = folder / "heard.txt", folder / "serve.log"
    with (
        _started(["receiver.py"], heard, cwd=folder, env=environ) as receiver,
        _started(["-m", *shlex.split(step["serve"])], log, cwd=folder, env=environ) as service,
    ):
        _wait_for(["Running on"], heard, receiver)
        _wait_for(['"event": "serving"'], log, service)
        assert run(step["send"]) == "3 events sent\n"
        text = _wait_for(["alert.firing", "alert.resolved"], heard, receiver)
        assert "{'sku': 'A-1'}" in text
        again = run(step["send"])
        assert re.search(r"known already +3 ", again)
        assert "0 alerts" in run(step["alerts"])
        run("lockstep notify test hook --rules my-rules")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    told = [line["event"] for line in lines if line["event"] in ("alert fires", "alert ends", "delivered")]
    assert sorted(told) == ["alert ends", "alert fires", "delivered", "delivered"]
    assert [line for line in lines if "change detected" in line["event"] or line["level"] == "error"] == []


def test_the_events_of_the_walk_are_of_the_past():
    """Posted as they are, they are never ahead of anybody's clock."""
    times = [json.loads(line)["time"] for line in _files()["events.ndjson"].splitlines()]
    assert all(datetime.fromisoformat(time) < datetime(2026, 1, 1, tzinfo=UTC) for time in times)
