"""The demo's service ends with the demo, however that ends."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

PATIENCE_S = 300.0


def service_of(pid: int) -> int | None:
    """The process id of a demo's service, once it runs."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"demo-service" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return None


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)])
async def test_the_service_ends_with_the_demo(tmp_path, how, code):
    """Asked to end, the demo ends its service first; killed, the service sees that nobody sets its clock any more."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lockstep", "demo", "--speed", "600"),
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    service: int | None = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (service := service_of(process.pid)) is None:
                assert process.returncode is None
                await asyncio.sleep(0.05)
            if how == signal.SIGKILL:  # it listens to its clock from then on
                while not any(b"http://" in log.read_bytes() for log in tmp_path.rglob("serve.log")):
                    await asyncio.sleep(0.05)
            process.send_signal(how)
            assert await process.wait() == code
            if how == signal.SIGTERM:
                assert not is_running(service)
            while is_running(service):
                await asyncio.sleep(0.05)
    finally:
        for pid in (process.pid, service):
            if pid is not None and is_running(pid):
                os.kill(pid, signal.SIGKILL)
