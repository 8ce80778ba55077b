"""Why a text is no YAML, in the words of somebody who edits it: what stands there, and what to write.

A parser says where it could not go on; the cause often stands before. So the lines around the place are looked at for
what people really do (a key too far in, braces of a template, spaces that are none), and the parser's own words are
shown to nobody.
"""

import re
import unicodedata
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.tokens import (
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
)

PARSER_FAULTS = (YAMLError, ValueError, TypeError, AttributeError, KeyError, IndexError, ArithmeticError)
"""The parser lets a few errors of its own insides out for odd input; to the author they are all one thing."""


class YamlFault(NamedTuple):
    """Line and column from 1, what is wrong, the way out."""

    line: int
    column: int
    message: str
    remedy: str
    code: str = "LS102"


_LINE_ENDS = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|(?!\A)\ufeff")
"""What YAML 1.2 (section 5.1) does not take as a character, and a byte order mark in the middle."""
_ODD_SPACE = re.compile(r"[\xa0\u1680\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff]")
_TEMPLATE = re.compile(
    r"(?:(?P<key>[A-Za-z_][\w-]*)[\"']?\s*:|^\s*-|[\[,])\s*(?P<braces>\{\{)\s*(?P<name>[A-Za-z_]\w*)?"
)
_KEY_AND_VALUE = re.compile(r"(?P<indent>\s*(?:- +)*)(?P<key>[^\s:#'\"{\[-][^:#{\[]*):(?P<value>\s+\S.*)?")
_CONFLICT = re.compile(r"(?:<{7}|={7}|>{7}|\|{7})(?: .*)?")
_FENCE = re.compile(r"\s*(?:```|~~~)\s*[a-z]*\s*")
_GLUED = re.compile(r"\s*(?:- +)*(?P<key>[A-Za-z_][\w-]*)(?P<sign>:(?!//)| *= *| *\uff1a *)(?P<value>[^\s:=].*)")
_NO_COLON = re.compile(r"\s*(?:- +)*(?P<key>[A-Za-z_][\w-]*)(?: +[^:#]*)?")
QUANTITIES = frozenset(
    {
        "above", "at_least", "at_most", "below", "bucket", "by", "chance", "confidence", "cool_down", "deviations",
        "fires", "for", "forget_after", "in", "keep_firing_for", "known_at_least", "learn", "max_alerts",
        "of_at_least", "otherwise", "plus", "previous", "reaches", "same_time_of_day", "same_time_of_week",
        "stale_after", "times", "usual_at_least", "window", "within",
    }
)  # fmt: skip
"""Keys whose values are numbers and lengths, never texts of a message."""

_IN_WORDS = {
    "mapping values are not allowed here": ("a second colon in one line", "put the text in quotes"),
    "found another document": ("a second document begins (---)", "write one document a file"),
    "found undefined alias": ("an alias (*name) of nothing", "name it with &name first, or quote a text with *"),
    "found unexpected end of stream": ("the file ends within quotes or brackets", "close them"),
    "found unexpected document separator": ("a document begins (---) within quotes", "close the quotes"),
    "expected ',' or": (
        "a bracket or brace is not closed, or a comma is missing",
        "close it on this line, or put a text that holds a colon, braces or quotes in quotes",
    ),
    "expected <block end>": ("the indentation does not fit", "give all keys of one item the same indentation"),
    "could not find expected ':'": ("a colon is missing after a key", "write `key: value`"),
    "expected the node content, but found '<stream end>'": ("the file ends within quotes or brackets", "close them"),
    "expected the node content": (
        "a value is missing here",
        "write one, or remove the bracket, brace or comma, or put the text in quotes",
    ),
    "expected '<document start>'": (
        "something stands behind what the file holds",
        "begin each key at the beginning of a line, and put a text that begins with % in quotes",
    ),
    "sequence entries are not allowed here": ("a dash where no item can stand", "begin each item on a line of its own"),
    "mapping keys are not allowed here": ("a key where none can stand", "write `key: value` on a line of its own"),
    "found unexpected ':'": ("a colon within brackets", "put the text in quotes"),
    "chomping or indentation indicators": ("a text behind | or >", "begin it on the next line, further in"),
    "comment or a line break": ("a text behind | or >", "begin it on the next line, further in"),
    "indentation indicator": ("a 0 behind | or >", "remove it"),
    "more indented follow up": ("a text behind | or > goes on less far in than it began", "indent its lines alike"),
    "unknown escape character": ("a backslash in double quotes", "use single quotes"),
    "hexdecimal": ("a backslash in double quotes", "use single quotes"),
    "expected alphabetic or numeric": ("a * or & without a name", "put the text in quotes"),
    "found unhashable key": ("a key that is no word", "write keys as plain words, and a text with braces in quotes"),
    "merging": ("<< takes over the keys of another place", "write `<<: *name`"),
    "incompatible YAML": ("a line that begins with % is for YAML itself", "remove it"),
    "YAML directive": ("a line that begins with % is for YAML itself", "remove it"),
    "a digit": ("a line that begins with % is for YAML itself", "remove it"),
    "cannot start any token": ("this character cannot begin a value", "put the text in quotes"),
    "tag": ("a word behind ! is a tag", "put the text in quotes"),
    "URI": ("a word behind ! is a tag", "put the text in quotes"),
    "expected '!'": ("a word behind ! is a tag", "put the text in quotes"),
    "constructor": ("a word behind ! is a tag", "put the text in quotes"),
    "node, but found": ("a word behind ! is a tag that does not fit its value", "remove it"),
    "empty value": ("a word behind ! is a tag that does not fit its value", "remove it"),
}
"""What the parser says → what it means to somebody who edits YAML, and the way out; the first that fits counts."""


def lines_of(text: str) -> list[str]:
    """The lines of a text as YAML counts them: str.splitlines knows more line ends than that."""
    return _LINE_ENDS.split(text)


def unprintable_fault(text: str) -> YamlFault | None:
    """The first character that YAML does not take; most editors do not show them."""
    match = _UNPRINTABLE.search(text)
    if match is None:
        return None
    before = lines_of(text[: match.start()])
    more = sum(1 for _ in _UNPRINTABLE.finditer(text)) - 1
    message = f"the character {_code(match[0])} cannot stand in a file{f', and {more} more like it' if more else ''}"
    return YamlFault(len(before), len(before[-1]) + 1, message, "remove it (your editor may not show it)")


def yaml_fault(text: str, error: Exception) -> YamlFault:
    """Why a parser could not read a text. error: one of PARSER_FAULTS."""
    if not isinstance(error, MarkedYAMLError):
        return YamlFault(1, 1, "not YAML: a value that cannot be read", "put values with odd characters in quotes")
    left = _left_behind(lines_of(text))
    if left is not None:
        return left
    problem = str(error.problem or error.context or "")
    mark, opened = error.problem_mark or error.context_mark, error.context_mark
    if opened and mark and "expected ',' or" in problem and not _is_inside(text, mark.line, opened.line):
        mark = opened  # not closed where it was opened; the parser noticed lines later
    if "but found '<stream end>'" in problem:
        mark = _opened_last(text) or mark
    if opened and "quoted scalar" in str(error.context) and "end of stream" in problem:
        message = "not YAML: the quote that begins here is not closed"
        return YamlFault(opened.line + 1, opened.column + 1, message, "close it on this line")
    line, column = (mark.line, mark.column) if mark else (0, 0)
    cause = _cause(lines_of(text), line, column, opened.line if opened else line, problem)
    if cause is not None:
        return cause
    if "duplicate key" in problem:
        key = problem.split('"')[1][:100] if '"' in problem else "?"
        return YamlFault(line + 1, column + 1, f"the key '{key}' stands twice", "remove one of them", "LS103")
    if "\\t" in problem:
        return YamlFault(line + 1, column + 1, "not YAML: a tab where spaces must be", "indent with spaces")
    message, remedy = next(
        (meaning for words, meaning in _IN_WORDS.items() if words in problem),
        ("something does not fit", "look at indentation, colons and quotes on this line and the one above"),
    )
    return YamlFault(line + 1, column + 1, f"not YAML: {message}", remedy)


def template_fault(text: str, line: int, column: int) -> YamlFault | None:
    """The braces of a template without quotes at or just before a place, which are a mapping to YAML; else None.

    line, column: of the place, from 0.
    """
    lines = lines_of(text)
    if line >= len(lines):
        return None
    match = next((m for m in _TEMPLATE.finditer(lines[line]) if m.start("braces") <= column <= m.end()), None)
    return None if match is None else _template(lines[line], line, match)


def _cause(lines: list[str], line: int, column: int, opened: int, problem: str) -> YamlFault | None:
    """What people do that a parser notices later. line, column, opened: from 0, where it stopped and what it was in."""
    around = range(max(0, min(opened, line) - 1), min(line + 1, len(lines)))
    for at in reversed(around):
        indent = re.match(r"\s*", lines[at])
        odd = _ODD_SPACE.search(indent[0] if indent else "")
        if odd is not None:
            message = f"not YAML: the line is indented with {_space(odd[0])}"
            return YamlFault(at + 1, odd.start() + 1, message, "indent with plain spaces")
    for at in around:
        template = _TEMPLATE.search(lines[at])
        if template is not None:
            return _template(lines[at], at, template)
    for at in reversed(around):
        odd = _ODD_SPACE.search(lines[at])
        if odd is not None:
            return YamlFault(at + 1, odd.start() + 1, f"not YAML: {_space(odd[0])} in the line", "write a plain space")
    if "mapping values are not allowed" in problem or "could not find expected ':'" in problem:
        glued = next((fault for at in around if (fault := _glued_key(lines[at], at)) is not None), None)
        if glued is not None:
            return glued
    if "could not find expected ':'" in problem:
        # Where reading stopped is the next key; the line that has no colon is before it.
        bare = next((at for at in range(opened, line) if _NO_COLON.fullmatch(lines[at])), None)
        match = None if bare is None else _NO_COLON.fullmatch(lines[bare])
        if bare is not None and match is not None:
            message = f"not YAML: a colon is missing after '{match['key'][:100]}'"
            return YamlFault(bare + 1, match.start("key") + 1, message, "write `key: value`")
    if "expected <block end>" in problem and line < len(lines):
        before = lines[line][:column].rstrip()
        if before[-1:] in ("]", "}", '"', "'") and before.lstrip()[:1] != before[-1:]:
            message = f"not YAML: text behind the closing {before[-1]}"
            return YamlFault(line + 1, column + 1, message, "remove it, or put the whole value in quotes")
    if "mapping values are not allowed" in problem or "expected <block end>" in problem:
        return _deeper_key(lines, line, column)
    return None


def _left_behind(lines: list[str]) -> YamlFault | None:
    """What a tool or a page left in a file that holds rules otherwise."""
    for at, row in enumerate(lines):
        if row[:1] == "<" and _CONFLICT.fullmatch(row):
            signs = "the lines that begin with <<<<<<<, ======= and >>>>>>>"
            remedy = f"keep one of the two versions, and remove {signs}"
            return YamlFault(at + 1, 1, "not YAML: two versions that git could not merge", remedy)
        if _FENCE.fullmatch(row):
            return YamlFault(at + 1, 1, f"not YAML: {row.strip()[:3]} is of the page around the rules", "remove it")
    return None


def glued_key(word: str) -> tuple[str, str] | None:
    """(what is wrong, the way out) of `measure:stock` and `measure=stock`, which are words to YAML; else None."""
    match = _GLUED.fullmatch(word)
    if match is None:
        return None
    key, value = match["key"][:100], match["value"].rstrip()[:100]
    what = f"a space is missing behind '{key}:'" if match["sign"] == ":" else f"'{key}' has no colon"
    return what, f"write {key}: {value}"


def _glued_key(row: str, line: int) -> YamlFault | None:
    match, fault = _GLUED.fullmatch(row), glued_key(row)
    if match is None or fault is None:
        return None
    return YamlFault(line + 1, match.start("key") + 1, f"not YAML: {fault[0]}", fault[1])


def _deeper_key(lines: list[str], line: int, column: int) -> YamlFault | None:
    """A key further in than the one above, which has its value already."""
    here = _KEY_AND_VALUE.match(lines[line]) if line < len(lines) else None
    above = next((row for row in reversed(lines[:line]) if row.strip() and not row.lstrip().startswith("#")), "")
    before = _KEY_AND_VALUE.match(above)
    if here is None or before is None or before["value"] is None or column > here.end("key"):
        return None
    if len(here["indent"]) <= len(before["indent"]) or before["value"].strip()[:1] in "|>&":
        return None
    key, other = here["key"].strip()[:100], before["key"].strip()[:100]
    return YamlFault(
        line + 1,
        len(here["indent"]) + 1,
        f"not YAML: '{key}' stands further in than '{other}' above it, which has its value already",
        f"begin '{key}' exactly under '{other}'",
    )


def _template(row: str, line: int, match: re.Match[str]) -> YamlFault:
    key, place = match["key"], (line + 1, match.start("braces") + 1)
    if key in QUANTITIES:
        name = match["name"] or "name"
        return YamlFault(
            *place,
            f"a template cannot be the value of '{key}'",
            f"write the value, or ${name} with {name} in 'variables'",
        )
    text = row[match.start("braces") :].rstrip()
    is_whole = re.fullmatch(r"\s*(?:- +)*", row[: match.start("key")]) if key else None
    remedy = "put the whole text in quotes"
    if is_whole is not None and '"' not in text and "\\" not in text and len(text) <= 100:
        remedy = f'write {key}: "{text}"'
    return YamlFault(*place, "a text that begins with {{ needs quotes", remedy)


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def _space(character: str) -> str:
    name = "no-break spaces" if character == "\xa0" else f"{unicodedata.name(character, 'odd space').lower()}s"
    return f"{name} ({_code(character)})"


def _opened_last(text: str) -> Any:
    """Where the innermost bracket or brace begins that is open at the end of a text; None where there is none."""
    opened: list[Any] = []
    try:
        for token in YAML(typ="rt").scan(text):
            if isinstance(token, FlowSequenceStartToken | FlowMappingStartToken):
                opened.append(token.start_mark)
            elif isinstance(token, FlowSequenceEndToken | FlowMappingEndToken):
                opened.pop()
    except (*PARSER_FAULTS, RecursionError):
        pass
    return opened[-1] if opened else None


def _is_inside(text: str, line: int, opened: int) -> bool:
    """Whether a line (from 0) goes on with what another one opened: it is the same one, or stands further in."""
    lines = lines_of(text)
    if line == opened or line >= len(lines):
        return line == opened
    before, here = (len(row) - len(row.lstrip(" ")) for row in (lines[opened], lines[line]))
    return here > before
