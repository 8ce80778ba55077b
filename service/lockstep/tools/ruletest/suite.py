"""Finds files of rule tests, reads them with the rules that they are about, and names every fault with its place."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from os.path import normpath
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from pydantic import ValidationError

from lockstep.adapters.rule_files import load_routing, load_rules, read_document, rule_files
from lockstep.errors import EventError
from lockstep.event import parse_event
from lockstep.notify.route import NOBODY, Routing
from lockstep.rule.condition.kinds import Plan, Rule, Severity, series_of_plan
from lockstep.rule.language.form import MeasureModel
from lockstep.rule.language.load import Loaded, load_texts
from lockstep.rule.language.packs import FOLDER as PACKS
from lockstep.tools.ruletest.file_form import Expectation, RuleTestFile, TestModel
from lockstep.tools.ruletest.story import BadStory, Line, Shop, events_of
from lockstep.tools.ruletest.written_times import Times, start_of
from lockstep.yaml.document import Document, Fault, Pointer, did_you_mean, parse_document, parted, validate

FOLDER = "tests"


@dataclass(frozen=True)
class Awaited:
    """An expectation, read. fires: from and to; over: None is `never`; what is not in `said` is not compared."""

    said: Expectation
    line: int
    labels: Mapping[str, str]
    fires: tuple[datetime, datetime] | None = None
    pending: datetime | None = None
    over: datetime | None = None
    cancelled: datetime | None = None
    becomes: tuple[tuple[str, datetime | None], ...] = ()

    @property
    def rule(self) -> str:
        return self.said.alert or self.said.never or ""

    @property
    def moments(self) -> list[datetime]:
        fires = list(self.fires) if self.fires else []
        later = [at for _, at in self.becomes]
        return [m for m in (*fires, self.pending, self.over, self.cancelled, *later) if m is not None]


@dataclass(frozen=True)
class Test:
    """One test, ready to run. place: file and line. plan: the rules that it looks at."""

    __test__ = False

    name: str
    path: str
    line: int
    times: Times
    until: datetime
    plan: Plan
    lines: tuple[Line, ...]
    events: tuple[Mapping[str, Any], ...]
    awaited: tuple[Awaited, ...]
    routing: Routing = NOBODY

    @property
    def rules(self) -> dict[str, Rule]:
        return {r.name: r for r in self.plan.rules}


@dataclass(frozen=True)
class Suite:
    """tests in the order of files. rules: all that the files are about. faults: of test files and rule files."""

    tests: tuple[Test, ...]
    rules: tuple[Rule, ...]
    faults: tuple[Fault, ...]
    files: tuple[Path, ...]

    @property
    def errors(self) -> tuple[Fault, ...]:
        return tuple(f for f in self.faults if f.level == "error")


def load_suite(paths: Sequence[Path], zone: ZoneInfo) -> Suite:
    """The tests of test files, of folders of rules (in their `tests/`, and those of their packs in `packs/tests/`) and
    of rule files (same name in `tests/`).

    zone: the shop's time zone where a file does not say it.
    """
    faults: list[Fault] = []
    files: dict[Path, None] = {}
    for path in paths:
        test_files = list(_test_files(path))
        files |= dict.fromkeys(test_files)
        if not test_files:
            faults.append(_nothing(path))
    tests: list[Test] = []
    rules: dict[tuple[str, str], Rule] = {}
    loaded: dict[tuple[Path, ...], tuple[Loaded, Mapping[str, MeasureModel]]] = {}
    for file in files:
        document, wrong = read_document(file)
        faults += wrong
        if document is None:
            continue
        sources = _sources(document, file)
        if sources not in loaded:
            loaded[sources] = load_rules(*sources, zone=zone), _measures(sources)
            faults += loaded[sources][0].errors
        of_sources, measures = loaded[sources]
        rules |= {(r.place, r.name): r for r in of_sources.plan.rules}
        reader = _Reader(document, of_sources.plan, measures, zone, _routing(sources))
        tests += reader.tests()
        faults += reader.faults
    return Suite(tuple(tests), tuple(rules.values()), tuple(sorted(set(faults))), tuple(files))


def load_text(
    text: str, rules: str, zone: ZoneInfo, *, path: str = "tests.yml", beside: Mapping[str, str] | None = None
) -> Suite:
    """The tests in a text, of the rules in another. beside: name → text of the tables and the calendar there."""
    loaded = load_texts({"rules.yml": rules, **(beside or {})}, zone=zone)
    document, faults = parse_document(path, text)
    if document is None:
        return Suite((), loaded.plan.rules, tuple(faults), ())
    source, _ = parse_document("rules.yml", rules)
    reader = _Reader(document, loaded.plan, _measures_of([] if source is None else [source]), zone)
    tests = tuple(reader.tests())
    return Suite(tests, loaded.plan.rules, tuple(sorted({*loaded.errors, *reader.faults})), ())


def is_test_file(path: Path) -> bool:
    """Whether a YAML file holds tests: it lies in a folder of tests, or says `tests:`."""
    if path.parent.name == FOLDER:
        return True
    document, _ = read_document(path)
    return document is not None and isinstance(document.data, dict) and "tests" in document.data


def _test_files(path: Path) -> Iterable[Path]:
    if path.is_dir():
        folders = [path] if path.name == FOLDER else [path / FOLDER, path / PACKS / FOLDER]
        return [file for folder in folders for file in sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")])]
    if not path.exists() or is_test_file(path):
        return [path]
    beside = path.parent / FOLDER / path.name
    return [beside] if beside.exists() else []


def _nothing(path: Path) -> Fault:
    beside = path / FOLDER / "orders.yml" if path.is_dir() and path.name != FOLDER else path.parent / FOLDER / path.name
    if path.is_dir() and path.name == FOLDER:
        beside = path / "orders.yml"
    return Fault(str(path), 1, 1, "there are no tests here", f"write some into {beside}", "LS195")


def _sources(document: Document, file: Path) -> tuple[Path, ...]:
    named = document.data.get("rule_files") if isinstance(document.data, dict) else None
    if named:
        names = named if isinstance(named, list) else [named]
        # Without `..`: whether a file is a pack is read from the folder in its path.
        return tuple(Path(normpath(file.parent / str(n))) for n in names)
    return (file.parent.parent if file.parent.name == FOLDER else file.parent,)


def _routing(sources: Iterable[Path]) -> Routing:
    """The routing beside the rules; what is wrong with it `check` says."""
    for folder in dict.fromkeys(p if p.is_dir() else p.parent for p in sources):
        routing, _ = load_routing(folder / "routing.yml")
        if routing is not None and routing.destinations:
            return routing
    return NOBODY


def _measures(sources: Iterable[Path]) -> Mapping[str, MeasureModel]:
    files = rule_files({p if p.is_dir() else p.parent for p in sources})
    return _measures_of([d for d, _ in map(read_document, files) if d is not None])


def _measures_of(documents: Iterable[Document]) -> Mapping[str, MeasureModel]:
    measures: dict[str, MeasureModel] = {}
    for document in documents:
        items = document.data.get("measures") if isinstance(document.data, dict) else None
        for name, item in items.items() if isinstance(items, dict) else ():
            try:
                measures[str(name)] = MeasureModel.model_validate(item)
            except ValidationError:
                continue  # `check` and the loaded rules name this fault
    return measures


def part_of(plan: Plan, names: Iterable[str]) -> Plan:
    """The plan of some of its rules, with the facts of the shop where the whole plan has them."""
    wanted = set(names)
    rules = tuple(r for r in plan.rules if r.name in wanted)
    return replace(plan, rules=rules, series=series_of_plan(rules, plan.shop))


class _Reader:
    """Reads one file, and collects what is wrong with it."""

    def __init__(
        self,
        document: Document,
        plan: Plan,
        measures: Mapping[str, MeasureModel],
        zone: ZoneInfo,
        routing: Routing = NOBODY,
    ) -> None:
        self.document, self.plan, self.measures, self.zone = document, plan, measures, zone
        self.routing = routing
        self.faults: list[Fault] = []

    def tests(self) -> list[Test]:
        model, wrong = validate(self.document, RuleTestFile)
        self.faults += wrong
        if model is None:
            return []
        if model.timezone is not None:
            try:
                self.zone = ZoneInfo(model.timezone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                self._note(
                    ("timezone",), f"'{model.timezone}' is no time zone", "write one like Europe/London", "LS192"
                )
                return []
        common = self._rules(model.rules, ("rules",), [r.name for r in self.plan.rules])
        tests = []
        seen: dict[str, int] = {}
        for i, test in enumerate(model.tests):
            if test.name in seen:
                line = self.document.place(("tests", seen[test.name]))[0]
                message = f"the name '{test.name}' stands also in line {line}"
                self._note(("tests", i, "name"), message, "rename one of them", "LS140")
            seen.setdefault(test.name, i)
            before = len(self.faults)
            read = self._test(test, i, model, common)
            if read is not None and len(self.faults) == before:
                tests.append(read)
        return tests

    def _note(
        self, pointer: Pointer, message: str, remedy: str, code: str, *, key: bool = False, offset: int = 0
    ) -> None:
        fault = self.document.fault(pointer, message, remedy, code, key=key)
        self.faults.append(replace(fault, column=fault.column + offset))

    def _say(self, pointer: Pointer, error: ValueError, *, key: bool = False, offset: int = 0) -> None:
        message, remedy, code = parted(str(error))
        self._note(pointer, message, remedy, code, key=key, offset=offset)

    def _rules(self, names: Sequence[str] | None, pointer: Pointer, default: Sequence[str]) -> list[str]:
        known = [r.name for r in self.plan.rules]
        for i, name in enumerate(names or ()):
            if name not in known:
                at = (*pointer, i) if isinstance(self._at(pointer), list) else pointer
                self._note(at, f"no rule is called '{name}'", did_you_mean(name, known), "LS193")
        return list(default) if names is None else [n for n in names if n in known]

    def _at(self, pointer: Pointer) -> Any:
        data: Any = self.document.data
        for step in pointer:
            data = data[step]
        return data

    def _test(self, test: TestModel, index: int, model: RuleTestFile, common: Sequence[str]) -> Test | None:
        pointer: Pointer = ("tests", index)
        started = test.start or model.start
        if started is None:
            message = "the story has no beginning"
            self._note((*pointer, "name"), message, "add start: 2026-03-02 09:00 to the test or to the file", "LS111")
            return None
        where: Pointer = (*pointer, "start") if test.start is not None else ("start",)
        try:
            times = Times(start_of(started, self.zone))
        except ValueError as error:
            self._say(where, error)
            return None
        plan = part_of(self.plan, self._rules(test.rules, (*pointer, "rules"), common))
        shop = Shop(plan, self.measures)
        lines: list[tuple[Pointer, Line]] = []
        raw: list[Mapping[str, Any]] = []
        for i, item in enumerate(test.events):
            here: Pointer = (*pointer, "events", i)
            if "type" in item:
                raw += self._raw(item, here, times, index=i)
            elif len(item) != 1:
                message = "an item of events is one line or one event"
                self._note(here, message, "write orders web: 10/min for 2h, or {type: …, at: …, data: {…}}", "LS191")
            else:
                ((subject, steps),) = item.items()
                line = self._line(shop, subject, steps, (*here, subject), times)
                lines += [] if line is None else [((*here, subject), line)]
        awaited = [self._awaited(e, (*pointer, "expect"), i, plan, times) for i, e in enumerate(test.expect)]
        until = self._until(test, pointer, times, lines, raw, [a for a in awaited if a is not None])
        if until is None:
            return None
        events: list[Mapping[str, Any]] = list(raw)
        for i, (here, line) in enumerate(lines):
            try:
                events += events_of(line, i, until, times, plan.series)
            except BadStory as error:
                self._say(here, error)
        self._refused(events, pointer, lines)
        return Test(
            name=test.name,
            path=self.document.path,
            line=self.document.place(pointer)[0],
            times=times,
            until=until,
            plan=plan,
            lines=tuple(line for _, line in lines),
            events=tuple(events),
            awaited=tuple(a for a in awaited if a is not None),
            routing=self.routing,
        )

    def _line(self, shop: Shop, subject: str, steps: Any, here: Pointer, times: Times) -> Line | None:
        if isinstance(steps, dict | list | bool) or steps is None:
            message = f"nothing readable follows '{subject}:'"
            self._note(here, message, "write steps like 10/min for 2h, then 40/min", "LS191")
            return None
        try:
            return shop.line(subject, str(steps), times)
        except BadStory as error:
            self._say(here, error, key=error.in_subject, offset=error.offset)
            return None

    def _raw(self, item: Mapping[str, Any], here: Pointer, times: Times, *, index: int) -> list[Mapping[str, Any]]:
        known = ("type", "at", "time", "data", "id", "source", "subject", "times", "every")
        for key in item:
            if key not in known:
                self._note((*here, key), f"unknown key '{key}'", did_you_mean(key, known), "LS110", key=True)
        kept = {k: v for k, v in item.items() if k in ("type", "id", "source", "subject", "data")}
        try:
            if "at" in item:
                kept["time"] = times.moment(str(item["at"])).isoformat()
            else:
                kept["time"] = str(item.get("time", times.start.astimezone(UTC).isoformat()))
        except ValueError as error:
            self._say((*here, "at"), error)
            return []
        event = {"specversion": "1.0", "id": f"event-{index + 1}", "source": "/test", "data": {}, **kept}
        try:
            parse_event(msgspec.json.encode(event))
        except EventError as error:
            self._note(here, f"this event is refused: {error.detail}", "see schemas/README.md", "LS196")
            return []
        many = item.get("times", 1)
        if not isinstance(many, int) or not 1 <= many <= 100_000:
            self._note((*here, "times"), "'times' must be a whole number", "write one from 1 to 100,000", "LS114")
            return []
        return [event] if many == 1 else [{**event, "id": f"{event['id']}/{i + 1}"} for i in range(many)]

    def _refused(
        self, events: Sequence[Mapping[str, Any]], pointer: Pointer, lines: Sequence[tuple[Pointer, Line]]
    ) -> None:
        """What a line makes is checked where it could be wrong: the first and last event of each."""
        for i, (here, _) in enumerate(lines):
            made = [e for e in events if str(e["id"]).startswith(f"{i + 1}-") and e["source"] == "/test"]
            values = {str(sorted(e["data"].items(), key=str)): e for e in made[:200]}
            for event in [*values.values(), *made[-1:]]:
                try:
                    parse_event(msgspec.json.encode(event))
                except EventError as error:
                    self._note(here, f"this makes events that are refused: {error.detail}", "mend it", "LS196")
                    break

    def _until(
        self,
        test: TestModel,
        pointer: Pointer,
        times: Times,
        lines: Sequence[tuple[Pointer, Line]],
        raw: Sequence[Mapping[str, Any]],
        awaited: Sequence[Awaited],
    ) -> datetime | None:
        begin = times.start.astimezone(UTC)
        if test.until is not None:
            try:
                until = times.moment(test.until)
            except ValueError as error:
                self._say((*pointer, "until"), error)
                return None
            if until <= begin:
                self._note((*pointer, "until"), "the test ends before it begins", "write a later time", "LS192")
                return None
        else:
            known = [begin, *(m for a in awaited for m in a.moments)]
            known += [line.last for _, line in lines if line.last is not None]
            known += [datetime.fromisoformat(str(e["time"])) for e in raw]
            until = max(known) + timedelta(hours=1)
        if until - begin > timedelta(days=400):
            self._note((*pointer, "name"), "the test covers more than 400 days", "begin later or end earlier", "LS192")
            return None
        return until

    def _awaited(self, said: Expectation, pointer: Pointer, i: int, plan: Plan, times: Times) -> Awaited | None:
        here: Pointer = (*pointer, i) if isinstance(self._at(pointer), list) else pointer
        kind = "alert" if said.alert is not None else "never"
        name = said.alert or said.never or ""
        rule = {r.name: r for r in plan.rules}.get(name)
        if rule is None:
            if name in {r.name for r in self.plan.rules}:
                remedy = "add it to 'rules', or leave 'rules' out"
                self._note((*here, kind), f"this test does not look at '{name}'", remedy, "LS193")
            else:
                known = [r.name for r in plan.rules]
                self._note((*here, kind), f"no rule is called '{name}'", did_you_mean(name, known), "LS193")
            return None
        labels = self._labels(said, rule, here)
        for n, receiver in enumerate(said.hears or ()):
            if receiver not in self.routing.destinations:
                known_names = [*self.routing.destinations]
                at: Pointer = (*here, "hears", n) if isinstance(self._at((*here, "hears")), list) else (*here, "hears")
                message = f"routing.yml has no receiver '{receiver}'"
                self._note(at, message, did_you_mean(receiver, known_names), "LS193")
        for team in said.says or {}:
            if team not in ("summary", *rule.teams):
                remedy = did_you_mean(team, ("summary", *rule.teams))
                self._note((*here, "says", team), f"'{team}' does not hear of {name}", remedy, "LS143", key=True)
        instants = {k: self._moment(getattr(said, k), (*here, k), times) for k in ("pending", "over", "cancelled")}
        return Awaited(
            said,
            self.document.place(here)[0],
            labels,
            self._span(said.fires, (*here, "fires"), times),
            instants["pending"],
            instants["over"],
            instants["cancelled"],
            tuple(self._becomes(said.becomes or [], (*here, "becomes"), times)),
        )

    def _labels(self, said: Expectation, rule: Rule, here: Pointer) -> Mapping[str, str]:
        if said.of is None:
            return {}
        if isinstance(said.of, dict):
            for label in said.of:
                if label not in rule.by:
                    remedy = did_you_mean(label, rule.by) if rule.by else "remove 'of': it is about the whole shop"
                    self._note((*here, "of", label), f"'{rule.name}' is not by '{label}'", remedy, "LS194", key=True)
            return said.of
        if len(said.of) != len(rule.by):
            by = ", ".join(rule.by)
            remedy = f"write a value for {by}" if by else "remove 'of': the rule is about the whole shop"
            self._note((*here, "of"), f"'{rule.name}' is by {by or 'nothing'}", remedy, "LS194")
            return {}
        return dict(zip(rule.by, said.of, strict=True))

    def _moment(self, text: str | None, pointer: Pointer, times: Times) -> datetime | None:
        if text is None or (pointer[-1] == "over" and text == "never"):
            return None
        try:
            return times.moment(text)
        except ValueError as error:
            self._say(pointer, error)
            return None

    def _span(self, text: str | None, pointer: Pointer, times: Times) -> tuple[datetime, datetime] | None:
        if text is None:
            return None
        first, dash, last = text.partition(" - ")
        begin = self._moment(first, pointer, times)
        end = self._moment(last, pointer, times) if dash else begin
        if begin is None or end is None:
            return None
        if end < begin:
            self._note(pointer, f"'{text}' ends before it begins", "write the earlier time first", "LS192")
            return None
        return begin, end

    def _becomes(self, texts: Sequence[str], pointer: Pointer, times: Times) -> Iterable[tuple[str, datetime | None]]:
        for text in texts:
            word, _, at = text.partition(" at ")
            if word.strip().upper() not in Severity.__members__:
                remedy = did_you_mean(word.strip(), [s.word for s in Severity])
                self._note(pointer, f"'{word.strip()}' is no severity", remedy, "LS113")
            yield word.strip(), self._moment(at.strip(), pointer, times) if at else None
