"""The process of a command: how often it collects garbage, and the exit codes of shells."""

import gc

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells give it."""

TERMINATED = 143
"""Exit code after SIGTERM, likewise."""


def collect_rarely() -> None:
    """Histories and caches are many objects without cycles; looking through them often costs a seventh of the time."""
    gc.set_threshold(200_000, 50, 100)
