"""The report of `lockstep check` as people, programs, code scanning and pull requests read it."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.rule.language.lint.lint import CODES
from lockstep.tools.check import fault_formats as report
from lockstep.tools.check.check_report import check
from lockstep.yaml.document import Fault, parse_document
from lockstep.yaml.masking import masked, masked_lines

TEXT = """\
measures:
  stock: {last: available, of: stock.level}
rules:
  - name: LowStock
    threshold: {measure: stock, at_mots: 20}
  - name: "🛒🛒"
    threshold: {measure: stock, at_most: "\\e[31mred"}
  - name: Odd
    by: [colour]
    threshold: {measure: stock, at_most: 5}
"""


@pytest.fixture
def faults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("50%, a:b.yml").write_text(TEXT)
    return check([Path("50%, a:b.yml")]).faults


def test_people_see_the_line_and_the_place(faults):
    """Wide characters keep the mark in place, and what would move the cursor is written out."""
    said = [line.plain for line in report.shown(faults, report.Sources())]
    assert "\n".join(said) == (
        """\
50%, a:b.yml:5:33: rule 'LowStock': unknown key 'at_mots'; did you mean 'at_most'? [LS110]
     5 │     threshold: {measure: stock, at_mots: 20}
       │                                 ^~~~~~~
50%, a:b.yml:6:11: '🛒🛒' is no name; write letters, digits, _ and -, with a letter first [LS114]
     6 │   - name: "🛒🛒"
       │           ^~~~~~
50%, a:b.yml:7:42: rule '🛒🛒': at_most '\\x1b[31mred' is no number; write one like 20, 2.5 or 25% [LS106]
     7 │     threshold: {measure: stock, at_most: "\\e[31mred"}
       │                                          ^~~~~~~~~~~
50%, a:b.yml:9:10: warning: rule 'Odd': stock.level has no 'colour' of its own; known are location, sku (an extra \
field is fine, too) [LS135]
     9 │     by: [colour]
       │          ^~~~~~"""
    )


def test_a_long_line_is_shown_around_the_place(tmp_path, monkeypatch):
    """The mark stays under the word."""
    monkeypatch.chdir(tmp_path)
    Path("r.yml").write_text("rules: [" + "{name: A}, " * 30 + "{nmae: B}, " + "{name: A}, " * 30 + "]\n")
    fault = next(f for f in check([Path("r.yml")]).faults if "nmae" in f.message)
    _, line, mark = [t.plain for t in report.shown([fault], report.Sources())]
    assert line[mark.index("^") : mark.index("^") + 4] == "nmae"
    assert len(line) < report.WIDEST + 20
    assert (line.count("…"), line[-1]) == (2, "…")


def test_programs_get_the_line_too(faults):
    """Everything that people see, as keys."""
    rows = json.loads(report.as_json(faults, report.Sources()))
    assert rows[0] == {
        "path": "50%, a:b.yml",
        "line": 5,
        "column": 33,
        "message": "rule 'LowStock': unknown key 'at_mots'",
        "remedy": "did you mean 'at_most'?",
        "code": "LS110",
        "level": "error",
        "text": "    threshold: {measure: stock, at_mots: 20}",
    }


def test_code_scanning_gets_sarif(faults):
    """SARIF 2.1.0: what the specification demands, and what scanning services show."""
    log = json.loads(report.as_sarif(faults))
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"]
    assert [r["id"] for r in rules] == ["LS106", "LS110", "LS114", "LS135"]
    assert all(r["shortDescription"]["text"] and r["help"]["text"] and r["help"]["markdown"] for r in rules)
    assert [r["level"] for r in run["results"]] == ["error", "error", "error", "warning"]
    for fault, result in zip(faults, run["results"], strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == fault.code
        assert result["message"]["text"].startswith(fault.message[:10])
        (place,) = result["locations"]
        artifact = place["physicalLocation"]["artifactLocation"]
        assert re.fullmatch(r"[A-Za-z0-9._~/%-]+", artifact["uri"])
        assert (unquote(artifact["uri"]), artifact["uriBaseId"]) == (fault.path, "%SRCROOT%")
        assert place["physicalLocation"]["region"] == {"startLine": fault.line, "startColumn": fault.column}


def test_an_absolute_path_is_a_file_in_sarif():
    """Nothing to be relative to."""
    log = json.loads(report.as_sarif([Fault("/shop/r.yml", 1, 1, "m", "r", "LS110")]))
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "file:///shop/r.yml"}


def test_pull_requests_get_annotations(faults):
    """What would end a property or a message is written as GitHub reads it."""
    lines = report.as_github(faults).splitlines()
    assert lines[0] == (
        "::error file=50%25%2C a%3Ab.yml,line=5,col=33,title=LS110::rule 'LowStock': unknown key 'at_mots'; "
        "did you mean 'at_most'?"
    )
    assert lines[2].endswith("write one like 20, 2.5 or 25%25")
    assert lines[3].startswith("::warning file=")


@settings(max_examples=100, deadline=None)
@given(
    st.builds(
        Fault,
        path=st.just("r.yml"),
        line=st.integers(1, 4),
        column=st.integers(1, 40),
        message=st.text(st.characters(), max_size=30),
        remedy=st.text(st.characters(), max_size=10),
        code=st.sampled_from(sorted(CODES)),
        level=st.sampled_from(["error", "warning"]),
    ),
    st.text(st.characters(), max_size=400),
)
def test_no_fault_breaks_a_report(fault, text):
    """Whatever stands in a file and in a message: each report is whole, on its lines, and can be encoded."""

    class Lines(report.Sources):
        def line(self, path, number):
            return re.split(r"[\r\n\x85\u2028\u2029]", text)[0]

    lines = [line.plain for line in report.shown([fault], Lines())]
    assert len(lines) in (1, 3)
    assert all(c.isprintable() for line in lines for c in line)
    json.loads(report.as_json([fault], Lines()))
    json.loads(report.as_sarif([fault]))
    assert report.as_github([fault]).count("\n") == 1
    "".join([*lines, report.as_json([fault], Lines()), report.as_sarif([fault]), report.as_github([fault])]).encode()


SECRETS = ("hunter2", "whsec_T05ULUEtUkVBTC1T", "xoxb-1-a", "not-a-real-password", "T0/B0/abcdef", "OPEN-SESAME")
ROUTINGS = [
    pytest.param('hook: {webhook: {url: "http://a.example", secret: "SECRET"}}', id="in the open"),
    pytest.param('hook: {webhook: {url: "http://a.example", secret: {secret: SECRET}}}', id="in place of its name"),
    pytest.param('hook: {webhook: {url: "http://a.example", secret: {SECRET: 1}}}', id="as a key"),
    pytest.param('hook: {webhook: {url: "http://a.example", secret: [SECRET]}}', id="in a list"),
    pytest.param('hook: {webhook: {url: "http://shop:SECRET@a.example/", secret: {secret: A}}}', id="a password"),
    pytest.param('hook: {webhook: {url: "http://SECRET@a.example/", secret: {secret: A}}}', id="a user in a url"),
    pytest.param('hook: {webhook: {url: "http://*.example/SECRET", secret: {secret: A}}}', id="a path of a url"),
    pytest.param('hook: {webhook: {url: "http://*.example/?key=SECRET", secret: {secret: A}}}', id="a query of a url"),
    pytest.param('hook: {webhook: {url: "//a", token: SECRET, secret: {secret: A}}}', id="beside a fault"),
    pytest.param('hook: {webhook: {url: "http://a.example"\n      secret: SECRET}}', id="in a line that is no YAML"),
    pytest.param("hook:\n    webhook:\n      url: http://a\n      secret:\n        SECRET", id="below its key"),
    pytest.param("hook:\n    webhook:\n      secret: |\n        SECRET\n       x: [", id="in a block that is broken"),
    pytest.param('hook: {email: {to: ["shop:SECRET@a.example"]}}', id="a password in an address"),
    pytest.param("hook: {email: {to: a@b.example}}\nteams: {b: 'https://a/SECRET'}", id="a url as a name"),
    pytest.param('hook: {slack: {channel: "#a", token: SECRET, tokn: 1}}', id="beside an unknown key"),
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("text", ROUTINGS)
def test_no_report_holds_a_secret(text, secret, tmp_path):
    """In whatever form, and whatever the fault of its line: a report ends in the log of a build server."""
    path = tmp_path / "routing.yml"
    path.write_text(f"receivers:\n  {text}\n".replace("SECRET", secret))
    found = check([path]).faults
    assert found
    sources = report.Sources()
    said = "\n".join(line.plain for line in report.shown(found, sources)) + report.as_json(found, sources)
    said += report.as_sarif(found) + report.as_github(found) + "\n".join(map(str, found))
    assert secret not in said
    assert secret.partition("/")[2] == "" or "abcdef" not in said


@pytest.mark.parametrize(
    "token",
    [
        "whsec_T05ULUEtUkVBTA==", "xoxb-12-34-abc", "xapp-1-A-2", "sk_live_4eC39Hq", "rk_test_4eC39Hq", "ghp_16C7e42F",
        "github_pat_11AB_cd", "glpat-aB3d", "AKIAIOSFODNN7", "eyJhbGciOi.eyJz.SflK", "SG.ngeVfQ.aB",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCY1234EXAMPLEKEY",
    ],
)  # fmt: skip
@pytest.mark.parametrize("line", ["  to: [{}]", "- {}", "'{}' is no email address", "  channel: '#{}'"])
def test_what_has_the_shape_of_a_token_is_masked_wherever_it_stands(line, token):
    """Somebody pasted it into the wrong place, which is what the fault is about."""
    assert masked(line.format(token)) == line.format("*" * len(token))


def test_a_bearer_is_masked():
    assert masked("note: Authorization is Bearer abc.def") == "note: Authorization is **************"


def test_a_secret_on_the_lines_below_its_key_is_masked():
    """As far as they stand further in; its name, which is how it should be, is shown."""
    lines = [
        "hook:",
        "  secret: |",
        "    open",
        "",
        "    sesame",
        "  url: http://a.example",
        "- token:",
        "    secret: HOOK",
    ]
    masks = ["hook:", "  secret: *", "    ****", "", "    ******", *lines[5:]]
    assert masked_lines(lines) == masks


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_a_masked_line_is_as_long(line):
    """The mark stays under its word; what is masked once is masked."""
    assert len(masked(line)) == len(line)
    assert masked(masked(line)) == masked(line)


@pytest.mark.parametrize(
    "line",
    [
        "    threshold: {measure: stock, at_most: 5}",
        "  hook: {webhook: {secret: {secret: SHOP_HOOK}}}",
        "  - name: OrdersByChannelAndCountryCode2ForAll3",
        "    runbook: https://wiki.example",
        "rule 'A': unknown key 'secert'; did you mean 'secret'?",
    ],
)
def test_what_is_no_secret_is_shown(line):
    """A report that hides what it is about helps nobody."""
    assert masked(line) == line


def test_a_key_without_a_value_says_nothing():
    """A fault is never hung on an empty key: what is judged stands elsewhere."""
    document, _ = parse_document(
        "r.yml", "rules:\n  - levels: {warning: {at_most: 20, clear:}}\n    clear: {above: 0}\n"
    )
    assert document is not None
    rule = ("rules", 0)
    assert not document.stands((*rule, "levels", "warning", "clear"))
    assert document.stands((*rule, "clear", "above"))
    assert [document.find(at) for at in ((*rule, "clear", "below"), ("rules", 1), (*rule, "clear", "above", "x"))] == [
        None
    ] * 3
