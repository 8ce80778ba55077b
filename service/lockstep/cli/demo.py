"""`lockstep demo`."""

import asyncio
from typing import Annotated

import typer


def demo(
    speed: Annotated[float, typer.Option(help="Seconds that the shown two weeks take")] = 4.0,
) -> None:
    """Replay six weeks of a real shop and watch the alerts being decided."""
    from lockstep.tools.demo.run import run_demo

    raise SystemExit(asyncio.run(run_demo(seconds=speed)))
