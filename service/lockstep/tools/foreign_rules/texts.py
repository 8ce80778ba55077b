"""Texts of other programs as texts of ours: what stands for a value is said in our words, all else is kept."""

import re
from collections.abc import Collection, Sequence

_GO = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_LABEL = re.compile(r"\$labels\.([A-Za-z_][A-Za-z0-9_]*)|index \$labels \"([A-Za-z_][A-Za-z0-9_]*)\"")
_PERCENT = re.compile(r"\$value\s*\|\s*humanizePercentage")
_ROUNDED = re.compile(r"""(?:\$value\s*\|\s*printf\s+|printf\s+)["`]%\.([0-9])f["`](?:\s+\$value)?""")
_VALUE = re.compile(r"\$value(?:\s*\|\s*(?:humanize|humanize1024|toString|printf\s+[\"`]%[^\"`]{1,6}[\"`]))?|\.Value")
_ARGUMENT = re.compile(r"\{([0-9]*)(?:[:!][^{}]*)?\}")
LONGEST = 2_000
LEFT_OUT = "…"
"""What stands in a text for what cannot be said here."""


def labels_in(texts: Collection[str]) -> list[str]:
    """The labels that templates of Prometheus name, in their order."""
    named = [first or second for text in texts for part in _GO.findall(text) for first, second in _LABEL.findall(part)]
    return list(dict.fromkeys(named))


def from_go(text: str, labels: Collection[str]) -> tuple[str, list[str]]:
    """An annotation of Prometheus, and what of it is left out. labels: those that the rule has."""
    left: list[str] = []
    parts: list[str] = []
    at = 0
    for match in _GO.finditer(text[:LONGEST]):
        parts += [plain(text[at : match.start()]), _from_go_part(match[1], labels) or _left_out(match[1], left)]
        at = match.end()
    parts.append(plain(text[at:LONGEST]))
    return "".join(parts).strip(), left


def _left_out(part: str, left: list[str]) -> str:
    left.append(part)
    return LEFT_OUT


def _from_go_part(part: str, labels: Collection[str]) -> str | None:
    label = _LABEL.fullmatch(part)
    if label is not None:
        name = label[1] or label[2]
        return f"{{{{ labels.{name} }}}}" if name in labels else None
    if _PERCENT.fullmatch(part):
        return "{{ value | percent }}"
    rounded = _ROUNDED.fullmatch(part)
    if rounded is not None and "$value" in part:
        return f"{{{{ value | round({rounded[1]}) }}}}"
    return "{{ value }}" if _VALUE.fullmatch(part) else None


def from_arguments(text: str, arguments: Sequence[str], labels: Collection[str]) -> tuple[str, list[str]]:
    """A text of ElastAlert with its arguments, `{0} orders`, and which of these are left out."""
    left: list[str] = []
    counted = iter(range(len(arguments)))

    def argument(match: re.Match[str]) -> str:
        index = int(match[1]) if match[1] else next(counted, len(arguments))
        name = arguments[index] if index < len(arguments) else match[0]
        said = from_field(name, labels)
        if said is None:
            return _left_out(name, left)
        return said

    parts: list[str] = []
    at = 0
    text = text[:LONGEST]
    for match in _ARGUMENT.finditer(text) if arguments else ():
        parts += [plain(text[at : match.start()]), argument(match)]
        at = match.end()
    parts.append(plain(text[at:]))
    return "".join(parts).strip(), left


def from_field(name: str, labels: Collection[str]) -> str | None:
    """A field of a match in our words; None for what no text can say here."""
    field = name.removesuffix(".keyword").removesuffix(".raw")
    if field in labels:
        return f"{{{{ labels.{field} }}}}"
    if field in ("num_hits", "num_matches", "spike_count", "percentage") or field.startswith("metric_"):
        return "{{ value }}"
    return "{{ baseline }}" if field == "reference_count" else None


def plain(text: str) -> str:
    """A text without what would begin a part of a template."""
    return re.sub(r"\{(?=[{%#])", "{ ", text).replace("}}", "} }")
