"""What a rule of another program becomes here, or why it becomes nothing."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Definition = Mapping[str, Any]
"""A measure as a rule file has it: `{count: order.placed, where: {channel: [web]}}`."""

LONGEST_NAME = 100
LONGEST_COMMENT = 400
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")


class NoEquivalent(Exception):
    """A rule that cannot be said here. Its text is the reason, with the way out where there is one."""


@dataclass
class Equivalent:
    """A rule of ours, as it is to be written.

    origin: of what it is made, for a comment: `alerts.yml:12: sum(increase(orders_total[1h])) > 100`. remarks: where it
    judges differently, and what of the original is left out. differences: between the two programs, told once for all
    rules of a file. body: its keys without name and condition, in order.
    condition: `{"threshold": {…}}`. measures: those that it needs, by name.
    """

    name: str
    origin: str
    condition: Mapping[str, Any]
    measures: Mapping[str, Definition]
    by: Sequence[str] = ()
    body: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    differences: Sequence[str] = ()


@dataclass(frozen=True, order=True)
class Left:
    """A rule that has no equivalent here. place: `alerts.yml:12`."""

    place: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.name}: {self.reason}"


class Measures:
    """The measures of all rules that are written into one file: one name for each definition."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self.definitions: dict[str, Definition] = {}

    def name_of(self, wished: str, definition: Definition) -> str:
        """The name of a definition: as wished, or with a number where that is another's."""
        known = self._names.get(flow(definition))
        if known is not None:
            return known
        base = wished = rule_name(wished)
        number = 2
        while wished in self.definitions:
            wished = f"{base[: LONGEST_NAME - 5]}_{number}"
            number += 1
        self._names[flow(definition)] = wished
        self.definitions[wished] = definition
        return wished


def rule_name(text: str) -> str:
    """A text as a name: `Event spike` → `Event_spike`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_")[:LONGEST_NAME]
    return name if _NAME.fullmatch(name) else f"Rule_{name}".rstrip("_")[:LONGEST_NAME]


# ---- as text ---------------------------------------------------------------------------------------------------------


def written(rules: Sequence[Equivalent], measures: Mapping[str, Definition], notes: Sequence[str]) -> str:
    """A rule file. measures: those that the rules name. notes: what stands at its end, as comments."""
    lines = ["# yaml-language-server: $schema=../schemas/rules.schema.json"]
    differences = dict.fromkeys(difference for rule in rules for difference in rule.differences)
    if differences:
        lines += ["#", "# What holds for these rules in place of the original ones:"]
        lines += [line for difference in differences for line in comment(f"- {difference}")]
    if rules:
        lines += [
            "measures:",
            *(f"  {name}: {flow(definition)}" for name, definition in measures.items()),
            "",
            "rules:",
        ]
    for rule in rules:
        lines += [f"  {line}" for line in _rule_lines(rule)]
    lines += [line for note in notes for line in comment(note)]
    return "\n".join(lines) + "\n"


def _rule_lines(rule: Equivalent) -> Iterator[str]:
    yield from comment(rule.origin)
    for remark in rule.remarks:
        yield from comment(f"- {remark}")
    yield f"- name: {flow(rule.name)}"
    if rule.by:
        yield f"  by: {flow(list(rule.by))}"
    for key, value in (*rule.condition.items(), *rule.body.items()):
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield f"  {key}:"
            yield from (f"    - {flow(part)}" for part in value)
        elif key == "say":
            yield "  say:"
            yield from (f"    {team}: {flow(text)}" for team, text in value.items())
        else:
            yield f"  {key}: {flow(value)}"


def comment(text: str) -> Iterator[str]:
    """A text as lines of a comment, without what YAML does not take."""
    printable = "".join(c if c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF else " " for c in text)
    plain = " ".join(printable.split())
    shortened = plain if len(plain) <= LONGEST_COMMENT else f"{plain[:LONGEST_COMMENT]}…"
    line = "#"
    for word in shortened.split(" "):
        if len(line) + len(word) > 116 and line != "#":
            yield line
            line = "#  "
        line += f" {word}"
    yield line.rstrip()


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*|[0-9]+(?:\.[0-9]+)?[a-z%]+|[A-Za-z][A-Za-z0-9_.-]*\*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"})


def flow(value: Any) -> str:
    """A value on one line of YAML."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{flow(str(key))}: {flow(part)}' for key, part in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    escaped = []
    for character in text:
        if character in '"\\':
            escaped.append(f"\\{character}")
        elif character == "\n":
            escaped.append("\\n")
        elif 0xD800 <= ord(character) <= 0xDFFF:
            escaped.append("\ufffd")
        elif not character.isprintable() and ord(character) <= 0xFFFF:
            escaped.append(f"\\u{ord(character):04x}")
        else:
            escaped.append(character)
    return f'"{"".join(escaped)}"'


def number_text(number: float) -> str:
    """A number as people write it, to nine digits that count, without an exponent."""
    if float(number).is_integer():
        return str(int(number))
    return f"{float(f'{number:.9g}'):.12f}".rstrip("0").rstrip(".")
