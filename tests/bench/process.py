"""What a process and its children use, read from /proc."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
END_S = 20.0


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name; None once the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents = {int(d.name): _stat(int(d.name)) for d in Path("/proc").iterdir() if d.name.isdigit()}
    found = [root]
    for pid in found:
        found += [child for child, stat in parents.items() if stat is not None and int(stat[1]) == pid]
    return found


def cpu_s(root: int) -> float:
    """Seconds of CPU of a process tree so far, of children that have ended too."""
    stats = [_stat(pid) for pid in tree(root)]
    return sum(sum(map(int, stat[11:15])) for stat in stats if stat is not None) / TICKS


def peak_mb(root: int) -> float:
    """The most memory that a process and its living children were resident with, each at its own peak, in MB."""
    total = 0.0
    for pid in tree(root):
        try:
            text = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        total += int(text.split("VmHWM:")[1].split()[0]) / 1024 if "VmHWM:" in text else 0
    return total


def rss_mb(pid: int) -> float:
    """Resident memory of one process, MB."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def end_pid(pid: int) -> None:
    """SIGTERM to a child of a process that was started here, which may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def end(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, and SIGKILL for one that does not end; its children go with it where it leads a process group."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
