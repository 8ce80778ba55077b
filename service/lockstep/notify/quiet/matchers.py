r"""Matchers: what routes, silences and inhibitions say of an alert's labels, written as Alertmanager and amtool do.

`sku=A-1`, `channel!=web`, `sku=~"KEY-.*"`, `rule!~"Own.*"`: the label, the operator, the value. A value stands as it
is, or in double quotes, in which `\"`, `\\` and `\n` are a quote, a backslash and a new line and every other backslash
is itself; so does a name with spaces: `"gift wrap"=yes`. Patterns are RE2's, as in Alertmanager, and must fit the whole
value; their cost grows with the value's length and with nothing else.

A label that is missing is not one that is empty: `=` and `=~` want it to be there, `!=` and `!~` are met without it.
So `sku=~".*"` is met by every alert that has a sku, and `sku!~".*"` by every one that has none.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import re2

from lockstep.errors import MatcherError

Operator = Literal["=", "!=", "=~", "!~"]
"""Is, is not, fits the pattern, does not fit it."""

LONGEST_MATCHER = 500
"""Characters of one matcher."""
MOST_MATCHERS = 20
"""Matchers of one list."""
_MEMORY = 1 << 20
"""Bytes that one pattern may take; what needs more is refused when it is written."""

_WORD = re.compile(r"[^\s{}!=~,\\\"'`]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\n])')
_OPERATOR = re.compile("|".join(sorted(map(re.escape, get_args(Operator)), key=len, reverse=True)))
_COMPARING = re.compile("[:<>]")
"""What stands for an operator elsewhere; a label may hold it."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HINT = 'write one like sku=A-1, channel!=web, sku=~"KEY-.*" or rule!~"Own.*"'


@dataclass(frozen=True)
class Matcher:
    """One condition on one label. Two are the same when label, operator and value are."""

    label: str
    operator: Operator
    value: str
    _pattern: Any = field(default=None, compare=False, repr=False)

    def matches(self, facts: Mapping[str, str]) -> bool:
        """Whether an alert meets it. facts: its labels with `rule`, `severity` and `team`; a missing one is no key."""
        value = facts.get(self.label)
        if value is None:
            return self.operator.startswith("!")
        if self._pattern is None:
            return (value == self.value) is (self.operator == "=")
        # Half a character, which no pattern could name, is any other one to it.
        fits = self._pattern.fullmatch(value.encode("utf-8", "replace")) is not None
        return fits is (self.operator == "=~")

    def seen(self, facts: Mapping[str, str]) -> str:
        """What an alert has where it looks: `sku is A-1`, `sku is empty`, or `there is no sku`."""
        value = facts.get(self.label)
        if value is None:
            return f"there is no {self.label}"
        return f"{self.label} is {value or 'empty'}"

    def remark(self) -> str | None:
        """What whoever wrote it may not have meant, and what to write instead; None where there is nothing."""
        if self.label == "alertname":
            return f"what Alertmanager calls alertname is called rule here; write {_written('rule', self)}"
        if self.value == "" and self.operator in ("=", "=~"):
            return (
                f"{self} is met by a label that is there and empty; for alerts without it write "
                f'{_quoted(self.label)}!~".*", for events that carried none {_quoted(self.label)}=none'
            )
        return None

    def __str__(self) -> str:
        """As it is written, so that reading it gives the same matcher: `sku=~"KEY-.*"`."""
        return _written(self.label, self)


def parse_matcher(text: str) -> Matcher:
    """The matcher in a text. Raises MatcherError, with what is wrong and the way out."""
    shown = text.strip()[:100]
    if len(text) > LONGEST_MATCHER:
        message = f"the matcher '{shown}…' is longer than {LONGEST_MATCHER} characters"
        raise MatcherError(message, "write a shorter one, or several")
    odd = _CONTROL.search(text.strip())
    if odd is not None:
        raise MatcherError(f"the matcher {shown!a} holds a control character", "remove it")
    text = text.strip()
    label, rest = _read_label(text, shown)
    operator = _OPERATOR.match(rest)
    if operator is None:
        if not rest and not _COMPARING.search(label):
            raise MatcherError(f"'{shown}' is no matcher, it has no value", _way_out_of_a_word(label))
        raise MatcherError(f"'{shown}' is no matcher, there is no =, !=, =~ or !~ behind its label", _HINT)
    value = _read_value(rest[operator.end() :].strip(), label, operator[0], shown)
    return matcher(label, operator[0], value)  # type: ignore[arg-type]  # the pattern knows no other operators


def matcher(label: str, operator: Operator, value: str) -> Matcher:
    """The matcher of these parts. Raises MatcherError for a pattern that is none, or needs too much memory."""
    if not operator.endswith("~"):
        return Matcher(label, operator, value)
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    options.dot_nl = True
    try:
        pattern = re2.compile(value.encode(), options)
    except re2.error as error:
        detail = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise MatcherError(f"'{value[:100]}' is no pattern, {detail}", _way_out_of_a_pattern(value, label)) from None
    return Matcher(label, operator, value, pattern)


def parse_matchers(texts: Iterable[str]) -> tuple[Matcher, ...]:
    """All matchers in texts, in their order, each once.

    texts: a matcher each, or several as Alertmanager puts them together: `{channel="web",sku=~"KEY-.*"}`, where values
    with a comma stand in quotes. Raises MatcherError for the first that is none, for too many, and for none at all.
    """
    matchers: dict[Matcher, None] = {}
    for text in texts:
        stripped = text.strip()
        is_list = stripped.startswith("{")
        if is_list and not stripped.endswith("}"):
            raise MatcherError(f"'{stripped[:100]}' has no }} at its end", "add it, or leave the { out")
        for one in _parts(stripped[1:-1]) if is_list else (stripped,):
            matchers[parse_matcher(one)] = None
            if len(matchers) > MOST_MATCHERS:
                raise MatcherError(f"there are more than {MOST_MATCHERS} matchers", 'join some: sku=~"A-1|A-2"')
    if not matchers:
        raise MatcherError("there is no matcher", _HINT)
    return tuple(matchers)


def all_match(matchers: Iterable[Matcher], facts: Mapping[str, str]) -> bool:
    """Whether an alert meets each of them."""
    return all(one.matches(facts) for one in matchers)


def _parts(text: str) -> list[str]:
    """What stands between the commas of a list that are in no quotes; one at the end is fine."""
    parts, begin, quoted, i = [], 0, False, 0
    while i < len(text):
        if text[i] == "\\" and quoted:
            i += 1
        elif text[i] == '"':
            quoted = not quoted
        elif text[i] == "," and not quoted:
            parts.append(text[begin:i])
            begin = i + 1
        i += 1
    return [*parts, text[begin:]] if text[begin:].strip() else parts


def _read_label(text: str, shown: str) -> tuple[str, str]:
    """(the label, what stands behind it)"""
    quoted = _QUOTED.match(text)
    if quoted is not None:
        if not quoted[1]:
            raise MatcherError(f"'{shown}' names no label", _HINT)
        return _unescaped(quoted[1]), text[quoted.end() :].strip()
    word = _WORD.match(text)
    if word is None:
        raise MatcherError(f"'{shown}' is no matcher, it does not begin with a label", _HINT)
    return word[0], text[word.end() :].strip()


def _read_value(text: str, label: str, operator: str, shown: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return _unescaped(quoted[1])
    if not text:
        raise MatcherError(f"'{shown}' has no value", f'write {label}{operator}"" for an empty one')
    if operator == "=" and text.startswith("="):
        raise MatcherError(f"'{shown}' has the operator ==", f"write {label}={text[1:].strip()}")
    if '"' in text:
        remedy = f"write {label}{operator}{_quoted(text.strip(chr(34)), always=True)}"
        raise MatcherError(f"'{shown}' has a quote in its value that is not its first and last", remedy)
    if text[0] == text[-1] == "'" and len(text) > 1:
        remedy = f"write {label}{operator}{_quoted(text[1:-1], always=True)}"
        raise MatcherError(f"'{shown}' has single quotes around its value", remedy)
    return text


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], text)


def _quoted(text: str, *, always: bool = False) -> str:
    if not always and _WORD.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _written(label: str, like: Matcher) -> str:
    return f"{_quoted(label)}{like.operator}{_quoted(like.value, always=like.operator.endswith('~'))}"


def _way_out_of_a_word(word: str) -> str:
    return f"write rule={_quoted(word)} if that is a rule, or a label with its value, {_quoted(word)}=…"


def _way_out_of_a_pattern(pattern: str, label: str) -> str:
    if pattern.startswith("*"):
        return f"a star follows what it repeats; write {_quoted(label)}=~{_quoted('.' + pattern, always=True)}"
    if "(?=" in pattern or "(?!" in pattern or "(?<" in pattern:
        return "there is no looking ahead or back; write a second matcher with !~ for what must not be"
    return "write one of RE2 (github.com/google/re2/wiki/Syntax), as Alertmanager has them"
