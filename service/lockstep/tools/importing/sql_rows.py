"""Rows of an SQL query as JSON objects, one a line: what a mapping makes events of."""

from collections.abc import Iterator
from typing import Any

import msgspec

from lockstep.errors import EventError, SettingsError

AT_ONCE = 2_000
"""Rows that are held at a time, where the database hands them out so."""


def sql_lines(url: str, query: str) -> Iterator[bytes]:
    """A line for each row, with the columns by their names.

    url: as SQLAlchemy has it, `postgresql+psycopg://user:password@host/shop`; never part of a message, as it may have a
    password. Numbers with decimals become texts, so that none is rounded; times without a zone stay without.
    Raises SettingsError without SQLAlchemy or the database's driver, EventError for what the database refuses.
    """
    try:
        from sqlalchemy import create_engine, text
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise SettingsError("--sql needs SQLAlchemy; pip install 'lockstep[sql]'") from error
    try:
        engine = create_engine(url)
    except ImportError as error:
        raise SettingsError(f"--sql: the driver of this database is missing ({error}); install it with pip") from error
    except (SQLAlchemyError, ValueError) as error:
        form = "write one like postgresql+psycopg://user:password@host/database, or sqlite:///FILE"
        raise SettingsError(f"--sql: no URL of a database; {form}") from error
    try:
        with engine.connect().execution_options(stream_results=True, yield_per=AT_ONCE) as connection:
            for row in connection.execute(text(query)).mappings():
                yield msgspec.json.encode(dict(row), enc_hook=_plain) + b"\n"
    except SQLAlchemyError as error:
        what = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise EventError("sql", f"--query: the database says: {what}; try the query in its own client") from error
    finally:
        engine.dispose()


def _plain(value: Any) -> Any:
    """What JSON has no form for, as text."""
    return str(value)
