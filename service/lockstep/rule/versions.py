"""Versions of the rules: one plan that holds what was in force and what will be, with the border in event time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from lockstep.rule.condition.kinds import Plan, Rule, series_of_plan
from lockstep.rule.language.table import table_changes
from lockstep.yaml.document import parse_document


@dataclass(frozen=True)
class Version:
    """A plan and the second of event time from which it is in force (None: it was the first)."""

    plan: Plan
    since_s: int | None


def in_force(versions: Sequence[Version]) -> Plan:
    """One plan of all versions, oldest first.

    A rule that a version does not change goes on as if nothing had happened, with its newest texts. One that it
    changes or leaves out judges up to the border; its successor of the same name begins there.
    """
    ended: list[Rule] = []
    current: dict[str, Rule] = {}
    for version in versions:
        rules = {r.name: r for r in version.plan.rules}
        border = version.since_s
        for name, old in list(current.items()):
            if name in rules and rules[name].version == old.version:
                continue
            del current[name]
            # Of a version that never judged anything nothing is left to hand over.
            if old.since_s is None or border is None or border > old.since_s:
                ended.append(replace(old, until_s=border))
        for name, rule in rules.items():
            known = current.get(name)
            current[name] = replace(rule, since_s=border if known is None else known.since_s)
    rules_now = (*ended, *current.values())
    series = series_of_plan(rules_now, versions[-1].plan.shop)
    before = {s.id for v in versions[:-1] for s in series_of_plan(v.plan.rules, v.plan.shop)}
    fresh = frozenset(s.id for s in series if s.id not in before) if len(versions) > 1 else frozenset()
    borders = ((before.plan.shop, after.since_s) for before, after in pairwise(versions))
    shops = tuple((second, shop) for shop, second in borders if second is not None)
    return replace(versions[-1].plan, rules=rules_now, series=series, fresh=fresh, shops=shops)


def changes_in_words(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """What differs between two sets of files, a line each, in their author's words: `LowStock: at_most 20 → 25`.

    old, new: file name → text. A file that cannot be read counts as empty.
    """
    before, after = _named_parts(old), _named_parts(new)
    renamed = _renamed(before, after)
    lines = [f"{earlier}: now called {name}" for name, earlier in renamed.items()]
    for name, old_name in renamed.items():
        before[name] = {**before.pop(old_name), **{path: after[name][path] for path in _NAMES if path in after[name]}}
    lines += [f"{what}: removed" for what in before if what not in after]
    lines += [f"{what}: new" for what in after if what not in before]
    for name in sorted(n for n in {**old, **new} if n.endswith(".csv") and n in old and n in new):
        lines += table_changes(name, old[name], new[name], _users(new, name))
    for what, keys in after.items():
        known = before.get(what)
        if known is None:
            continue
        for path in dict.fromkeys([*known, *keys]):
            if _is_within(path, known) or _is_within(path, keys):
                continue  # where a number becomes something with keys of its own, these are said together
            was, now = _at(known, path), _at(keys, path)
            if was != now:
                lines.append(f"{what}: {path[-1] if path else 'it'} {_said(was)} → {_said(now)}")
    return lines


_NAMES = (("name",), ("was",))


def _renamed(before: Mapping[str, Mapping[tuple[str, ...], Any]], after: Mapping[str, Any]) -> dict[str, str]:
    """New name → old name, of the rules that say what they were called."""
    old_names: dict[str, str] = {}
    for name, keys in after.items():
        was = keys.get(("was",))
        for old in was if isinstance(was, list) else [was]:
            if isinstance(old, str) and name not in before and old in before and old not in {**after, **old_names}:
                old_names[name] = old
                break
    return old_names


def _is_within(path: tuple[str, ...], parts: Mapping[tuple[str, ...], Any]) -> bool:
    """Whether a value stands where a path has further keys."""
    return any(path[:n] in parts for n in range(1, len(path)))


def _at(parts: Mapping[tuple[str, ...], Any], path: tuple[str, ...]) -> dict[tuple[str, ...], Any]:
    """What stands at a path: its value under no further key, or those below it."""
    return {p[len(path) :]: value for p, value in parts.items() if p[: len(path)] == path and value is not None}


def _said(values: Mapping[tuple[str, ...], Any]) -> str:
    return ", ".join(f"{'.'.join(path)} {_shown(value)}".strip() for path, value in values.items()) or "none"


def _named_parts(files: Mapping[str, str]) -> dict[str, dict[tuple[str, ...], Any]]:
    """`LowStock` or `measure stock` → path of keys → value; of other files their name → path → value."""
    parts: dict[str, dict[tuple[str, ...], Any]] = {}
    for name, text in sorted(files.items()):
        if name.endswith(".csv"):
            parts[name] = {}  # rows are told one by one, see `table_changes`
            continue
        document, _ = parse_document(name, text)
        data = document.data if document is not None and isinstance(document.data, dict) else {}
        rules = data.pop("rules", None)
        measures = data.pop("measures", None)
        for rule in rules if isinstance(rules, list) else ():
            if isinstance(rule, dict):
                parts[str(rule.get("name"))] = dict(_leaves(rule))
        for measure, keys in measures.items() if isinstance(measures, dict) else ():
            parts[f"measure {measure}"] = dict(_leaves(keys))
        for path, value in _leaves(data):
            parts.setdefault(name, {})[path] = value
    return parts


def _users(files: Mapping[str, str], table: str) -> list[str]:
    """The rules of some files that read a table."""
    parts = _named_parts(files).items()
    return [rule for rule, keys in parts if any(p[-1:] == ("file",) and v == table for p, v in keys.items())]


def _leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _leaves(value, (*path, key))
    elif isinstance(node, list) and any(isinstance(item, dict | list) for item in node):
        for place, item in enumerate(node, 1):
            yield from _leaves(item, (*path, f"#{place}"))
    else:
        yield path, node


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = ", ".join(str(v) for v in value) if isinstance(value, list) else " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:57]}…"
