"""Reads a calendar that was fetched once in a process of its own, before the service does.

What recurs is found by a library that looks for the next time until the year 9999: for a rule that names a 30 February
it does so for minutes or hours, and nobody can end it. The service would stand still with it.
"""

import asyncio
import resource
import sys
from contextlib import suppress
from zoneinfo import ZoneInfo

from lockstep.calendar.feed_entries import Feed, feed_entries
from lockstep.calendar.ical_text import CalendarFault

READ_S = 5
"""Seconds of CPU for one calendar; one of 5,000 events takes about one."""
WAIT_S = 60.0
"""How long is waited for them on a busy machine."""
LARGEST = 1_600_000_000
"""Bytes that it may address. What it has in use (`ru_maxrss`) says nothing: it begins with that of the service, which
started it."""


async def is_read_in_time(text: str) -> bool:
    """Whether reading a calendar comes to an end within bounds, whatever it says.

    Raises OSError where no process can be started.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(WAIT_S):
            await process.communicate(text.encode())
    except TimeoutError:
        return False
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return process.returncode == 0


def main() -> int:
    """Read what comes on standard input; 0 where it took no more than it may."""
    resource.setrlimit(resource.RLIMIT_CPU, (READ_S, READ_S))
    resource.setrlimit(resource.RLIMIT_AS, (LARGEST, LARGEST))
    text = sys.stdin.buffer.read().decode()
    try:
        feed_entries(text, Feed("trial.ics", "content"), ZoneInfo("UTC"))
    except CalendarFault as fault:
        return int(isinstance(fault.__cause__, MemoryError))
    return 0


if __name__ == "__main__":
    sys.exit(main())
