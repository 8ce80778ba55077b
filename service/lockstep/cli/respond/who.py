"""Who gives a command from a terminal."""

import getpass
from typing import Annotated

import typer

from lockstep.cli.shared.output import fail
from lockstep.response.standing import LONGEST_NAME

AsOption = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who does it, as the audit has it; default: your user name")
]


def name_of(given: str | None) -> str:
    """The name that the audit will have: of `--as`, else of the user who is logged in."""
    name = given
    if name is None:
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # a container whose user has no name
            fail("nobody knows who you are here; say it with --as NAME")
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        fail(f"--as: a name of at most {LONGEST_NAME} characters is meant")
    return name
