"""The peers in environments of their own, below `.venv/peers`, each from its pinned requirements; made on first use."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.kafka.broker import WAY_OUT

HERE = Path(__file__).parent
PLACE = HERE.parents[2] / ".venv" / "peers"
INSTALL_S = 600.0
JAR = "flink-sql-connector-kafka-*.jar"


def python_of(peer: str) -> Path:
    """The interpreter that has the peer. Raises LookupError with what is missing."""
    wanted = (HERE / f"{peer}.txt").read_text()
    folder = PLACE / peer
    done = folder / "requirements.txt"  # written last: an environment that was cut short must not pass for one
    if not done.exists() or done.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], peer)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "-r", str(HERE / f"{peer}.txt")], peer)
        done.write_text(wanted)
    return folder / "bin" / "python"


def kafka_connector() -> Path:
    """The jar with which Flink reads Kafka. Raises LookupError with what is missing."""
    if shutil.which("java") is None or shutil.which("mvn") is None:
        raise LookupError(f"there is no Java or no Maven; run: {WAY_OUT}")
    folder = PLACE / "flink-jars"
    if not list(folder.glob(JAR)):
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
        _run(["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), *goal], "Flink's Kafka connector")
    return next(folder.glob(JAR))


def _run(command: list[str], what: str) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.TimeoutExpired:
        raise LookupError(f"{what} could not be installed within {INSTALL_S:.0f} s") from None
    if done.returncode:
        raise LookupError(f"{what} could not be installed: {(done.stdout + done.stderr).strip()[-300:]}")
