"""Another version of the rules: a folder or file, or the same path at a commit of its Git repository."""

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path
from zoneinfo import ZoneInfo

from lockstep.adapters.rule_files import load_rules
from lockstep.calendar import UTC
from lockstep.errors import RuleError
from lockstep.rule.language.load import Loaded

GIT_S = 30


def load_version(version: str, rules: Path, *, zone: ZoneInfo = UTC) -> Loaded:
    """The rules of `version`: a path where there is one, else a Git commit (branch, tag, `HEAD~1`) of `rules`.

    Raises RuleError.
    """
    if version and Path(version).exists():
        return load_rules(Path(version), zone=zone)
    folder = rules if rules.is_dir() else rules.parent
    top = _git(folder, "rev-parse", "--show-toplevel", version=version).decode().strip()
    commit = _git(
        folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{version}^{{commit}}", version=version
    )
    inside = folder.resolve().relative_to(Path(top).resolve())
    archive = _git(Path(top), "archive", commit.decode().strip(), "--", str(inside), version=version)
    with tempfile.TemporaryDirectory(prefix="lockstep-") as scratch:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(scratch, filter="data")
        at_commit = Path(scratch) / inside / ("" if rules.is_dir() else rules.name)
        if not at_commit.exists():
            raise RuleError(f"--against {version}: {rules} does not exist there; name a commit that has it")
        return load_rules(at_commit, zone=zone)


def _git(folder: Path, *arguments: str, version: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, timeout=GIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuleError(f"--against {version}: git does not answer: {error}; name a folder instead") from error
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().splitlines()
        reason = f" ({why[0]})" if why else ""
        raise RuleError(
            f"--against {version}: neither a path nor a commit of the repository around {folder}{reason}; "
            "name a folder, or a commit like HEAD~1"
        )
    return done.stdout
