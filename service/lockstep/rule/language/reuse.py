"""What one file says once: variables, defaults, named conditions and a pack's settings, put where rules use them.

They are values and keys, never pieces of text. What comes of it is an ordinary rule file; a fault in what was put in is
said at the place that uses it, and a fault in a named condition or a default where that stands.
"""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from lockstep.rule.language.form import DefaultsModel, PartModel
from lockstep.yaml.document import Document, Fault, Pointer, did_you_mean

SECTIONS = ("variables", "defaults", "conditions")
_USE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_-]*)")
_TEXTS = frozenset(
    {
        "name",
        "was",
        "by",
        "say",
        "runbook",
        "owner",
        "teams",
        "match",
        "where",
        "measure",
        "of",
        "label",
        "field",
        "pace",
        "file",
        "column",
    }
)
"""Keys whose values are words: a `$` in them is a `$`."""
_DURATIONS = frozenset({"window", "previous", "in", "within", "for", "keep_firing_for", "cool_down", "forget_after"})
DEEPEST = 20
"""Named conditions within named conditions."""
MOST_VALUES = 50_000
"""Values of one file with everything put in: conditions of conditions can stand for very many."""
_STANDS_IN: dict[str, Any] = {"threshold": {"measure": "-", "above": 0}}
"""In place of a condition that cannot be used, so that the rest of its rule is looked at."""


@dataclass(frozen=True)
class Reused:
    """document: with everything put in. broken: the rules that use what cannot be used; why stands in faults."""

    document: Document
    broken: frozenset[int]
    faults: tuple[Fault, ...]


def reuse(document: Document, settings: Mapping[str, int | float | str] | None = None) -> Reused:
    """The document as if everything had been written out. settings: of a pack, by name; None: it is none."""
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("rules"), list):
        return Reused(document, frozenset(), ())
    return _Reuse(document, settings).whole()


class _Reuse:
    def __init__(self, document: Document, settings: Mapping[str, int | float | str] | None) -> None:
        self._document = document
        self._settings = settings
        self._used_settings: set[str] = set()
        self._data: dict[str, Any] = document.data
        self._faults: list[Fault] = []
        self._used: set[str] = set()
        self._left = MOST_VALUES
        self._failed = False
        self._bad: set[str] = set()
        self._variables = self._section("variables")
        self._conditions = self._section("conditions")
        self._defaults = self._section("defaults")
        self._odd = _faulty_keys(DefaultsModel, self._filled(self._defaults, ("defaults",), say=False))
        self._bad = {name for name in self._conditions if not self._is_whole(name)}

    def whole(self) -> Reused:
        data = dict(self._data)
        for name in self._conditions:
            self._failed = False
            data.setdefault("conditions", {})
            data["conditions"] = {**data["conditions"], name: self._part(self._conditions[name], ("conditions", name))}
        if self._defaults:
            data["defaults"] = self._filled(self._defaults, ("defaults",))
        broken: set[int] = set()
        rules: list[Any] = []
        for index, rule in enumerate(self._data["rules"]):
            self._failed = False
            rules.append(self._rule(rule, ("rules", index)) if isinstance(rule, dict) else rule)
            if self._failed:
                broken.add(index)
        data["rules"] = rules
        for name, value in self._variables.items():
            if name not in self._used and isinstance(value, int | float | str):
                message = f"no rule uses the variable '{name}'"
                self._note(("variables", name), message, f"write ${name} where its value belongs", level="warning")
        for name in self._settings or ():
            if name not in self._used_settings:
                message = f"no rule uses the setting '{name}'"
                remedy = f"write {{setting: {name}}} where its value belongs"
                self._note(("settings", name), message, remedy, "LS293", level="warning")
        return Reused(replace(self._document, data=data), frozenset(broken), tuple(dict.fromkeys(self._faults)))

    def _section(self, name: str) -> dict[str, Any]:
        section = self._data.get(name)
        return section if isinstance(section, dict) else {}

    def _note(self, pointer: Pointer, message: str, remedy: str, code: str = "LS210", *, level: Any = "error") -> None:
        self._faults.append(self._document.fault(pointer, message, remedy, code, level=level, key=level == "warning"))
        self._failed = self._failed or level == "error"

    def _is_whole(self, name: str) -> bool:
        """Whether a named condition is one by itself; what is wrong in it is said where it stands."""
        given = self._conditions[name]
        if isinstance(given, str):
            return True
        quiet, failed = len(self._faults), self._failed
        try:
            PartModel.model_validate(self._part(given, ("conditions", name)))
        except ValidationError:
            return False
        finally:
            del self._faults[quiet:]
            self._failed = failed
        return True

    def _rule(self, rule: dict[str, Any], pointer: Pointer) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in rule.items():
            if key == "condition":
                part = self._named(value, (*pointer, key), ())
                twice = sorted(k for k in part if k in rule)
                if twice and not self._failed:
                    message = f"'{twice[0]}' stands also in the condition '{value}'"
                    self._note((*pointer, twice[0]), message, "keep one of them", "LS212")
                result |= {k: v for k, v in part.items() if k not in rule}
            else:
                result[key] = self._value(key, value, (*pointer, key), ())
        for key, value in self._defaults.items():
            if key not in result:
                if key in self._odd:
                    self._failed = True  # said where the default stands
                else:
                    result[key] = self._value(key, value, ("defaults", key), ())
        return result

    def _part(self, part: Any, pointer: Pointer, seen: tuple[str, ...] = ()) -> Any:
        """A condition with what it names put in."""
        if isinstance(part, str):
            return self._named(part, pointer, seen)
        if not isinstance(part, dict):
            return part
        return {key: self._value(key, value, (*pointer, key), seen) for key, value in part.items()}

    def _value(self, key: str, value: Any, pointer: Pointer, seen: tuple[str, ...]) -> Any:
        if key in ("all", "any") and isinstance(value, list):
            return [self._part(part, (*pointer, i), seen) for i, part in enumerate(value)]
        if key == "not":
            return self._part(value, pointer, seen)
        return value if key in _TEXTS else self._filled(value, pointer)

    def _filled(self, value: Any, pointer: Pointer, *, say: bool = True) -> Any:
        """A value with variables put in."""
        self._left -= 1
        if isinstance(value, dict) and value.keys() == {"setting"}:
            return self._setting(value["setting"], pointer, say=say)
        if isinstance(value, dict):
            return {k: v if k in _TEXTS else self._filled(v, (*pointer, k), say=say) for k, v in value.items()}
        if isinstance(value, list):
            return [self._filled(v, (*pointer, i), say=say) for i, v in enumerate(value)]
        use = _USE.fullmatch(value) if isinstance(value, str) else None
        if use is None:
            return value
        name = use[1]
        self._used.add(name)
        given = self._variables.get(name)
        if name not in self._variables:
            if say:
                self._note(pointer, f"unknown variable '${name}'", _near(name, self._variables, "$"), "LS210")
        elif isinstance(given, int | float | str) and not str(given).startswith("$"):
            return given
        self._failed = True  # said above, or where the variable stands
        return 0 if pointer[-1] in _DURATIONS else "0%"

    def _setting(self, name: Any, pointer: Pointer, *, say: bool) -> Any:
        """The value of a pack's setting."""
        if self._settings is not None and isinstance(name, str) and name in self._settings:
            self._used_settings.add(name)
            return self._settings[name]
        if say and self._settings is None:
            remedy = "write the number, or a variable: $name"
            self._note(pointer, "only a pack has settings", remedy, "LS293")
        elif say:
            known = self._settings or {}
            near = did_you_mean(str(name), known) if known else "none are declared in 'settings'"
            self._note(pointer, f"unknown setting '{str(name)[:100]}'", near, "LS293")
        self._failed = True
        return 0 if pointer[-1] in _DURATIONS else "0%"

    def _named(self, name: Any, pointer: Pointer, seen: tuple[str, ...]) -> dict[str, Any]:
        """The condition of a name, or one that stands in for it."""
        if not isinstance(name, str):
            self._note(pointer, "a condition is named by its name", "write one like condition: sold_out", "LS211")
        elif name not in self._conditions:
            self._note(pointer, f"unknown condition '{name[:100]}'", _near(name, self._conditions), "LS211")
        elif len(seen) >= DEEPEST or self._left < 0:
            self._note(pointer, "these conditions stand for too much", "write them flat", "LS211")
        elif name in seen:
            self._note(pointer, f"the condition '{name}' leads back to itself", "write it out", "LS211")
        elif name in self._bad:
            self._failed = True  # said where the condition stands
        else:
            self._left -= 10
            part = self._part(deepcopy(self._conditions[name]), pointer, (*seen, name))
            return part if isinstance(part, dict) else dict(_STANDS_IN)
        return dict(_STANDS_IN)


def _near(name: str, known: dict[str, Any], mark: str = "") -> str:
    return did_you_mean(mark + name, [mark + k for k in known]) if known else "none are named in this file"


def _faulty_keys(model: type[BaseModel], data: Any) -> set[str]:
    """The keys of a mapping that are not as they must be."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        return {str(e["loc"][0]) for e in error.errors() if e["loc"]}
    return set()
