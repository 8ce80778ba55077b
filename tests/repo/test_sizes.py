"""How large a room may be: lines of a file, methods of a class, files of a folder. Complexity is ruff's (C901)."""

import ast
from pathlib import Path

import pytest

SERVICE = Path(__file__).parents[2] / "service"
MOST_LINES, MOST_METHODS, MOST_FILES = 600, 40, 15

EXCEPTIONS: dict[str, str] = {}
"""What is larger, by `path`, `path::Class` or `folder/`, and why it may be. One that is no longer needed fails."""


def _methods(file: Path) -> dict[str, int]:
    classes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ClassDef)]
    return {
        node.name: sum(isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) for part in node.body)
        for node in classes
    }


def _too_large(root: Path) -> dict[str, int]:
    """Everything under a folder that is larger than it may be → how large it is."""
    files = {str(path.relative_to(root)): path for path in root.rglob("*.py")}
    lines = {name: len(path.read_text().splitlines()) for name, path in files.items()}
    methods = {f"{name}::{owner}": count for name, path in files.items() for owner, count in _methods(path).items()}
    folders: dict[str, int] = {}
    for name in files:
        folder = name.rpartition("/")[0] + "/"
        folders[folder] = folders.get(folder, 0) + 1
    return {
        **{name: count for name, count in lines.items() if count > MOST_LINES},
        **{name: count for name, count in methods.items() if count > MOST_METHODS},
        **{name: count for name, count in folders.items() if count > MOST_FILES},
    }


def test_no_room_is_too_large():
    """But for those that are listed; and none is listed that has become small enough."""
    too_large = _too_large(SERVICE)
    assert {name: size for name, size in too_large.items() if name not in EXCEPTIONS} == {}
    assert EXCEPTIONS.keys() - too_large.keys() == set(), "no longer needed"
    assert all(EXCEPTIONS.values()), "say why"


@pytest.mark.parametrize(
    ("lines", "methods", "files", "found"),
    [
        pytest.param(600, 40, 15, {}, id="as large as can be"),
        pytest.param(601, 1, 1, {"room/0.py": 601}, id="a line too many"),
        pytest.param(600, 41, 1, {"room/0.py::Fat": 41}, id="a method too many"),
        pytest.param(600, 1, 16, {"room/": 16}, id="a file too many"),
    ],
)
def test_a_room_that_is_too_large_is_found(tmp_path, lines, methods, files, found):
    """The control: the bounds themselves are still allowed."""
    room = tmp_path / "room"
    room.mkdir()
    body = ["class Fat:", *(f"    async def m{n}(self): ..." for n in range(methods))]
    (room / "0.py").write_text("\n".join(body + [""] * (lines - len(body))) + "\n")
    for n in range(1, files):
        (room / f"{n}.py").write_text("")
    assert _too_large(tmp_path) == found
