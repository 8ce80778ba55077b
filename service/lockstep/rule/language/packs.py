"""Rule packs: files of rules that a shop switches on by name, with settings that shop.yml may change.

A pack is a rule file in a folder `packs`. It says what it promises and declares its settings; its rules use them where
a number, a length or a ratio stands, `at_most: {setting: low_cover}`. They are put in when rules are loaded, so what
comes after sees numbers. Its measures are its own.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from lockstep.rule.language.form import SettingModel
from lockstep.yaml.document import Document, Fault, did_you_mean

FOLDER = "packs"

Value = int | float | str


@dataclass(frozen=True)
class Setting:
    """says: what it is for, a sentence. value: the default, or what shop.yml says."""

    name: str
    default: Value
    says: str
    value: Value

    @property
    def is_changed(self) -> bool:
        return self.value != self.default


@dataclass(frozen=True)
class Pack:
    """The head of a pack. promise: what it does for a shop, one sentence. rules: their names, in the file's order."""

    name: str
    promise: str
    settings: tuple[Setting, ...] = ()
    rules: tuple[str, ...] = ()


def is_pack(path: str) -> bool:
    """Whether a path is that of a pack: it lies in a folder `packs`."""
    return path.replace("\\", "/").split("/")[-2:-1] == [FOLDER]


def pack_name(path: str) -> str:
    """`stock` of `rules/packs/stock.yml`."""
    return path.replace("\\", "/").rpartition("/")[2].rpartition(".")[0]


def pack_of(document: Document, changes: Mapping[str, Value] | None = None) -> Pack:
    """The head of a pack as far as it can be read; what is wrong with it is said where it is loaded.

    changes: the settings that shop.yml gives values.
    """
    data = document.data if isinstance(document.data, dict) else {}
    promise, rules = data.get("promise"), data.get("rules")
    names = [rule.get("name") for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
    settings = tuple(
        Setting(name, model.default, model.says, (changes or {}).get(name, model.default))
        for name, model in _declared(data).items()
    )
    return Pack(pack_name(document.path), promise if isinstance(promise, str) else "", settings, tuple(map(str, names)))


def _declared(data: Mapping[str, Any]) -> dict[str, SettingModel]:
    declared: dict[str, SettingModel] = {}
    section = data.get("settings")
    for name, given in section.items() if isinstance(section, dict) else ():
        try:
            declared[str(name)] = SettingModel.model_validate(given)
        except ValidationError:
            continue
    return declared


def kind_of_value(value: Value) -> str:
    """What a setting is, in words: what stands in its place has to be of the same kind."""
    if isinstance(value, int | float):
        return "a number"
    text = value.strip()
    if text.endswith("%"):
        return "a number"
    if text[:1].isdigit() and text[-1:] in "smhdwx":
        return "a ratio" if text.endswith("x") else "a duration"
    return "a word"


def changes_of(
    pack: Pack, given: Mapping[str, Any], document: Document, *, of_shop: Collection[str] = ()
) -> tuple[dict[str, Value], list[Fault]]:
    """What shop.yml says of the settings of a pack, and every fault of that.

    given: setting → value, as it stands under the pack's name in `document`. of_shop: what else may stand there, as the
    shop has a section of that name: a slip may be of one of these.
    """
    changes: dict[str, Value] = {}
    faults: list[Fault] = []
    known = {setting.name: setting for setting in pack.settings}
    for name, value in given.items():
        pointer = (pack.name, name)
        if name not in known:
            message = f"the pack '{pack.name}' has no setting '{name[:100]}'"
            faults.append(document.fault(pointer, message, did_you_mean(name, {*known, *of_shop}), "LS293", key=True))
            continue
        default = known[name].default
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            message = f"'{name}' of the pack '{pack.name}' is one value"
            faults.append(document.fault(pointer, message, f"write one like {default}", "LS293"))
        elif kind_of_value(value) != kind_of_value(default):
            message = f"'{name}' of the pack '{pack.name}' is {kind_of_value(default)}, '{str(value)[:100]}' is not"
            faults.append(document.fault(pointer, message, f"write one like {default}", "LS293"))
        else:
            changes[name] = value
    return changes, faults
