"""Every fault that rule files can have, each with its whole report at the top of the file that shows it."""

import re
from pathlib import Path

import pytest

from lockstep.adapters.rule_files import load_routing, load_rules
from lockstep.rule.language.lint.lint import CODES
from lockstep.rule.language.load import load_texts
from lockstep.tools.check.check_report import check, exit_code

FOLDER = Path(__file__).parent / "faults"
FILES = sorted(FOLDER.glob("*.yml"))
ELSEWHERE = {
    "LS101",
    "LS154",
    "LS162",
    "LS173",
    "LS202",
    "LS262",
    "LS263",
    "LS271",
    "LS281",
    "LS292",
    "LS293",
    *(code for code in CODES if code.startswith(("LS19", "LS24", "LS25"))),
}
"""Codes that one file alone does not show: not UTF-8, not there, teams and rules together, how long events are kept,
which day it is; LS173 is one of calendars of others, see test_calendar_feeds.py, LS292 and LS293 are those of shop.yml,
see test_shop_file.py.

LS19n are faults of tests, which tests/ruletest shows; LS24n those of mappings, which tests/convert shows; LS25n those
of sources.yml, which tests/sql shows.
"""


def _expected(text: str) -> list[str]:
    return [line.removeprefix("#> ") for line in text.splitlines() if line.startswith("#> ")]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_a_bad_file_gets_this_report(file):
    """Where, what, the way out, code: all of it, as the author reads it."""
    text = file.read_text()
    if file.stem.startswith("routing"):
        said = [str(f).removeprefix(f"{file}:") for f in load_routing(file)[1]]
    else:
        name = "calendar.yml" if file.stem.startswith("calendar") else "r.yml"
        said = [str(f).removeprefix(f"{name}:") for f in load_texts({name: text}).faults]
    assert said == _expected(text)


def test_every_code_has_a_file_that_shows_it():
    """A code that nobody can get would be explained for nothing."""
    shown = {code for file in FILES for line in _expected(file.read_text()) for code in re.findall(r"LS\d{3}", line)}
    assert shown == set(CODES) - ELSEWHERE


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """Not there, not UTF-8, too large, a folder without rules: a report, never a traceback."""
    latin, large, empty = tmp_path / "latin.yml", tmp_path / "large.yml", tmp_path / "empty"
    latin.write_bytes(b"measures:\n  # f\xfcr\n")
    large.write_bytes(b"#" * (1 << 20) + b"\n")
    empty.mkdir()
    report = check([latin, large, empty, tmp_path / "gone.yml"])
    assert [str(f).removeprefix(f"{tmp_path}/") for f in report.faults] == [
        "empty:1:1: warning: no rule file in this folder; name the folder that holds your *.yml [LS101]",
        "gone.yml:1:1: there is no such file; check the path [LS101]",
        "large.yml:1:1: 1048577 bytes; at most 1048576; split the file [LS101]",
        "latin.yml:2:1: not UTF-8; save the file as UTF-8 [LS101]",
    ]


def test_what_no_rule_has_is_named_in_routes_and_inhibitions(tmp_path):
    """A slip in a matcher would match nothing, and nobody would know."""
    (tmp_path / "rules.yml").write_text(
        "measures: {stock: {last: available, of: stock.level}}\n"
        "rules:\n  - {name: LowStock, by: [sku], threshold: {measure: stock, at_most: 20}}\n"
    )
    (tmp_path / "routing.yml").write_text(
        "teams: {marketing: [mail], operations: [mail]}\n"
        "receivers: {mail: {email: {to: anna@example.com}}}\n"
        "routes:\n  - {match: [rule=LowStok], to: mail}\n"
        "inhibitions:\n  - {source: [rule=LowStck], target: [skuu=A-1, severity!=criticl], equal: [sku, skuuu]}\n"
    )
    said = [str(f).partition("routing.yml:")[2] for f in check([tmp_path]).faults]
    assert said == [
        "4:14: warning: there is no rule 'LowStok'; did you mean 'LowStock'? [LS281]",
        "6:15: warning: there is no rule 'LowStck'; did you mean 'LowStock'? [LS281]",
        "6:39: warning: no rule has the label 'skuu'; did you mean 'sku'? [LS281]",
        "6:49: warning: there is no severity 'criticl'; did you mean 'critical'? [LS281]",
        "6:82: warning: no rule has the label 'skuuu', so this inhibition hushes nothing; did you mean 'sku'? [LS281]",
    ]


@pytest.mark.parametrize(
    ("hooks", "said"),
    [
        (
            "{to: hook}",
            "3:1: warning: neither PromotedOutOfStock nor PromotedRunsLow is there, so nothing is ever paused; "
            "write packs: [promotions] in shop.yml, or name other rules here [LS281]",
        ),
        ("{to: hook, rules: LowStok}", "3:31: warning: there is no rule 'LowStok'; did you mean 'LowStock'? [LS281]"),
        ("{to: hook, rules: [LowStock]}", ""),
    ],
)
def test_a_promotion_hook_without_its_rules_is_named(tmp_path, hooks, said):
    """It would never pause anything, and nobody would know."""
    (tmp_path / "rules.yml").write_text(
        "measures: {stock: {last: available, of: stock.level}}\n"
        "rules:\n  - {name: LowStock, by: [sku], threshold: {measure: stock, at_most: 20}}\n"
    )
    (tmp_path / "routing.yml").write_text(
        "teams: {marketing: [hook], operations: [hook]}\n"
        "receivers: {hook: {webhook: {url: 'https://example.com/in', secret: {secret: HOOK}}}}\n"
        f"promotions: {hooks}\n"
    )
    faults = check([tmp_path]).faults
    assert [str(f).partition("routing.yml:")[2] for f in faults] == ([said] if said else [])


def test_its_hooks_find_the_rules_of_the_pack(tmp_path):
    """Switched on, the pack promotions has both rules that pause."""
    (tmp_path / "shop.yml").write_text("packs: [promotions]\n")
    (tmp_path / "routing.yml").write_text(
        "teams: {marketing: [hook], operations: [hook]}\n"
        "receivers: {hook: {webhook: {url: 'https://example.com/in', secret: {secret: HOOK}}}}\n"
        "promotions: {to: hook}\n"
    )
    assert check([tmp_path]).faults == ()


GOOD = "measures: {stock: {last: available, of: stock.level}}\nrules:\n"


def _folder(path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(text)
    return path


def test_a_bad_rule_costs_only_itself(tmp_path):
    """The measures and the other rules of its file are used, by other files too."""
    folder = _folder(
        tmp_path,
        {
            "a.yml": GOOD + "  - {name: Bad, treshold: 5}\n  - {name: A, threshold: {measure: stock, at_most: 5}}\n",
            "b.yml": "rules:\n  - {name: B, threshold: {measure: stock, at_most: 5}}\n",
            "c.yml": "rules: [",
        },
    )
    loaded = load_rules(folder)
    assert [r.name for r in loaded.plan.rules] == ["A", "B"]
    assert [(Path(f.path).name, f.code) for f in loaded.errors] == [("a.yml", "LS110"), ("c.yml", "LS102")]


def test_a_bad_measure_is_said_once():
    """Not again for every rule and formula that uses it."""
    text = """\
measures:
  orders: {count: order.plced}
  rate: {formula: orders / sessions}
  sessions: {count: traffic.session}
rules:
  - {name: A, threshold: {measure: orders, window: 1h, above: 5}}
  - {name: B, threshold: {measure: rate, window: 1h, above: 5}}
  - {name: C, threshold: {measure: sessions, window: 1h, above: 5}}
"""
    loaded = load_texts({"r.yml": text})
    assert [f.code for f in loaded.faults] == ["LS132"]
    assert [r.name for r in loaded.plan.rules] == ["C"]


def test_a_measure_of_an_unreadable_file_may_be_there():
    """Whoever looks for a typo in the name is told where else to look."""
    rules = "rules:\n  - {name: A, threshold: {measure: stock, at_most: 5}}\n"
    said = [str(f) for f in load_texts({"a.yml": rules, "m.yml": "measures: ["}).faults]
    assert said[0] == (
        "a.yml:2:36: rule 'A': unknown measure 'stock'; none are known "
        "(or does it stand in m.yml, which cannot be read?) [LS130]"
    )


def test_a_calendar_that_cannot_be_read_holds_no_measure():
    """Nobody is sent to look for one where none can be, in calendar.yml and shop.yml."""
    rules = "rules:\n  - {name: A, threshold: {measure: room_lef, at_most: 5}}\n"
    loaded = load_texts({"a.yml": rules, "calendar.yml": "holidays: [", "shop.yml": "packs: ["})
    said = [str(f) for f in loaded.faults if f.path == "a.yml"]
    assert said == ["a.yml:2:36: rule 'A': unknown measure 'room_lef'; did you mean 'room_left'? [LS130]"]


def test_a_file_alone_borrows_the_measures_of_its_folder(tmp_path):
    """`lockstep check rules/stock.yml` says of a file what `lockstep check rules` says, and nothing of the others."""
    folder = _folder(
        tmp_path,
        {
            "measures.yml": "measures: {stock: {last: available, of: stock.level}, odd: {count: x}}\n",
            "stock.yml": "rules:\n  - {name: A, threshold: {measure: stock, at_most: 5}}\n",
        },
    )
    report = check([folder / "stock.yml"])
    assert (report.faults, report.rules, report.files) == ((), 1, 1)
    assert [f.code for f in check([folder]).faults] == ["LS132"]


def test_one_name_in_two_files_is_told_with_both_places(tmp_path):
    """The first keeps the name."""
    rule = "  - {name: A, threshold: {measure: stock, at_most: 5}}\n"
    loaded = load_texts({"a.yml": GOOD + rule, "b.yml": GOOD + rule})
    assert [str(f) for f in loaded.faults] == [
        "b.yml:1:12: measure 'stock': the name stands also in a.yml:1; rename one of them [LS140]",
        "b.yml:3:12: rule 'A' stands also in a.yml:3; rename one of them [LS140]",
    ]
    assert [r.place for r in loaded.plan.rules] == ["a.yml:3"]


def test_routing_and_rules_are_looked_at_together(tmp_path):
    """A team that nobody reaches is told at the rule; tests/ and calendar.yml hold no rules."""
    rule = "  - {name: A, teams: [marketng], threshold: {measure: stock, at_most: 5}}\n"
    folder = _folder(
        tmp_path,
        {
            "r.yml": GOOD + rule,
            "routing.yml": "teams: {marketing: [mail]}\nreceivers: {mail: {email: {to: a@b.example}}}\n",
            "calendar.yml": "holidays: []\n",
            "tests/t.yml": "anything: at all\n",
        },
    )
    report = check([folder])
    assert [str(f).removeprefix(f"{tmp_path}/") for f in report.faults] == [
        f"r.yml:3:1: warning: rule 'A' is for the team 'marketng', which {folder}/routing.yml does not name; "
        "did you mean 'marketing'? [LS150]"
    ]
    assert (report.rules, report.files) == (1, 3)


@pytest.mark.parametrize(
    ("rule", "strict", "expected"),
    [
        pytest.param("threshold: {measure: stock, at_most: 5}", True, 0, id="clean"),
        pytest.param("threshold: {measure: stok, at_most: 5}", False, 1, id="an error"),
        pytest.param("by: [colour], threshold: {measure: stock, at_most: 5}", False, 0, id="a warning"),
        pytest.param("by: [colour], threshold: {measure: stock, at_most: 5}", True, 3, id="a warning that counts"),
    ],
)
def test_the_exit_code(tmp_path, rule, strict, expected):
    """0 clean, 1 errors, 3 warnings with --strict."""
    report = check([_folder(tmp_path, {"r.yml": f"{GOOD}  - {{name: A, {rule}}}\n"})])
    assert exit_code(report, strict=strict) == expected


def test_every_fault_of_a_rule_is_said_in_one_round():
    """A shape that is wrong, or a measure that is not there, hides no wrong name in the rest of the rule."""
    text = """\
measures: {orders: {count: order.placed}}
rules:
  - name: A
    by: [channel]
    all:
      - threshold: {measure: ordrs, window: 90, above: many}
      - not: {absence: {measure: order, window: 1h}}
    severty: critical
    teams: marketing
    say: {summary: "{{ labels.sku }}", operations: "{{ valeu }}"}
  - {name: A, for: 5 minuts, threshold: {measure: odrers, window: 1h, above: 1}}
  - name: B
    by: [colour]
    threshold: {measure: orders, window: 1h, above: 5}
    clear: {below: 7}
    for: 5
  - name: C
    spike: {measure: orders, window: 90, above: 2x}
    clear: {below: 3x}
"""
    assert [str(f) for f in load_texts({"r.yml": text}).faults] == [
        "r.yml:6:30: rule 'A': unknown measure 'ordrs'; did you mean 'orders'? [LS130]",
        "r.yml:6:45: rule 'A': window '90' has no unit; write 90s, 90m or 90h [LS104]",
        "r.yml:6:56: rule 'A': above 'many' is no number; write one like 20, 2.5 or 25% [LS106]",
        "r.yml:7:34: rule 'A': unknown measure 'order'; did you mean 'orders'? [LS130]",
        "r.yml:8:5: rule 'A': unknown key 'severty'; did you mean 'severity'? [LS110]",
        "r.yml:10:20: rule 'A': the text names 'labels.sku'; known are labels.channel [LS141]",
        "r.yml:10:40: warning: rule 'A': a text for 'operations', who does not hear of this rule; "
        "known are marketing, summary [LS143]",
        "r.yml:10:52: rule 'A': the text names 'valeu'; did you mean 'value'? [LS141]",
        "r.yml:11:12: rule 'A' stands also in r.yml:3; rename one of them [LS140]",
        "r.yml:11:20: rule 'A': for '5 minuts' is no duration; write one like 90s, 15m, 1h30m or 7d [LS104]",
        "r.yml:11:51: rule 'A': unknown measure 'odrers'; did you mean 'orders'? [LS130]",
        "r.yml:13:10: warning: rule 'B': order.placed has no 'colour' of its own; did you mean 'country'? "
        "(an extra field is fine, too) [LS135]",
        "r.yml:15:12: rule 'B': 'clear' begins above 5, where it breaches; write at most 5 [LS125]",
        "r.yml:16:10: rule 'B': for '5' has no unit; write 5s, 5m or 5h [LS104]",
        "r.yml:18:5: warning: rule 'C': a spike without 'at_least' fires on small numbers; add 'at_least: 20' [LS127]",
        "r.yml:18:5: warning: rule 'C': a spike without 'usual_at_least' compares with next to nothing; "
        "add 'usual_at_least: 5' (a usual value below it is not compared with) [LS127]",
        "r.yml:18:38: rule 'C': window '90' has no unit; write 90s, 90m or 90h [LS104]",
        "r.yml:19:12: rule 'C': 'clear' holds while it breaches; write below: 2x or less [LS125]",
    ]


def test_a_measure_with_the_name_of_a_key_gets_the_keys_of_a_measure():
    """`count: {cuont: …}`: names that people give are no keys of ours."""
    text = "measures: {count: {cuont: order.placed}}\n"
    (fault,) = load_texts({"r.yml": text}).faults
    assert str(fault) == "r.yml:1:20: measure 'count': unknown key 'cuont'; did you mean 'count'? [LS110]"


def test_rules_by_name_are_no_list_of_rules():
    """Somebody wrote them as the measures are written."""
    text = GOOD + "  A: {name: A, threshold: {measure: stock, at_most: 5}}\n"
    assert [str(f) for f in load_texts({"r.yml": text}).faults] == [
        "r.yml:3:3: 'rules' must be a list; write a list here [LS114]"
    ]


def test_of_a_bad_and_a_good_rule_of_one_name_the_good_one_is_used():
    """The name is wrong twice, but a bad rule costs only itself."""
    loaded = load_texts(
        {"r.yml": GOOD + "  - {name: A, treshold: 5}\n  - {name: A, threshold: {measure: stock, at_most: 5}}\n"}
    )
    assert [r.name for r in loaded.plan.rules] == ["A"]
    assert [f.code for f in loaded.errors] == ["LS110", "LS140"]


def test_a_key_that_stands_twice_costs_the_rules_of_its_file():
    """Which of two is meant is not guessed at; what else is wrong in the file is told, and other files lose nothing."""
    texts = {
        "a.yml": GOOD + "  - {name: A, threshold: {measure: stock, at_most: 5}, severity: info, severity: critical}\n",
        "b.yml": "measures: {odd: {count: order.placed, count: order.shipped}}\nrules:\n"
        "  - {name: B, threshold: {measure: odd, window: 1h, above: 5}, fr: 5m}\n",
        "c.yml": "rules:\n  - {name: C, threshold: {measure: stock, at_most: 5}}\n"
        "  - {name: D, threshold: {measure: odd, window: 1h, above: 5}}\n",
        "calendar.yml": "closed:\n  - {name: Sundays, on: Sun, on: Sat}\n  - {name: X, on: Sanday}\n",
    }
    loaded = load_texts(texts)
    assert [r.name for r in loaded.plan.rules] == ["C"]
    assert [(f.path, f.code) for f in loaded.faults] == [
        ("a.yml", "LS103"),
        ("b.yml", "LS103"),
        ("b.yml", "LS110"),
        ("calendar.yml", "LS103"),
        ("calendar.yml", "LS170"),
    ]


def test_a_key_that_stands_twice_in_the_routing_hides_nothing(tmp_path):
    """Also there."""
    path = tmp_path / "routing.yml"
    path.write_text("teams: {a: [mail], a: [mial], b: [mial]}\nreceivers: {mail: {email: {to: a@b.example}}}\n")
    routing, faults = load_routing(path)
    assert routing is None
    assert [(f.column, f.code) for f in faults] == [(20, "LS103"), (35, "LS150")]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}\n", "measures: {}\nrules: []\n"])
def test_a_file_that_holds_nothing_is_told(text):
    """Among others, whose rules are judged: an editor that saved it half-way took its rules away."""
    loaded = load_texts({"a.yml": text, "b.yml": GOOD + "  - {name: A, threshold: {measure: stock, at_most: 5}}\n"})
    assert [(f.path, f.code, f.level) for f in loaded.faults] == [("a.yml", "LS108", "warning")]
    assert [r.name for r in loaded.plan.rules] == ["A"]
