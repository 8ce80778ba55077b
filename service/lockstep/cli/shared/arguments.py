"""Options that several commands share, and how their texts are read."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from lockstep.cli.shared.output import fail

BrokerOption = Annotated[str | None, typer.Option(help="sqlite:///FILE or kafka://HOST:PORT")]
RulesOption = Annotated[Path | None, typer.Option(help="Folder of rule files")]


def moment(text: str | None, option: str = "--until") -> datetime | None:
    """The instant that an option names, in UTC where it names no zone; ends the command where it is no time."""
    if text is None:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option}: '{text}' is no time; write 2026-11-24T09:30:00Z")
    return read if read.tzinfo else read.replace(tzinfo=UTC)
