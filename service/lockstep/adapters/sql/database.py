"""A database that is asked for rows: what is wrong with it is one line, and never has the password."""

import base64
from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from lockstep.errors import EventError, SettingsError

AT_ONCE = 2_000
"""Rows that are held at a time, where the database hands them out so."""
CONNECT_S = 10
"""How long a server may take to let us in."""
_TAKE_CONNECT_TIMEOUT = ("psycopg", "psycopg2", "pymysql", "mysqldb", "asyncpg")
"""Drivers that know `connect_timeout`."""
_IN_MEMORY = (None, "", ":memory:")


class Database:
    """One database, with a connection of its own for each question.

    named: what the user calls its address in messages, `--sql`; asked: what he calls the query, `--query`.
    """

    def __init__(self, url: str, *, named: str, asked: str) -> None:
        """url: as SQLAlchemy has it, `postgresql+psycopg://user:password@host/shop`.

        Raises SettingsError without SQLAlchemy or the database's driver, or where the URL is none.
        """
        try:
            from sqlalchemy import create_engine, make_url
            from sqlalchemy.exc import SQLAlchemyError
            from sqlalchemy.pool import NullPool
        except ImportError as error:
            raise SettingsError(f"{named} needs SQLAlchemy; pip install 'lockstep[sql]'") from error
        try:
            address = make_url(url)
            waits = address.get_driver_name() in _TAKE_CONNECT_TIMEOUT and "connect_timeout" not in address.query
            arguments = {"connect_timeout": CONNECT_S} if waits else {}
            self._engine = create_engine(address, poolclass=NullPool, connect_args=arguments)
        except ImportError as error:
            said = f"{named}: the driver of this database is missing ({error}); install it with pip"
            raise SettingsError(said) from error
        except (SQLAlchemyError, ValueError) as error:
            form = "write one like postgresql+psycopg://user:password@host/database, or sqlite:///FILE"
            raise SettingsError(f"{named}: no URL of a database; {form}") from error
        self._asked = asked
        self._file = Path(address.database) if self.is_sqlite and address.database not in _IN_MEMORY else None

    @property
    def is_sqlite(self) -> bool:
        """Whether its times are texts."""
        return bool(self._engine.dialect.name == "sqlite")

    def rows(self, query: str, cursor: object = None) -> Generator[dict[str, Any], None, None]:
        """The rows of a query, each by the names of its columns.

        cursor: what stands for `:cursor`; None where the query has none. Raises EventError for what the database
        refuses, also in the middle of the rows.
        """
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        if self._file is not None and not str(self._file).startswith("file:") and not self._file.exists():
            raise self._refusal("unable to open database file")  # SQLite would make an empty one
        try:
            question = text(query) if cursor is None else text(query).bindparams(_bound(cursor))
            with (
                self._engine.connect().execution_options(stream_results=True, yield_per=AT_ONCE) as connection,
                connection.execute(question) as result,
            ):
                for row in result.mappings():
                    yield dict(row)
        except SQLAlchemyError as error:
            raise self._refusal(str(getattr(error, "orig", None) or error)) from error

    def _refusal(self, said: str) -> EventError:
        what = next(iter(said.splitlines()), "nothing")
        return EventError("sql", f"{self._asked}: the database says: {what}; try the query in its own client")

    def close(self) -> None:
        self._engine.dispose()


def _bound(cursor: object) -> Any:
    """A parameter with its type: a driver that guesses it may compare a moment as if it had no zone."""
    from sqlalchemy import BigInteger, Date, DateTime, String, bindparam

    kind: Any
    if isinstance(cursor, int):
        kind = BigInteger()
    elif isinstance(cursor, datetime):
        kind = DateTime(timezone=cursor.tzinfo is not None)
    else:
        kind = String() if isinstance(cursor, str) else Date()
    return bindparam("cursor", cursor, type_=kind)


def row_line(row: dict[str, Any]) -> bytes:
    """A row as a JSON object: what a mapping makes events of.

    Numbers with decimals become texts, so that none is rounded; times without a zone stay without.
    """
    return msgspec.json.encode(row, enc_hook=_plain)


def _plain(value: Any) -> Any:
    """What JSON has no form for, as text."""
    return base64.b64encode(value).decode() if isinstance(value, memoryview) else str(value)
