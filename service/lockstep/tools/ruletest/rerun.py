"""Tells when a file of rules or tests has changed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from watchfiles import watch

from lockstep.tools.ruletest.suite import FOLDER

BEGIN_MS = 100
"""The watch is known to stand when nothing has changed for this long."""


def changes(paths: Sequence[Path]) -> Iterator[None]:
    """Once when the watch stands, then once for each heap of changes to YAML files; KeyboardInterrupt ends it.

    What is saved after the first one is never missed, also while the caller is busy with the one before.
    """
    stands = False
    for changed in watch(*_roots(paths), rust_timeout=BEGIN_MS, yield_on_timeout=True):
        if not stands or any(Path(name).suffix in (".yml", ".yaml", ".csv") for _, name in changed):
            stands = True
            yield None


def _roots(paths: Sequence[Path]) -> set[Path]:
    """The folders that hold the files and the rules that they are about."""
    folders = {p if p.is_dir() else p.parent for p in paths}
    return {f.parent if f.name == FOLDER else f for f in (p.absolute() for p in folders) if f.exists()}
