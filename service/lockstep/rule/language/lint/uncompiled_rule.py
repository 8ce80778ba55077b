"""What can be said of a rule that cannot be compiled: nobody mends a file in rounds, one kind of fault after the other.

A shape that is wrong hides what stands in it from the compiler, but names are names: of measures, of a rule that stands
twice, of what a text fills in. Nothing is said here that mending the shape could make untrue.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lockstep.rule.language.form import CONDITIONS, RuleModel
from lockstep.rule.language.lint.lint import text_faults
from lockstep.rule.language.measures import Measures
from lockstep.yaml.document import Document, Fault, Pointer


def name_faults(document: Document, index: int, measures: Measures) -> list[Fault]:
    """Faults in the names that a rule uses: of measures, labels and teams. What the compiler finds, too, is the same.

    index: the rule's place in the document's `rules`. measures: those that the file knows, also of other files.
    """
    raw = document.data["rules"][index]
    if not isinstance(raw, dict):
        return []
    pointer: Pointer = ("rules", index)
    faults = [
        document.fault(at, f"unknown measure '{name}'", measures.remedy(name), "LS130")
        for at, name in _measures(raw, pointer)
        if not measures.is_known(name)
    ]
    say = raw.get("say")
    by = _words(raw.get("by", []))
    teams = _words(raw.get("teams", RuleModel.model_fields["teams"].get_default(call_default_factory=True)))
    if isinstance(say, dict) and by is not None and teams is not None:
        texts = {key: text for key, text in say.items() if isinstance(text, str)}
        labels = [label.removeprefix("lines.") for label in by]
        faults += text_faults(document, index, texts, by=labels, teams=teams)
    return faults


def _measures(node: Mapping[str, Any], pointer: Pointer) -> Iterator[tuple[Pointer, str]]:
    """Where the conditions in a rule name a measure, and which."""
    for word in CONDITIONS:
        written = node.get(word)
        for step, part in enumerate(written) if isinstance(written, list) else ((None, written),):
            if not isinstance(part, dict):
                continue
            at: Pointer = (*pointer, word) if step is None else (*pointer, word, step)
            name = part.get("measure")
            if isinstance(name, str):
                yield (*at, "measure"), name
            yield from _measures(part, at)


def _words(value: Any) -> tuple[str, ...] | None:
    """A list of words, or one word for a list; None for what is neither."""
    words = [value] if isinstance(value, str) else value
    return tuple(words) if isinstance(words, list) and all(isinstance(w, str) for w in words) else None
