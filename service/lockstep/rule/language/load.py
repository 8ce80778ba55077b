"""Loads the texts of rule files: every fault of every file, and a plan of all rules that are without one.

Who reads them from a folder is `adapters/rule_files.py`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from lockstep.calendar import UTC, Calendar
from lockstep.calendar.calendar_file import read_calendar
from lockstep.labels import stable_id
from lockstep.rule.condition.kinds import Plan, Rule, series_of_plan
from lockstep.rule.language.compile import Compiler
from lockstep.rule.language.form import MeasureModel, PackFile, RuleFile, RuleModel
from lockstep.rule.language.lint.further_faults import faults_beside
from lockstep.rule.language.lint.lint import empty_keys, lint
from lockstep.rule.language.lint.other_programs import foreign_fault
from lockstep.rule.language.lint.outdated import doubtful_names
from lockstep.rule.language.lint.uncompiled_rule import name_faults
from lockstep.rule.language.lint.warnings import advice, equal_rules
from lockstep.rule.language.measures import Measures, NamedMeasure
from lockstep.rule.language.packs import is_pack, pack_name, pack_of
from lockstep.rule.language.reuse import Reused, reuse
from lockstep.rule.language.shop_file import ShopSays, is_shop_file, read_shop
from lockstep.rule.language.table import Tables
from lockstep.rule.wording import shop_names_in
from lockstep.shop.catalogue import SOURCE
from lockstep.shop.shop_settings import ShopSettings
from lockstep.yaml.document import Document, Fault, document_of, validate

M = TypeVar("M", bound=BaseModel)
_BESIDE = (".csv", ".ics")
"""Tables and calendars: files that others name."""


@dataclass(frozen=True)
class Loaded:
    """plan: the rules without errors. faults: of all files, in the order of files and lines.

    files: the rule files, and the tables that their rules read. shop: what shop.yml says; None where there is none.
    """

    plan: Plan
    faults: tuple[Fault, ...]
    files: tuple[str, ...]
    shop: ShopSays | None = None

    @property
    def errors(self) -> tuple[Fault, ...]:
        return tuple(f for f in self.faults if f.level == "error")


def load_texts(texts: Mapping[str, str], *, known_packs: Collection[str] = (), zone: ZoneInfo = UTC) -> Loaded:
    """The rules in texts by path, tables (`.csv`), the calendar and calendars that feed it (`.ics`), shop.yml and the
    packs that it switches on among them; each fault with its path. zone: the shop's, for times of such calendars.

    Bytes that are no UTF-8 stand in a text as `surrogateescape` reads them. known_packs: names of packs that shop.yml
    could switch on, too.
    """
    documents: list[Document] = []
    packs: list[Document] = []
    shop: Document | None = None
    faults: list[Fault] = []
    calendar: Calendar | None = None
    for name, text in texts.items():
        if name.endswith(_BESIDE):
            continue
        document, wrong = document_of(name, text.encode("utf-8", "surrogateescape"))
        faults += wrong
        if document is not None and _is_calendar(name):
            calendar, wrong = read_calendar(document, texts, zone)
            faults += wrong
        elif document is not None and is_shop_file(name):
            shop = document
        elif document is not None and is_pack(name):
            packs.append(document)
        elif document is not None:
            documents.append(document)
    files = [name for name in texts if not name.endswith(_BESIDE) and not is_pack(name)]
    loaded = load_documents(
        documents, faults, files, texts=texts, calendar=calendar, shop=shop, packs=packs, known_packs=known_packs
    )
    if shop is None and loaded.plan.shop is not None and any(map(is_shop_file, texts)):
        waiting = replace(loaded.plan.shop, reports_wait=True)
        return replace(loaded, plan=replace(loaded.plan, shop=waiting))
    return loaded


def load_documents(
    documents: Sequence[Document],
    unread: Sequence[Fault],
    files: Sequence[str],
    *,
    texts: Mapping[str, str],
    beside: Sequence[Document] = (),
    calendar: Calendar | None = None,
    shop: Document | None = None,
    packs: Sequence[Document] = (),
    known_packs: Collection[str] = (),
) -> Loaded:
    """The rules in documents. A bad measure or rule costs only itself and what uses it; a key that stands twice costs
    the rules of its file.

    unread: why other files are no documents. files: the paths of all of them. texts: path → text of the tables beside
    them, see `Tables`. beside: files that only lend measures. shop: shop.yml. packs: those that it may switch on; a
    pack among `documents` is loaded in any case.
    """
    tables = Tables(texts)
    says, of_shop = _shop_of(shop, packs, known_packs)
    on = [d for d in packs if pack_name(d.path) in says.packs]
    rule_files, of_foreign = _rule_files([*documents, *on])
    reused = [_reused(document, says) for document in rule_files]
    places, of_names, replaced = _rule_places([r.document for r in reused])
    compiled: list[tuple[Document, int, Rule]] = []
    of_rules: list[Fault] = []
    shaped: set[str] = set()
    # The measures of a pack are its own, and nothing that a shop calls by the same name is in their way.
    for group in _sharing(reused):
        borrowed = () if is_pack(group[0].document.path) else beside
        measures, wrong = _measures([r.document for r in group], borrowed, unread)
        rules, more = _compiled_rules(group, measures, calendar, tables, replaced, shaped)
        compiled += rules
        of_rules += wrong + more
    doubtful = doubtful_names(compiled, places)
    plan = _plan_of(_certain(compiled, doubtful), calendar, says.settings if shop is not None else None)
    faults = chain(
        unread,
        of_shop,
        of_foreign,
        *(r.faults for r in reused),
        *(_form_faults(r.document) for r in reused),
        of_names,
        of_rules,
        tables.faults,
        equal_rules(compiled),
        doubtful,
    )
    names = (*files, *(d.path for d in on), *tables.files)
    return Loaded(plan, tuple(sorted(set(faults))), names, says if shop is not None else None)


# ---- the steps in their order: each answers with what it made and the faults of that ---------------------------------


def _rule_files(documents: Sequence[Document]) -> tuple[list[Document], list[Fault]]:
    """Those that are ours: a rule file of another program has one fault, which says so."""
    foreign = {d.path: fault for d in documents if (fault := foreign_fault(d)) is not None}
    return [d for d in documents if d.path not in foreign], list(foreign.values())


def _shop_of(shop: Document | None, packs: Sequence[Document], known: Collection[str]) -> tuple[ShopSays, list[Fault]]:
    """What shop.yml says; where there is none, what a shop is that says nothing."""
    if shop is None:
        return ShopSays(ShopSettings()), []
    return read_shop(shop, {pack_name(d.path): pack_of(d) for d in packs}, known)


def _reused(document: Document, says: ShopSays) -> Reused:
    if not is_pack(document.path):
        return reuse(document)
    pack = pack_of(document, says.values.get(pack_name(document.path)))
    return reuse(document, {setting.name: setting.value for setting in pack.settings})


def _sharing(reused: Sequence[Reused]) -> list[list[Reused]]:
    """The files that share their measures: those of the shop, and each pack by itself."""
    own = [r for r in reused if not is_pack(r.document.path)]
    return ([own] if own else []) + [[r] for r in reused if is_pack(r.document.path)]


def _form_faults(document: Document) -> list[Fault]:
    """What is not as the form asks for; the warning of a file without any measure or rule, which is easily saved."""
    faults = validate(document, PackFile if is_pack(document.path) else RuleFile)[1]
    if faults or (document.data and any(document.data.values())):
        return faults
    message = "the file holds nothing, so no rule of it is judged"
    return [document.fault((), message, "bring back what stood in it, or remove the file", "LS108", level="warning")]


def _measures(
    documents: Sequence[Document], beside: Sequence[Document], unread: Sequence[Fault]
) -> tuple[Measures, list[Fault]]:
    """The measures of all files by name; those of files beside are lent, and what is wrong with them is not said."""
    named: dict[str, NamedMeasure] = {}
    broken: set[str] = set()
    faults: list[Fault] = []
    for document, borrowed in [*((d, False) for d in documents), *((d, True) for d in beside)]:
        # Which of two is meant is not guessed at, and what uses it is not told that it is wrong.
        unclear = {pointer[1] for pointer, _ in document.twice if pointer[0] == "measures" and len(pointer) > 1}
        broken |= _listed(document)
        for name, model in _items(document, "measures", MeasureModel):
            if isinstance(name, int):
                continue  # measures in a list, which has been said
            empty = [] if model is None or borrowed else empty_keys(document, ("measures", name))
            faults += empty
            other = named.get(str(name))
            if other is not None and not borrowed:
                where = f"{other.document.path}:{other.document.place(('measures', name), key=True)[0]}"
                message = f"the name stands also in {where}"
                faults.append(document.fault(("measures", name), message, "rename one of them", "LS140", key=True))
            elif model is None or name in unclear or empty:
                broken.add(str(name))
            elif other is None:
                named[str(name)] = NamedMeasure(str(name), model, document)
    elsewhere = [f.path for f in unread if not _is_calendar(f.path) and not is_shop_file(f.path)]
    measures = Measures(named, broken - named.keys(), elsewhere)
    lent = {d.path for d in beside}
    return measures, faults + [f for f in measures.faults if f.path not in lent]


def _rule_places(documents: Sequence[Document]) -> tuple[dict[str, str], list[Fault], set[tuple[str, str]]]:
    """Where the first rule of each name stands, `orders.yml:12`, broken ones too; a second one is a fault, unless it is
    one of a pack that the shop replaces by its own: these, by path and name, are the last of the answer."""
    places: dict[str, str] = {}
    faults: list[Fault] = []
    replaced: set[tuple[str, str]] = set()
    of_shop: set[str] = set()
    for document in sorted(documents, key=lambda d: is_pack(d.path)):
        for index, written in _entries(document, "rules"):
            if isinstance(index, str):
                continue  # rules by name are no list of rules, which has been said
            name, pointer = written.get("name") if isinstance(written, dict) else None, ("rules", index)
            if not isinstance(name, str):
                continue
            if is_pack(document.path) and name in of_shop:
                replaced.add((document.path, name))
            elif name in places:
                message = f"rule '{name}' stands also in {places[name]}"
                faults.append(document.fault((*pointer, "name"), message, "rename one of them", "LS140"))
            else:
                places[name] = f"{document.path}:{document.place(pointer)[0]}"
                of_shop |= set() if is_pack(document.path) else {name}
    return places, faults, replaced


def _compiled_rules(
    reused: Sequence[Reused],
    measures: Measures,
    calendar: Calendar | None,
    tables: Tables,
    replaced: Collection[tuple[str, str]],
    shaped: set[str],
) -> tuple[list[tuple[Document, int, Rule]], list[Fault]]:
    """The rules that can be judged, each with its document and its number there; of two of one name the first.

    replaced: path and name of the rules of packs in whose place the shop has its own. shaped: names of rules whose form
    is right, of this and other files; those of these files are added.
    """
    compiled: list[tuple[Document, int, Rule]] = []
    faults: list[Fault] = []
    for document, broken in ((r.document, r.broken) for r in reused):
        compiler = Compiler(document, measures, calendar, tables)
        for index, model in _items(document, "rules", RuleModel):
            if isinstance(index, str) or index in broken:
                continue  # what it would borrow is not there, which has been said
            if model is None:
                faults += faults_beside(document, index, measures, Compiler(document, measures, calendar, tables))
                continue
            if (document.path, model.name) in replaced:
                continue
            rule = None if model.name in shaped else compiler.rule(model, index)
            shaped.add(model.name)
            if rule is None:
                faults += name_faults(document, index, measures)
                continue
            wrong = [
                *empty_keys(document, ("rules", index)),
                *lint(document, rule, index),
                *advice(document, rule, index),
            ]
            faults += wrong
            if model.enabled and not document.twice and not any(f.level == "error" for f in wrong):
                compiled.append((document, index, rule))
        faults += compiler.faults
    return compiled, faults


def _certain(compiled: Sequence[tuple[Document, int, Rule]], doubtful: Sequence[Fault]) -> tuple[Rule, ...]:
    """The rules whose earlier names (`was`) are in no doubt."""
    places = {(fault.path, fault.line) for fault in doubtful}
    return tuple(rule for d, index, rule in compiled if (d.path, d.place(("rules", index, "was"))[0]) not in places)


def _plan_of(rules: tuple[Rule, ...], calendar: Calendar | None, shop: ShopSettings | None) -> Plan:
    """shop: what shop.yml says; None: there is none, so the shop's facts are kept only where a rule reads them."""
    if shop is None:
        asks = any(s.source == SOURCE for s in series_of_plan(rules, None))
        names = any(shop_names_in(text) for rule in rules for text in rule.say.values())
        shop = ShopSettings() if asks or names else None
    fingerprint = stable_id("plan-1", *(rule.version for rule in rules))[:12]
    return Plan(rules, series_of_plan(rules, shop), fingerprint, shop=shop, calendar=calendar)


# ---- what a document holds -------------------------------------------------------------------------------------------


def _is_calendar(path: str) -> bool:
    return path.rpartition("/")[2].rpartition(".")[0] == "calendar"


def _listed(document: Document) -> set[str]:
    """The names of measures that stand in a list, `- name: orders` or `- orders: …`: that they do is said once."""
    names: set[str] = set()
    items = document.data.get("measures") if isinstance(document.data, dict) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            names |= {str(item["name"])} if "name" in item else set(map(str, item))
    return names


def _entries(document: Document, key: str) -> Iterator[tuple[str | int, Any]]:
    """What stands under a key of the file, as it is written: by name in a mapping, by number in a list."""
    items = document.data.get(key) if isinstance(document.data, dict) else None
    yield from items.items() if isinstance(items, dict) else enumerate(items if isinstance(items, list) else ())


def _items(document: Document, key: str, model: type[M]) -> Iterator[tuple[str | int, M | None]]:
    """The measures by name or the rules by number; None for one that is not as it must be."""
    for step, item in _entries(document, key):
        try:
            yield step, model.model_validate(item)
        except ValidationError:
            yield step, None
