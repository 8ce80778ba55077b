"""What service/README.md says of the house: a new part touches what is listed there, and nothing else."""

import ast
import re
import tomllib
from collections.abc import Container, Iterator
from pathlib import Path
from typing import get_args

import pytest

from lockstep.adapters.channel_table import SENDERS, build_channels
from lockstep.event import TYPES
from lockstep.measure.definition import Expression
from lockstep.notification import Audience
from lockstep.notify.receivers import CHANNELS
from lockstep.rule.condition.bound import Source
from lockstep.rule.condition.kind_table import KINDS
from lockstep.rule.condition.kinds import Condition, Leaf
from lockstep.settings import Settings

ROOT = Path(__file__).parents[2]
CODE = ROOT / "service" / "lockstep"


def _touched(part: str) -> tuple[str, list[str]]:
    """(the new file or "", the files that are edited) of a new part, as the table has it."""
    text = (ROOT / "service" / "README.md").read_text().partition("## What a new part touches")[2]
    (row,) = (line.split("|") for line in text.splitlines() if line.startswith(f"| {part} |"))
    new, edited = re.findall(r"`([\w/]+\.py)`", row[2]), re.findall(r"`([\w/]+\.py)`", row[3])
    return "".join(new), edited


def _names(path: Path) -> Iterator[str]:
    """What code says of a channel: its name as a text or a field, and its module."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Constant(str(text)):
                yield text
            case ast.AnnAssign(target=ast.Name(name)):
                yield name
            case ast.ImportFrom(module=str(module)) if module.startswith("lockstep.adapters.channels."):
                yield module.rpartition(".")[2]


MEMBERS = {
    part.__name__
    for union in (Leaf, Condition, Expression, Source)
    for part in get_args(union)
    if isinstance(part, type)
}
"""The classes of closed unions: kinds of conditions, parts of formulas, sources of bounds."""


def test_a_new_condition_is_one_file_and_four_edits():
    """Each kind has its file; what is said of all of them is asked of the table, in no list of kinds elsewhere.

    That the value is in the union and the table has it, mypy demands; that it can be written and compiled, and that
    the table is whole, `tests/rule/test_kinds.py`.
    """
    new, edited = _touched("condition")
    assert len(edited) == 4
    code = {str(path.relative_to(CODE)): path for path in CODE.rglob("*.py")}
    assert {*edited} <= code.keys()
    kinds = {kind.of.__name__ for kind in KINDS}
    folder = new.rpartition("/")[0]
    files = {name for name in code if name.startswith(f"{folder}/")} - {f"{folder}/__init__.py"}
    assert len(files) == len(kinds)
    naming = {name: kinds & {*_classes(path)} for name, path in code.items() if name not in files}
    of_all = {name for name, named in naming.items() if len(named) > len(kinds) / 2}
    assert of_all == {"rule/condition/kinds.py", "rule/condition/kind_table.py", "rule/language/compile/condition.py"}


def _classes(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name):
            yield node.id


def _silent_matches(path: Path) -> Iterator[int]:
    """Lines of matches over a closed union that forget a member without a word: the last case neither is
    `assert_never` nor hands on what is matched."""
    for match in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Match)):
        patterns = [p.cls for case in match.cases for p in ast.walk(case.pattern) if isinstance(p, ast.MatchClass)]
        if MEMBERS.isdisjoint(p.id for p in patterns if isinstance(p, ast.Name)):
            continue
        last = match.cases[-1]
        is_rest = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None
        used = {ast.unparse(node) for line in last.body for node in ast.walk(line)}
        if not is_rest or ast.unparse(match.subject) not in used:
            yield match.lineno


def test_no_match_over_a_closed_union_has_a_silent_default():
    """`case _: return {0}` let an alert of a new kind fire late and never resolve."""
    found = {str(path.relative_to(CODE)): [*_silent_matches(path)] for path in CODE.rglob("*.py")}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_new_channel_is_one_file_and_two_edits():
    """No other code names a channel, or knows which there are; the demo alone names whom it plays."""
    new, edited = _touched("channel")
    assert len(edited) == 2
    known = {new.replace("NAME", channel) for channel in CHANNELS} | {*edited}
    code = {str(path.relative_to(CODE)): path for path in CODE.rglob("*.py")}
    naming = {name for name, path in code.items() if not CHANNELS.keys().isdisjoint(_names(path))}
    assert {name.rpartition("/")[0] for name in naming - known} == {"tools/demo"}
    assert known <= code.keys()
    folder = new.rpartition("/")[0]
    assert {name for name in code if name.startswith(folder)} - known == {f"{folder}/__init__.py"}


def test_a_new_event_type_is_two_edits():
    """These two name every type; the others name those that they have a word for, or play, and go on without."""
    _, edited = _touched("event type")
    code = {str(path.relative_to(CODE)): set(_names(path)) for path in CODE.rglob("*.py")}
    assert {name for name, said in code.items() if said >= TYPES.keys()} == {*edited}
    assert {name for name, said in code.items() if said & TYPES.keys()} - {*edited} == {
        "adapters/inbound/shopify.py",  # what a sender's topics become
        "adapters/inbound/woocommerce.py",
        "adapters/inbound/segment.py",
        "notify/advice.py",  # what each team may do
        "adapters/http/operations/campaigns/campaign_operations.py",  # what marketing announces
        "adapters/http/pages/shop/today_tiles.py",  # which number of the page rules on them are about
        "shop/series.py",  # what facts are made of
        "shop/ledger.py",  # what those say that travel whole
        "tools/backtest/campaign_events.py",  # what rules of a replay know of campaigns
        "tools/demo/shop.py",
        "tools/foreign_rules/shop_measures.py",  # what metrics of shops are called
    }


def test_a_call_with_many_arguments_names_them():
    """Ten values in a row are read by counting; by name two of one type cannot change places."""
    calls = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in (CODE, ROOT / "tests")
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and len(node.args) >= 10 and not _is_list(node.args)
    }
    assert calls == set()


def _is_list(arguments: list[ast.expr]) -> bool:
    """Texts alone, as the words of a command, or with a `*` among them: such a function takes any number."""
    is_text = [isinstance(a, ast.Constant) and isinstance(a.value, str) for a in arguments]
    return all(is_text) or any(isinstance(a, ast.Starred) for a in arguments)


def _parts_of(folder: Path) -> set[str]:
    """The modules and folders of a folder, as documents name them: `alert.py`, `judge/`."""
    modules = {path.name for path in folder.glob("*.py")} - {"__init__.py", "__main__.py"}
    return modules | {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}


def test_every_part_of_the_house_is_on_its_maps():
    """Who looks for one finds what it is, in the README and in the head of the package."""
    text = (ROOT / "service" / "README.md").read_text()
    drawn = set(re.findall(r"`([\w/.]+)`", text.partition("## The house")[2].partition("`make check`")[0]))
    parts = _parts_of(CODE) - {"adapters/"} | {f"adapters/{name}" for name in _parts_of(CODE / "adapters")}
    assert parts - drawn == set()
    known = " ".join(f"/{path.relative_to(CODE)}{'/' * path.is_dir()} " for path in CODE.rglob("*"))
    assert {name for name in drawn if name.endswith((".py", "/")) and f"/{name} " not in known} == set()
    head = ast.get_docstring(ast.parse((CODE / "__init__.py").read_text())) or ""
    assert {name for name in _parts_of(CODE) if not re.search(rf"\b{name.removesuffix('.py')}", head)} == set()


SAYING_NOTHING = {"found", "told"}
"""Names that fit every local: once a function in eight had a `found`, and `told` was an offset, a bool and a class."""


def _locals(path: Path) -> set[str]:
    """What a file names in its functions: parameters, and all that is bound there."""
    names = set()
    code = ast.walk(ast.parse(path.read_text()))
    functions = [node for node in code if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]
    for node in (node for function in functions for node in ast.walk(function)):
        match node:
            case ast.Name(name, ast.Store()) | ast.arg(name) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=name):
                names.add(name)
            case ast.ExceptHandler(name=str(name)):
                names.add(name)
    return names


def test_a_local_is_named_after_what_it_holds():
    """`missing`, `offsets`, `verdict`: what one reads in the middle of a function says what it is."""
    saying_nothing = {
        str(path.relative_to(CODE)) for path in CODE.rglob("*.py") if not SAYING_NOTHING.isdisjoint(_locals(path))
    }
    assert saying_nothing == set()


def _reckons_with(path: Path, numbers: Container[float]) -> bool:
    """Whether code adds, multiplies or divides by one of these numbers as they stand."""
    operations = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.BinOp))
    sides = [side for operation in operations for side in (operation.left, operation.right)]
    return any(isinstance(side, ast.Constant) and side.value in numbers for side in sides)


def test_a_day_and_a_second_have_one_home():
    """`DAY_S` and `SECOND` say what is meant: a number of seconds, or of microseconds."""
    lengths = {86_400, 604_800, 1_000_000, 86_400_000_000}
    reckoning = {str(path.relative_to(CODE)) for path in CODE.rglob("*.py") if _reckons_with(path, lengths)}
    assert reckoning == {"measure/meter.py"}  # in its loop over every event


def test_no_two_modules_of_one_name_mean_different_things():
    """Within `rule/` alone a name stands twice: there it is one thing as it is written, compiled and judged."""
    places: dict[str, list[str]] = {}
    for path in CODE.rglob("*.py"):
        if path.stem != "__init__":
            places.setdefault(path.stem, []).append(path.relative_to(CODE).parts[0])
    assert {name for name, parts in places.items() if len(parts) > 1 and {*parts} != {"rule"}} == set()


READS_OR_WRITES = {"open", "input", "print", "read_text", "read_bytes", "write_text", "write_bytes"}
"""What no import tells: the builtins, and the methods of a path that somebody hands in."""


def _core() -> list[Path]:
    """The files of the modules that a contract keeps from the world."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (c for c in contracts if "pathlib" in c.get("forbidden_modules", ()))
    places = [CODE.parent / module.replace(".", "/") for module in contract["source_modules"]]
    return [
        file for place in places for file in ([*place.rglob("*.py")] if place.is_dir() else [place.with_suffix(".py")])
    ]


def _calls(path: Path) -> set[str]:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {f.id if isinstance(f, ast.Name) else f.attr for f in calls if isinstance(f, ast.Name | ast.Attribute)}


def test_the_core_opens_no_file():
    """It is given texts; the contract forbids `pathlib`, and this what needs no import."""
    assert {str(path.relative_to(CODE)): used for path in _core() if (used := _calls(path) & READS_OR_WRITES)} == {}
    assert _calls(CODE / "adapters" / "rule_files.py") & READS_OR_WRITES  # the control


def test_every_channel_that_can_be_named_can_be_sent_by():
    """The model of routing.yml and the table of senders know the same channels, each with all that is asked of it."""
    assert CHANNELS.keys() == SENDERS.keys() == build_channels(Settings(), {}).keys()
    for way in CHANNELS.values():
        assert (isinstance(way.audience, Audience), way.life_s > 0) == (True, True)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_channel_ends_its_attempts_before_its_deliveries_end(channel):
    """One attempt that hangs leaves time for another."""
    assert SENDERS[channel].attempt_s < CHANNELS[channel].life_s / 4


def _reached_into(text: str) -> set[str]:
    """The private names of other objects that code reads or calls: `_rules` of `judge._rules`, not of `self._rules`."""
    return {
        node.attr
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute)
        and re.match(r"_[^_]", node.attr)
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    }


def test_nobody_reaches_into_a_judge():
    """Its rooms hand each other what they need, and who watches one is handed what it may see."""
    rooms = {path.name: path.read_text() for path in (CODE / "judge").glob("*.py")}
    assert {name: names for name, text in rooms.items() if (names := _reached_into(text))} == {}
    private = set(re.findall(r"\b(?:self\.|def )(_[a-z]\w*)", "\n".join(rooms.values())))
    code = {path: path.read_text() for folder in (CODE, ROOT / "tests") for path in folder.rglob("*.py")}
    users = {path.name: _reached_into(text) & private for path, text in code.items() if "lockstep.judge." in text}
    assert {name: names for name, names in users.items() if names} == {}
    assert _reached_into("judge._rules[0], self._rules") & private == {"_rules"}  # the control
