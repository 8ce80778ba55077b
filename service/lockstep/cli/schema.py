"""`lockstep schema`."""

from pathlib import Path
from typing import Annotated

import typer

from lockstep.cli.shared.output import err, out


def schema(
    folder: Annotated[Path, typer.Option(help="Folder of the schemas")] = Path("schemas"),
    check_only: Annotated[bool, typer.Option("--check", help="Only say what differs")] = False,
) -> None:
    """Write the published schemas and the example of settings, or check that they are up to date."""
    from lockstep.tools.published_schemas import differences, write

    if check_only:
        wrong = differences(folder)
        for name in wrong:
            err.print(f"{name} is not what the models say; run `lockstep schema`")
        raise SystemExit(1 if wrong else 0)
    for name in write(folder):
        out.print(name)
