"""Tells when a file of rules or tests has changed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from watchfiles import watch

from lockstep.tools.ruletest.suite import FOLDER


def changes(paths: Sequence[Path]) -> Iterator[None]:
    """Once for each heap of changes to YAML files, until somebody presses Ctrl-C."""
    for changed in watch(*_roots(paths), raise_interrupt=False):
        if any(Path(name).suffix in (".yml", ".yaml", ".csv") for _, name in changed):
            yield None


def _roots(paths: Sequence[Path]) -> set[Path]:
    """The folders that hold the files and the rules that they are about."""
    folders = {p if p.is_dir() else p.parent for p in paths}
    return {f.parent if f.name == FOLDER else f for f in (p.absolute() for p in folders) if f.exists()}
