"""`lockstep import --sql`: rows of a query become the past, from SQLite and from a real PostgreSQL."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lockstep.errors import EventError, SettingsError

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed: pip install -e '.[dev]'")

from lockstep.tools.importing.sql_rows import sql_lines

TABLE = """\
CREATE TABLE orders (number INTEGER PRIMARY KEY, placed TIMESTAMP, total NUMERIC(10, 2), shop VARCHAR(20));
INSERT INTO orders VALUES (1, '2026-01-05 09:30:00', 12.10, 'web');
INSERT INTO orders VALUES (2, '2026-01-06 10:00:00', 0.30, 'app');
INSERT INTO orders VALUES (3, NULL, 5, 'web');
"""
MAPPING = """\
mapping: till
about: The till's table of orders
time: {zone: Europe/Berlin}
events:
  - type: order.placed
    id: number
    source: /till
    time: placed
    data: {order_id: number, total: total, channel: shop, lines: {const: []}}
"""
QUERY = "SELECT number, CAST(placed AS VARCHAR) AS placed, total, shop FROM orders ORDER BY number"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "till.db") as database:
        database.executescript(TABLE)
    return f"sqlite:///{tmp_path}/till.db"


@pytest.fixture
def postgres_url(postgres_server: Any) -> str:
    made: str = postgres_server.new_database(TABLE)
    return made


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


def imported(folder: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    (folder / "mappings").mkdir(exist_ok=True)
    (folder / "mappings" / "till.yml").write_text(MAPPING)
    process = subprocess.run(
        [sys.executable, "-m", "lockstep", "import", *arguments],
        cwd=folder,
        env={**os.environ, "LOCKSTEP_BROKER": f"sqlite:///{folder}/shop.db", "COLUMNS": "200", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return process.returncode, process.stdout + process.stderr


def test_the_rows_of_a_query(url: str, tmp_path: Path) -> None:
    """Known by its columns or by a named mapping; a row that is no event is refused by its number; again: nothing."""
    code, said = imported(tmp_path, "--sql", url, "--query", QUERY, "--mapping", "till")
    assert code == 1, said
    assert "2 events imported" in said
    assert "(query:3)" in said
    assert "Mon 5 Jan 2026 08:30" in said  # the till's zone is an hour ahead of London
    code, said = imported(tmp_path, "--sql", "secret:TILL", "--query", QUERY, "--skip-bad", LOCKSTEP_SECRET_TILL=url)
    assert code == 0, said
    assert "0 events imported, 2 there already" in said


def test_numbers_are_not_rounded(url: str) -> None:
    """As they stand in the database, to the last digit."""
    lines = b"".join(sql_lines(url, "SELECT total FROM orders WHERE number = 2"))
    assert lines in (b'{"total":"0.30"}\n', b'{"total":0.3}\n')  # SQLite itself keeps the one as the other


@pytest.mark.parametrize(
    ("address", "query", "said"),
    [
        pytest.param("till.db", "SELECT 1", "--sql: no URL of a database; write one like", id="no URL"),
        pytest.param("oracle://me:hunter2@db/x", "SELECT 1", "the driver of this database is missing", id="no driver"),
        pytest.param("", "SELECT wrong", "sql: --query: the database says: no such column: wrong", id="no column"),
        pytest.param("sqlite:////nowhere/at/all.db", "SELECT 1", "unable to open database file", id="no database"),
    ],
)
def test_what_the_database_refuses(sqlite_url: str, address: str, query: str, said: str) -> None:
    """One line that says what to do, and never the password."""
    with pytest.raises((EventError, SettingsError)) as raised:
        list(sql_lines(address or sqlite_url, query))
    assert said in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_sql_and_query_go_together(tmp_path: Path) -> None:
    """One without the other is said."""
    assert imported(tmp_path, "--sql", "sqlite:///x.db") == (2, "lockstep: --sql and --query go together\n")
