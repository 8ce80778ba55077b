"""Rows of an SQL query as JSON objects, one a line: what a mapping makes events of."""

from collections.abc import Iterator

from lockstep.adapters.sql.database import Database, row_line


def sql_lines(url: str, query: str) -> Iterator[bytes]:
    """A line for each row, with the columns by their names.

    url: as SQLAlchemy has it; never part of a message, as it may have a password. Raises SettingsError without
    SQLAlchemy or the database's driver, EventError for what the database refuses.
    """
    database = Database(url, named="--sql", asked="--query")
    try:
        for row in database.rows(query):
            yield row_line(row) + b"\n"
    finally:
        database.close()
