"""A real `lockstep serve` in a process of its own, and bytes sent to it as they are."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

RULES = """\
measures:
  stock: {last: available, of: stock.level}
rules:
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, at_most: 20}
"""


@dataclass
class Answer:
    """One response. headers: by name in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Served:
    """port: where it listens. log: what it writes, one JSON object a line."""

    port: int
    log: Path
    process: subprocess.Popen

    def ask(self, sent, *, half=False):
        """Every response to these bytes, in order. half: the client says that nothing more comes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(sent)
            if half:
                connection.shutdown(socket.SHUT_WR)
            received = b""
            try:
                while part := connection.recv(1 << 16):
                    received += part
            except ConnectionResetError:  # it closed with bytes of ours unread
                pass
        return answers(received)

    def ask_in_pieces(self, *pieces, half=False):
        """The same of several pieces, each sent when something has come back to the one before."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            received = b""
            for number, piece in enumerate(pieces):
                connection.sendall(piece)
                received += connection.recv(1 << 16) if number + 1 < len(pieces) else b""
            if half:
                connection.shutdown(socket.SHUT_WR)
            try:
                while part := connection.recv(1 << 16):
                    received += part
            except ConnectionResetError:  # it closed with bytes of ours unread
                pass
        return answers(received)

    def leave(self, sent):
        """Send these bytes and go away."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(sent)

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def answers(received):
    """What came back, cut into responses by their Content-Length."""
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        status = int(first.split()[1])
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        size = int(headers.get("content-length", 0))
        found.append(Answer(status, headers, rest[:size]))
        received = rest[size:]
    return [answer for answer in found if answer.status != 100]


def serve(folder, *, token="", **environ):
    """Start it in a folder, wait until it is ready."""
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "stock.yml").write_text(RULES)
    log = folder / "serve.log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSTEP_")}
    settings = {
        "LOCKSTEP_BROKER": f"sqlite:///{folder}/shop.db",
        "LOCKSTEP_HTTP_PORT": "0",
        "LOCKSTEP_LOG_FORMAT": "json",
        **({"LOCKSTEP_API_TOKEN": token} if token else {}),
        **environ,
    }
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "lockstep", "serve"], cwd=folder, env=kept | settings, stdout=said, stderr=said
        )
    with open(log, encoding="utf-8") as told:
        while process.poll() is None:
            line = told.readline()
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if found:
                port = int(found[1])
            if '"event": "serving"' in line:
                return Served(port, log, process)
    raise AssertionError(log.read_text())
