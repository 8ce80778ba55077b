"""Memory of a judge with many series: what each costs is what the larger number has more than the smaller."""

import subprocess
import sys

from tests.bench.session import Session

SIZES = {"plain": (1_000, 100_000), "seasonal": (200, 400)}


def run(session: Session) -> None:
    for what, sizes in SIZES.items():
        found = []
        for size in sizes:
            with session.step(f"a judge with {size:,} series, {what}"):
                command = [sys.executable, "-m", "tests.bench.series", what, str(size)]
                found.append([float(n) for n in subprocess.check_output(command, text=True).split()])
        (few, small), (many, large) = found
        session.add(f"series.{what}.kb", (large - small) * 1024 / (many - few))
        session.say(f"series.{what}.kb")
