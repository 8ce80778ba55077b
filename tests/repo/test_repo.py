"""What the repository promises about itself."""

import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import lockstep
from lockstep import alert
from lockstep.adapters.rule_files import load_routing
from lockstep.settings import Settings
from lockstep.worker.required_topics import topic_specs

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_top_level_holds_what_it_should():
    """Nothing else is tracked there."""
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    top = {n.partition("/")[0] for n in names if not n.startswith(".")}
    folders = {"service", "rules", "schemas", "deploy", "tests"}
    files = {
        "pyproject.toml",
        "docker-compose.yml",
        "README.md",
        "Makefile",
        "constraints.txt",
        "LICENSE",
        "CHANGELOG.md",
    }
    assert top == folders | files


def test_what_the_readme_lets_people_make_is_theirs():
    """Whoever followed it and then wants to change something must not be told of their own files by `make check`."""
    made = re.findall(r"Put (?:this|these) in `([^`]+)`", (ROOT / "README.md").read_text())
    assert len(made) == 4
    ignored = subprocess.run(["git", "check-ignore", *made], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ignored.stdout.split() == made


def test_every_dependency_earns_a_sentence():
    """The line above each says what it does for us."""
    text = (ROOT / "pyproject.toml").read_text()
    lines = text[text.index("dependencies = [") : text.index("[project.optional-dependencies]")].splitlines()
    for before, line in itertools.pairwise(lines):
        if line.strip().startswith('"'):
            assert before.strip().startswith("#"), line


def test_constraints_pin_every_dependency():
    """What was tested is what is installed."""
    pinned = {
        line.partition("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()
    }
    wanted = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["dev"]
    assert {re.split(r"[<>=\[]", w)[0].lower() for w in wanted} <= pinned


def test_the_version_is_one():
    """In the package and in its metadata."""
    assert PROJECT["project"]["version"] == lockstep.VERSION


def test_the_lifecycle_is_drawn_from_its_table():
    """The docstring shows the table that is executed."""
    assert alert.drawn() in (alert.__doc__ or "")


def test_the_core_can_be_imported_without_the_world():
    """Judging needs neither Faust nor a client of anything."""
    code = (
        "import sys, lockstep.judge.judge, lockstep.deliver, lockstep.notify.decide;"
        "bad = {'faust', 'aiohttp', 'aiokafka', 'slack_sdk', 'aiosmtplib', 'structlog'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(bad)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_table_of_counter_examples_names_tests_that_exist():
    """A story whose test was renamed or dropped is no longer told."""
    tests = ROOT / "tests"
    table = (tests / "README.md").read_text().partition("## Counter-examples")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in table.splitlines() if re.match(r"\| \d", line)]
    assert [int(row[1]) for row in rows] == list(range(1, 19))
    every = {name for path in tests.rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())}
    files = {str(path.relative_to(tests)) for path in tests.rglob("*.py")}
    named = re.findall(r"`([^`]+)`", table)
    for name in named:
        file, _, test = name.rpartition("::") if "::" in name else (name, "", "") if "/" in name else ("", "", name)
        assert not file.strip("…") or file in files, name
        begins = test.partition("[")[0].rstrip("…")
        assert not begins or any(t.startswith(begins) for t in every), name


def test_what_compose_mounts_is_there_and_its_routing_is_clean():
    """A folder that is missing would be made empty by Docker, and nobody would be told."""
    text = (ROOT / "docker-compose.yml").read_text()
    mounted = re.findall(r"- \./(\S+?):(/etc/\S+?):ro", text)
    assert [inside for _, inside in mounted] == ["/etc/lockstep/rules", "/etc/lockstep/rules/routing.yml"]
    assert all((ROOT / outside).exists() for outside, _ in mounted)
    routing, faults = load_routing(ROOT / mounted[1][0])
    assert (faults, routing is not None and routing.deaf(["marketing", "operations"])) == ([], ())


def test_nobody_gets_a_token_that_others_know():
    """The image listens on every address, so without a token of one's own nothing starts; messages link to the API."""
    image, compose = (ROOT / "deploy" / "Dockerfile").read_text(), (ROOT / "docker-compose.yml").read_text()
    assert re.findall(r"LOCKSTEP_\w*TOKEN\w*=", image) == []
    assert re.findall(r"LOCKSTEP_API_TOKEN: (\S{22})", compose) == ["${LOCKSTEP_API_TOKEN:?"]
    assert "LOCKSTEP_PUBLIC_URL: ${LOCKSTEP_PUBLIC_URL:-http://localhost:8480}" in compose
    environ = dict(re.findall(r"(LOCKSTEP_\w+)=(\S+)", image))
    assert f"VOLUME {Path(environ['LOCKSTEP_BROKER'].removeprefix('sqlite:///')).parent}\n" in image
    environ = {**environ, "LOCKSTEP_RULES": str(ROOT / "rules"), "LOCKSTEP_BROKER": "sqlite:///nothing.db"}
    done = subprocess.run(
        [sys.executable, "-m", "lockstep", "serve"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    said = "LOCKSTEP_HTTP_HOST: 0.0.0.0 is open to others; set LOCKSTEP_API_TOKEN"
    assert said in done.stderr.replace("\n", " ")
    assert not (ROOT / "nothing.db").exists()


def test_what_the_image_copies_is_there():
    """Everything that `COPY` names, and nothing of it left out by .dockerignore."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert len(names) > 4
    assert [n for n in names if not (ROOT / n).exists()] == []
    assert not {*names} & set((ROOT / ".dockerignore").read_text().split())


def test_the_tests_that_a_table_names_are_there():
    """`judge/test_x.py::test_y[id]` in tests/README.md; `::test_z` is of the file before it."""
    found, file = 0, ""
    for line in (ROOT / "tests" / "README.md").read_text().splitlines():
        for path, name, case in re.findall(r"`([\w/]*(?:\.py)?)::(test_\w+)(?:\[([^`]*)\])?`", line):
            file = path or file
            text = (ROOT / "tests" / file).read_text()
            assert f"def {name}(" in text, f"{file} has no {name}"
            assert "…" in case or case in text, f"{file} has no case {case}"
            found += 1
    assert found > 100


def test_the_topics_have_the_names_that_others_know():
    """Stored state and subscribers hang on them: another name is another, empty topic."""
    named = [(spec.name, spec.partitions, spec.compacted) for spec in topic_specs(Settings(broker="kafka://one"))]
    assert named == [
        ("lockstep.samples", 4, False),
        ("lockstep.alerts", 1, False),
        ("lockstep.alert-state", 1, True),
        ("lockstep.deliveries", 4, False),
        ("lockstep.commands", 1, False),
        ("lockstep.audit", 1, False),
        ("lockstep.decisions", 1, False),
        ("lockstep.response-state", 1, True),
        ("lockstep.reports", 1, True),
        ("lockstep.attempts", 1, False),
        ("lockstep.charts", 1, False),
        ("lockstep.dead-events", 1, False),
        ("lockstep.dead-deliveries", 1, False),
        ("lockstep.rules", 1, True),
        ("lockstep.skus", 1, True),
        ("lockstep.tokens", 1, True),
        ("lockstep.sources", 1, True),
        ("lockstep.shop", 1, True),
        ("lockstep.imports", 4, False),
        ("lockstep.judge-state", 4, True),
        ("lockstep.notify-state", 1, True),
        ("lockstep.sources-state", 1, True),
        ("lockstep.deliver-state", 4, True),
    ]
