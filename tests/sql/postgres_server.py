"""A real PostgreSQL, made and started by the tests; skipped, and said at the end, where it is not installed."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from kafka_for_tests import held_ports

NO_POSTGRES = "PostgreSQL WAS NOT TESTED: initdb, postgres and psql are not on the PATH"
PROGRAMS = ("initdb", "postgres", "psql")


def is_installed() -> bool:
    return all(shutil.which(name) for name in PROGRAMS)


class PostgresServer:
    """One cluster in a folder of its own. It outlives `kill`, and goes on with `start`."""

    def __init__(self) -> None:
        self._initdb, self._server, self._client = (str(shutil.which(name)) for name in PROGRAMS)
        self._user = "postgres" if os.getuid() == 0 else None  # it does not run as root
        (self._port,) = held_ports(1)
        self._folder = tempfile.mkdtemp(prefix="lockstep-postgres-", dir="/tmp")
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        made = subprocess.run(
            [self._initdb, "-D", f"{self._folder}/data", "-U", "shop", "-A", "trust", "--no-sync"],
            user=self._user,
            capture_output=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr.decode()

    def start(self) -> Self:
        options = ["-D", f"{self._folder}/data", "-p", str(self._port), "-k", self._folder]
        options += ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        with open(f"{self._folder}/log", "ab") as log:
            self._process = subprocess.Popen(
                [self._server, *options], user=self._user, cwd=self._folder, stdout=log, stderr=log
            )
        for _ in range(600):
            if self._ask("postgres", "SELECT 1").returncode == 0:
                return self
            assert self._process.poll() is None, Path(self._folder, "log").read_text()
        raise AssertionError("PostgreSQL does not answer")

    def kill(self) -> None:
        """At once: whoever is connected is cut off."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # its fast shutdown
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    def new_database(self, script: str = "") -> str:
        """The URL of a database that nobody else uses."""
        self._databases += 1
        name = f"shop{self._databases}"
        assert self._ask("postgres", f"CREATE DATABASE {name}").returncode == 0
        if script:
            asked = self._ask(name, script)
            assert asked.returncode == 0, asked.stderr.decode()
        return f"postgresql+psycopg://shop:secret@127.0.0.1:{self._port}/{name}"

    def _ask(self, database: str, *statements: str) -> "subprocess.CompletedProcess[bytes]":
        address: Sequence[str] = ["-h", "127.0.0.1", "-p", str(self._port), "-U", "shop", "-d", database]
        commands = [word for statement in statements for word in ("-c", statement)]
        return subprocess.run(
            [self._client, *address, "-v", "ON_ERROR_STOP=1", *commands], capture_output=True, check=False
        )
