"""A report of faults: for a terminal, for programs, for code scanning (SARIF), for pull requests (GitHub)."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.cells import cell_len
from rich.text import Text

from lockstep import VERSION
from lockstep.rule.language.lint.lint import CODES
from lockstep.tools.check.codes import explanation
from lockstep.tools.terminal import readable
from lockstep.yaml.document import Fault
from lockstep.yaml.masking import masked_lines

FORMATS = ("text", "json", "sarif", "github")
WIDEST = 160
"""Characters of a line that are shown around a fault."""

_WORD = re.compile(r"""\"[^"]*\"|'[^']*'|[^\s{}\[\],:]+""")
_COLOURS = {"error": "bold red", "warning": "bold yellow"}


class Sources:
    """The lines of files, each file read once; "" where there is no such line, or where it holds a secret.

    What else may be a secret in a line is masked: a report ends in the log of a build server.
    """

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def of(self, fault: Fault) -> str:
        """The line that a fault is in; "" where the fault is that it holds a secret."""
        return "" if fault.code == "LS151" else self._line(fault.path, fault.line)

    def _line(self, path: str, number: int) -> str:
        if path not in self._lines:
            try:
                text = Path(path).read_text("utf-8", errors="replace")
            except (OSError, ValueError):
                text = ""
            # As YAML counts lines: str.splitlines knows more line ends than that.
            self._lines[path] = masked_lines(re.split(r"\r\n|[\r\n\x85\u2028\u2029]", text))
        lines = self._lines[path]
        return lines[number - 1] if 0 < number <= len(lines) else ""


def shown(faults: Iterable[Fault], sources: Sources) -> Iterable[Text]:
    """For a terminal: one line that says it all, then the line of the file with a mark under the place."""
    for fault in faults:
        colour = _COLOURS[fault.level]
        text = Text()
        text.append(readable(f"{fault.path}:{fault.line}:{fault.column}: "), "bold")
        text.append("warning: " if fault.level == "warning" else "", colour)
        text.append(readable(fault.message), colour)
        text.append(readable(f"; {fault.remedy}" if fault.remedy else ""))
        text.append(f" [{fault.code}]", "dim")
        yield text
        yield from _excerpt(fault, sources.of(fault), colour)


def _excerpt(fault: Fault, line: str, colour: str) -> Iterable[Text]:
    if not line.strip():
        return
    at = min(fault.column - 1, len(line))
    word = _WORD.match(line, at)
    length = max(1, min(len(word[0]) if word else 1, WIDEST // 2))
    begin = 0 if len(line) <= WIDEST else max(0, min(at - WIDEST // 2, len(line) - WIDEST))
    end = begin + WIDEST
    before, marked, after = (readable(s) for s in (line[begin:at], line[at : at + length], line[at + length : end]))
    left, right = "…" if begin else "", "…" if end < len(line) else ""
    number = f"{fault.line:>6} │ "
    yield Text.assemble((number, "dim"), left, before, (marked, colour), after, right)
    blank = " " * cell_len(left + before)
    mark = "^" + "~" * (cell_len(marked) - 1)
    yield Text.assemble((" " * 6 + " │ ", "dim"), blank, (mark, colour))


def as_json(faults: Sequence[Fault], sources: Sources) -> str:
    """A list of objects: path, line, column, message, remedy, code, level, and the line itself as `text`."""
    rows = [{**vars(f), "text": sources.of(f)} for f in faults]
    return json.dumps(rows, indent=2)


def as_sarif(faults: Sequence[Fault]) -> str:
    """SARIF 2.1.0, as code scanning services take it. Paths are relative to where the command ran."""
    codes = sorted({f.code for f in faults})
    rules = []
    for code in codes:
        explained = explanation(code)
        rules.append(
            {
                "id": code,
                "shortDescription": {"text": CODES[code]},
                "fullDescription": {"text": explained.text},
                "help": {"text": explained.plain(), "markdown": explained.markdown()},
            }
        )
    results = [
        {
            "ruleId": f.code,
            "ruleIndex": codes.index(f.code),
            "level": f.level,
            "message": {"text": readable(f.message + (f"; {f.remedy}" if f.remedy else ""))},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": _artifact(f.path),
                        "region": {"startLine": f.line, "startColumn": f.column},
                    }
                }
            ],
        }
        for f in faults
    ]
    driver = {
        "name": "lockstep check",
        "version": VERSION,
        "informationUri": "https://lockstep.example/rules",
        "rules": rules,
    }
    run: dict[str, Any] = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def _artifact(path: str) -> dict[str, str]:
    uri = quote(Path(path).as_posix().encode("utf-8", "surrogateescape"))
    return {"uri": f"file://{uri}"} if uri.startswith("/") else {"uri": uri, "uriBaseId": "%SRCROOT%"}


def as_github(faults: Iterable[Fault]) -> str:
    """Workflow commands that GitHub shows as annotations at the lines of a pull request."""
    lines = []
    for f in faults:
        place = f"file={_property(f.path)},line={f.line},col={f.column},title={_property(f.code)}"
        said = readable(f.message + (f"; {f.remedy}" if f.remedy else "")).replace("%", "%25")
        lines.append(f"::{f.level} {place}::{said}\n")
    return "".join(lines)


def _property(text: str) -> str:
    return readable(text).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
