"""A till on each kind of database."""

from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed: pip install -e '.[dev]'")

from till import Till


@pytest.fixture(params=["sqlite", "postgres"])
def till(request: pytest.FixtureRequest, tmp_path: Path) -> Till:
    if request.param == "sqlite":
        (tmp_path / "till.db").touch()
        return Till(f"sqlite:///{tmp_path}/till.db")
    return Till(request.getfixturevalue("postgres_server").new_database())
