"""What every test may ask for: a real Kafka, fetched and started once a session."""

import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import structlog
from hypothesis.internal.conjecture import providers

# Hypothesis also draws numbers that it finds in the source of whatever modules are loaded: then what a test tries would
# depend on the tests beside it, and a failure could not be had again.
providers._get_local_constants = lambda: providers._local_constants

NO_KAFKA = "no Kafka for the tests"


def _load(name: str, path: Path) -> ModuleType:
    """A module of the tests by its path: the test folders are no packages."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(str(path))
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


kafka = _load("kafka_for_tests", Path(__file__).parent / "kafka" / "broker.py")


_load("shop_build", Path(__file__).parent / "shop" / "build.py")
_load("report_samples", Path(__file__).parent / "reports" / "report_samples.py")


_load("chromium", Path(__file__).parent / "pages" / "chromium.py")


postgres = _load("postgres_for_tests", Path(__file__).parent / "sql" / "postgres_server.py")


def kafka_jars() -> Path:
    """The broker's jars; without Java or Maven the test is skipped, and in CI it fails."""
    try:
        libs: Path = kafka.jars()
    except LookupError as error:
        said = f"{NO_KAFKA}: {error}"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(said, pytrace=False)
        pytest.skip(said)
    return libs


@pytest.fixture(scope="session")
def kafka_libs() -> Path:
    """For tests that start, kill and restart brokers of their own."""
    return kafka_jars()


@pytest.fixture(scope="session")
def kafka_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a broker that the whole session shares: every test makes its own topics and group ids."""
    given = os.environ.get("LOCKSTEP_TEST_KAFKA")
    if given:
        yield given
        return
    broker = kafka.Broker(tmp_path_factory.mktemp("kafka"), libs=kafka_jars()).start()
    try:
        broker.wait_ready()
        yield broker.address
    finally:
        broker.kill()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """A PostgreSQL that the whole session shares: every test makes a database of its own."""
    if not postgres.is_installed():
        pytest.skip(postgres.NO_POSTGRES)
    server = postgres.PostgresServer().start()
    yield server
    server.remove()


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command run in this process sets up logs for good, as it may: the next test must not go by its level."""
    was = structlog.get_config()
    root, level = logging.getLogger(), logging.getLogger().level
    handlers = set(root.handlers)
    yield
    structlog.configure(**was)
    root.setLevel(level)
    for handler in set(root.handlers) - handlers:
        if type(handler) is logging.StreamHandler:  # not pytest's own, which come and go with each phase
            root.removeHandler(handler)


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a command is run, and no setting of Lockstep around it."""
    for name in os.environ:
        if name.startswith("LOCKSTEP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command of Lockstep in an empty folder: (exit code, stdout, stderr)."""
    from lockstep.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lockstep", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        out, said = capfd.readouterr()
        return int(str(code or 0)), out, said

    return run


@pytest.hookimpl(tryfirst=True)  # before the marks are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs a Kafka runs in one process, so that a session starts one broker; the rest runs beside it."""
    for item in items:
        if item.get_closest_marker("kafka"):
            item.add_marker(pytest.mark.xdist_group("kafka"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A skipped Kafka must not go unnoticed among hundreds of green dots."""
    said = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())]
    if any(postgres.NO_POSTGRES in text for text in said):
        terminalreporter.section(postgres.NO_POSTGRES, red=True, bold=True)
    missing = next((text for text in said if NO_KAFKA in text), None)
    if missing is not None:
        terminalreporter.section("KAFKA WAS NOT TESTED", red=True, bold=True)
        terminalreporter.line(missing, red=True, bold=True)
