"""Draws PNGs from SVG in a process of its own: a drawing holds Python's lock for as long as it takes, and may crash."""

import asyncio
import contextlib
import sys
from pathlib import Path

import structlog

log = structlog.get_logger("lockstep.charts")

DRAWING_S = 2.0
"""How long one picture is waited for, the start of the process included; 20 to 60 ms are usual."""
LARGEST = 1 << 22
"""Bytes of a drawing or a picture."""
_PROGRAM = Path(__file__).with_name("png_process.py")


class Painter:
    """The process that draws, started with the first picture, and anew after one that did not come."""

    def __init__(self, *, drawing_s: float = DRAWING_S, program: Path = _PROGRAM) -> None:
        self._drawing_s, self._program = drawing_s, program
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def png(self, svg: str) -> bytes | None:
        """The picture of an SVG document; None where none can be made in time."""
        try:
            async with asyncio.timeout(self._drawing_s), self._turn:
                try:
                    return await self._draw(svg.encode())
                except BaseException:
                    await self.close()  # what it says next would be the answer to this drawing
                    raise
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            log.warning("a chart could not be drawn; the message goes without", reason=type(error).__name__)
            return None

    async def _draw(self, svg: bytes) -> bytes | None:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                str(self._program),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(len(svg).to_bytes(4, "big") + svg)
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(4), "big")
        if length > LARGEST:
            raise ValueError(f"a picture of {length} bytes")
        return await process.stdout.readexactly(length) or None

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
