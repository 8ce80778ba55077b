"""Rule files → Plan: names resolved, words turned into numbers, everything that can be wrong said with its place."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from math import inf
from typing import Any, Literal

from lockstep.calendar import Calendar
from lockstep.measure.definition import Aggregate, Expression, Measured, Operation, SeriesDef, series_of
from lockstep.rule.condition.bound import Source
from lockstep.rule.condition.kinds import (
    Absence,
    All,
    AnyOf,
    Baseline,
    Bounds,
    Condition,
    Flapping,
    Level,
    NoData,
    Not,
    Override,
    Rule,
    Severity,
    Share,
    Spike,
    Threshold,
    Tolerance,
    period_of,
    series_of_condition,
)
from lockstep.rule.condition.period import DAY, DAY_S, WEEK, Period, Window
from lockstep.rule.condition.when import compares_values, is_level_only, leaves, periods_in
from lockstep.rule.identity import version_of
from lockstep.rule.language import quantity
from lockstep.rule.language.compile_bound import Compared, of_measure, of_table
from lockstep.rule.language.compile_kinds import (
    anomaly_of,
    change_of,
    expected_of,
    new_value_of,
    projection_of,
    share_of,
)
from lockstep.rule.language.fewer_labels import plain, shared_key
from lockstep.rule.language.form import (
    BaselineForm,
    BaselineModel,
    BoundsModel,
    ClearModel,
    LevelModel,
    LevelsModel,
    PartModel,
    RatioModel,
    RuleModel,
    ShareModel,
    SourceModel,
    SpikeModel,
    ThresholdModel,
    sources_in,
)
from lockstep.rule.language.lint.attainable import is_of_few
from lockstep.rule.language.lint.clear import clear_fault, is_empty, span
from lockstep.rule.language.measures import Grouping, Measures, label_fault, series_of_measure
from lockstep.rule.language.table import BadTable, Tables
from lockstep.yaml.document import Document, Fault, Pointer, did_you_mean, parted

FORGOTTEN_AFTER_WEEKS_S = 21 * 86_400
CHANCE_WITHOUT_MINIMUMS = 0.001
"""A count that is compared by a bare ratio must be so unlikely, else 1 to 3 would be a spike."""


class Stop(Exception):
    """This rule cannot be compiled; why has been noted."""


class Compiler:
    """Compiles the rules of one document; faults are gathered, a rule with an error is left out."""

    def __init__(
        self,
        document: Document,
        measures: Measures,
        calendar: Calendar | None,
        tables: Tables,
    ) -> None:
        self._calendar = calendar
        self._tables = tables
        self._document = document
        self._measures = measures
        self.faults: list[Fault] = []

    def rule(self, model: RuleModel, index: int) -> Rule | None:
        """The rule, or None when something in it is wrong."""
        before = len(self.faults)
        pointer: Pointer = ("rules", index)
        try:
            rule = self._rule(model, pointer)
        except Stop:
            return None
        return None if any(f.level == "error" for f in self.faults[before:]) else rule

    def note(
        self,
        pointer: Pointer,
        message: str,
        remedy: str,
        code: str,
        *,
        level: Literal["error", "warning"] = "error",
        key: bool = False,
    ) -> None:
        self.faults.append(self._document.fault(pointer, message, remedy, code, level=level, key=key))

    def _rule(self, model: RuleModel, pointer: Pointer) -> Rule:
        by = tuple(sorted({label.removeprefix("lines.") for label in model.by}))
        if len(by) < len(model.by):
            self.note((*pointer, "by"), "a label stands twice", "remove one of them", "LS112")
            raise Stop
        if 0 in _lengths(model):
            self.note(pointer, "a window of zero holds nothing", "write one like 15m", "LS145")
            raise Stop
        bucket_s = _bucket_s(model)
        grouping = Grouping(tuple(model.by), bucket_s, shared_key(model, by))
        scope = _Scope(by, grouping, Severity.of(model.severity))
        condition = self._condition(model, pointer, scope)
        if model.overrides:
            condition = self._overridden(condition, model, pointer, scope)
        self._check_for(model, condition, pointer)
        series = series_of_condition(condition)
        if series and all(s.by != by for s in series):
            message = f"nothing in it is by {' and '.join(by)}, so it has no groups"
            self.note((*pointer, "by"), message, "give the rule the labels of its parts", "LS186")
        self._check_labels(model, series, pointer)
        if not is_level_only(condition) and compares_values(condition):
            message = "a rule that is judged at every bucket does not see every value"
            self.note(pointer, f"{message}, a 'change' in it needs a window", "add 'window: 1h'", "LS185")
        rule = Rule(
            name=model.name,
            by=by,
            condition=condition,
            for_s=0 if isinstance(model.for_, Tolerance) else model.for_,
            keep_firing_for_s=model.keep_firing_for,
            no_data=NoData(model.no_data),
            teams=tuple(model.teams),
            say=dict(model.say),
            runbook=model.runbook,
            forget_after_s=_forget_after(model, condition),
            bucket_s=0 if is_level_only(condition) else bucket_s,
            place=f"{self._document.path}:{self._document.place(pointer)[0]}",
            tolerance=model.for_ if isinstance(model.for_, Tolerance) else None,
            cool_down_s=model.cool_down,
            expires=model.expires,
            was=tuple(model.was),
            owner=model.owner,
            max_alerts=model.max_alerts,
            flapping=Flapping(model.flapping.fires, model.flapping.in_) if model.flapping else None,
        )
        if rule.tolerance is not None and not rule.bucket_s:
            message = "it is judged at every value and has no buckets"
            self.note((*pointer, "for"), message, "write a duration like 10m", "LS200")
        return replace(rule, version=version_of(rule))

    def _check_for(self, model: RuleModel, condition: Condition, pointer: Pointer) -> None:
        """What is judged once has nothing that could hold for a while."""
        periods = [period_of(leaf) for leaf, _ in leaves(condition)]
        if model.for_ != 0 and None not in periods:
            message = f"a {periods[0]} is judged once, at its end, so nothing has to hold for a while"
            self.note((*pointer, "for"), message, "remove 'for'", "LS230", key=True)

    # ---- conditions -----------------------------------------------------------------------------------------------

    def _condition(self, model: PartModel, pointer: Pointer, scope: "_Scope") -> Condition:
        if model.threshold is not None:
            return self._threshold(model.threshold, model.clear, pointer, scope)
        if model.spike is not None:
            return self._spike(model.spike, model.clear, pointer, scope)
        for word, given in (("share", model.share), ("ratio", model.ratio)):
            if given is not None:
                return self._share(given, model.clear, (*pointer, word), scope)
        if model.clear is not None:
            message = "only a threshold, a spike, a share or a ratio has a 'clear'"
            self.note((*pointer, "clear"), message, "remove it", "LS122", key=True)
        more = self._more(model, pointer, scope)
        if more is not None:
            return more
        if model.absence is not None:
            at = (*pointer, "absence")
            window = model.absence.stretch
            bounded = bool(model.absence.hours) or isinstance(window, Period)
            closed = self._calendar.only(["closed"]) if self._calendar is not None and bounded else None
            scope = self._within(model.absence.labels, at, scope)
            expression = self._expression(model.absence.measure, (*at, "measure"), scope)
            wrong = next((s for s in series_of(expression) if not s.is_additive), None)
            if wrong is not None or _divides(expression):
                what = "a division by nothing" if wrong is None else f"the {wrong.aggregate} of nothing"
                what = "a level" if wrong is not None and wrong.is_level else what
                self.note(
                    (*at, "measure"), f"{what} is never 0, so it is never absent", "use a count of events", "LS123"
                )
            own = set(map(plain, scope.grouping.by)) == set(scope.by)
            expected = expected_of(model.absence.expected, (*at, "expected"), self.note, scope.by, own)
            return Absence(expression, window, scope.severity, tuple(model.absence.hours), expected, closed)
        if model.all is not None:
            parts = [self._condition(p, (*pointer, "all", i), scope) for i, p in enumerate(model.all)]
            return All(tuple(parts), scope.severity)
        if model.any is not None:
            parts = [self._condition(p, (*pointer, "any", i), scope) for i, p in enumerate(model.any)]
            return AnyOf(tuple(parts), scope.severity)
        assert model.not_ is not None
        return Not(self._condition(model.not_, (*pointer, "not"), scope), scope.severity)

    def _within(self, by: list[str] | None, pointer: Pointer, scope: "_Scope") -> "_Scope":
        """The scope of a part that has labels of its own."""
        if by is None:
            return scope
        for i, label in enumerate(by):
            if plain(label) not in scope.by:
                at = (*pointer, "by", i) if len(by) > 1 else (*pointer, "by")
                remedy = did_you_mean(plain(label), scope.by) if scope.by else "add it to the rule's 'by'"
                self.note(at, f"the rule is not by '{label}', and a part never looks closer", remedy, "LS186")
                raise Stop
        return replace(scope, grouping=replace(scope.grouping, by=tuple(by)))

    def _more(self, model: PartModel, pointer: Pointer, scope: "_Scope") -> Condition | None:
        if model.projection is not None:
            scope = self._within(model.projection.by, (*pointer, "projection"), scope)
        named = partial(self._expression, scope=scope)
        if model.change is not None:
            return change_of(model.change, (*pointer, "change"), named, self.note, scope.severity)
        if model.new_value is not None:
            at = (*pointer, "new_value")
            return new_value_of(model.new_value, at, named, self.note, scope.severity, scope.by)
        if model.anomaly is not None:
            return anomaly_of(model.anomaly, (*pointer, "anomaly"), named, self.note, scope.severity, self._calendar)
        if model.projection is not None:
            return projection_of(model.projection, (*pointer, "projection"), named, self.note, scope.severity)
        return None

    def _share(
        self, model: ShareModel | RatioModel, clear: ClearModel | None, at: Pointer, scope: "_Scope"
    ) -> Condition:
        scope = self._within(model.by, at, scope)
        compared = self._compared("", model.window, scope)
        bounds = self._clear_bounds(clear, (*at[:-1], "clear"), compared)
        levels = partial(self._levels, model, model.levels, bounds, at, scope.severity, compared)
        return share_of(model, at, partial(self._expression, scope=scope), self.note, levels)

    def _threshold(
        self, model: ThresholdModel, clear: ClearModel | None, pointer: Pointer, scope: "_Scope"
    ) -> Threshold:
        at = (*pointer, "threshold")
        scope = self._within(model.by, at, scope)
        expression = self._expression(model.measure, (*at, "measure"), scope)
        flows = [s for s in series_of(expression) if not s.is_level]
        if flows and model.window is None:
            self.note(at, f"'{model.measure}' is a flow and needs a window", "add 'window: 15m'", "LS120", key=True)
        if not flows and model.window is not None:
            self.note(
                (*at, "window"), f"'{model.measure}' is a level and has no window", "remove 'window'", "LS121", key=True
            )
        self._warn_of_rolling(at, model.window)
        compared = self._compared(model.measure, model.window if flows else None, scope)
        bounds = self._clear_bounds(clear, (*pointer, "clear"), compared)
        levels = self._levels(model, model.levels, bounds, at, scope.severity, compared)
        return Threshold(expression, model.window if flows else None, levels, graded=model.levels is not None)

    def _levels(
        self,
        own: BoundsModel,
        levels: LevelsModel | None,
        clear: Bounds | None,
        pointer: Pointer,
        severity: Severity,
        compared: Compared,
    ) -> tuple[Level, ...]:
        breach = self._bounds(own, pointer, compared)
        if levels is None:
            if not breach.is_set:
                self.note(
                    pointer, "no number to compare with", "add above, below, at_least or at_most", "LS124", key=True
                )
                raise Stop
            self._check_bounds(breach, pointer)
            beside = pointer[:-1] if pointer[-1] in ("threshold", "share", "ratio") else pointer
            self._check_clear(breach, clear, (*beside, "clear"))
            return (Level(severity, breach, clear),)
        if breach.is_set:
            self.note(pointer, "both a number and 'levels'", "keep one of them", "LS124", key=True)
        found: list[Level] = []
        for word in ("info", "warning", "critical"):
            level: LevelModel | None = getattr(levels, word)
            if level is None:
                continue
            at = (*pointer, "levels", word)
            bounds = self._bounds(level, at, compared)
            if not bounds.is_set:
                self.note(
                    at, f"level '{word}' has no number", "add above, below, at_least or at_most", "LS124", key=True
                )
                continue
            self._check_bounds(bounds, at)
            own_clear = clear
            if level.clear is not None:
                own_clear = self._bounds(level.clear, (*at, "clear"), compared)
            self._check_clear(bounds, own_clear, at)
            lower = found[-1] if found else None
            known = lower is not None and not lower.breach.sources and not bounds.sources
            if lower is not None and known and _implies(lower.breach, bounds):
                self.note(
                    at,
                    f"'{word}' always holds when '{lower.severity.word}' does, which nobody will ever see",
                    "the higher severity needs the harder number",
                    "LS129",
                    level="warning",
                )
            found.append(Level(Severity.of(word), bounds, own_clear))
        if not found:
            self.note(pointer, "'levels' names no level", "add warning or critical", "LS124", key=True)
            raise Stop
        return tuple(found)

    def _check_bounds(self, breach: Bounds, pointer: Pointer) -> None:
        if breach.sources:
            return  # what it comes to is known when it is judged
        if is_empty(breach):
            self.note(
                pointer,
                "no number is on both sides, this can never hold",
                "for outside of a band write any: [threshold …, threshold …]",
                "LS124",
            )

    def _check_clear(self, breach: Bounds, clear: Bounds | None, pointer: Pointer) -> None:
        if clear is None:
            return
        if not clear.is_set:
            self.note(pointer, "'clear' has no number", "add above, below, at_least or at_most", "LS125")
            return
        fault = clear_fault(breach, clear)
        if fault is not None:
            self.note(pointer, fault.message, fault.remedy, "LS125")

    def _clear_bounds(self, clear: ClearModel | None, pointer: Pointer, compared: Compared) -> Bounds | None:
        return None if clear is None else self._bounds(clear, pointer, compared)

    def _compared(self, measure: str, window_s: Window | None, scope: "_Scope") -> Compared:
        def named(name: str, at: Pointer, by: list[str] | None) -> tuple[Expression, tuple[str, ...]]:
            own = self._within(by, at, scope)
            return self._expression(name, (*at, "measure"), own), _plain(own.grouping.by)

        return Compared(measure, _plain(scope.grouping.by), window_s, named, scope.by)

    def _bounds(self, model: BoundsModel | ClearModel, pointer: Pointer, compared: Compared) -> Bounds:
        found: dict[str, float] = {}
        sources: list[tuple[str, Source]] = []
        for word in ("above", "below", "at_least", "at_most"):
            given, at = getattr(model, word), (*pointer, word)
            if isinstance(given, SourceModel):
                sources.append((word, self._source(given, word, at, compared)))
            elif given is not None:
                found[word] = self._quantity(quantity.number, given, at)
        return Bounds(
            found.get("above"), found.get("below"), found.get("at_least"), found.get("at_most"), tuple(sources)
        )

    def _source(self, model: SourceModel, word: str, at: Pointer, compared: Compared) -> Source:
        if model.measure is not None:
            return of_measure(model, at, compared, self.note)
        try:
            return of_table(model, word, at, compared.rule_labels, self._document.path, self._tables, self.note)
        except BadTable as bad:
            raise Stop from bad

    def _quantity(self, read: Any, value: object, pointer: Pointer) -> float:
        return float(self._read(read, value, pointer))

    def _read(self, read: Any, value: object, pointer: Pointer) -> Any:
        try:
            return read(value)
        except ValueError as error:
            message, remedy, code = parted(str(error))
            self.note(pointer, f"{pointer[-1]} {message}", remedy, code)
            raise Stop from error

    def _spike(self, model: SpikeModel, clear: ClearModel | None, pointer: Pointer, scope: "_Scope") -> Spike:
        at = (*pointer, "spike")
        scope = self._within(model.by, at, scope)
        expression = self._expression(model.measure, (*at, "measure"), scope)
        if any(s.is_level for s in series_of(expression)):
            self.note(
                (*at, "measure"), f"'{model.measure}' is a level and has no window to compare", "use a flow", "LS126"
            )
        above, above_by = self._rise(model, at)
        below, below_by = self._fall(model, at)
        alone = model.above is None and model.below is None
        self._warn_of_rolling(at, model.window)
        baseline = self._baseline(model.baseline, model.window, (*at, "baseline"))
        few = is_of_few(
            expression
        )  # what guards an average is said by the whole rule, see `lockstep.rule.language.lint.attainable`
        if not few and model.usual_at_least is None and (alone or above is not None or below is not None):
            self.note(
                at,
                "a spike without 'usual_at_least' compares with next to nothing",
                "add 'usual_at_least: 5' (a usual value below it is not compared with)",
                "LS127",
                level="warning",
                key=True,
            )
        if not few and model.at_least is None and model.below is None and above_by is None and model.chance is None:
            self.note(
                at,
                "a spike without 'at_least' fires on small numbers",
                "add 'at_least: 20'",
                "LS127",
                level="warning",
                key=True,
            )
        clears = self._spike_clear(model, clear, (*pointer, "clear"))
        return Spike(
            expression=expression,
            window_s=model.window,
            baseline=baseline,
            severity=scope.severity,
            above=above,
            below=below,
            deviations=model.deviations,
            at_least=model.at_least,
            usual_at_least=model.usual_at_least,
            clear_below=clears["below"][0],
            clear_above=clears["above"][0],
            above_by=above_by,
            below_by=below_by,
            clear_below_by=clears["below"][1],
            clear_above_by=clears["above"][1],
            chance=self._chance(model, expression, at),
            hours=tuple(model.hours),
            closed=self._closed(model),
        )

    def _closed(self, model: SpikeModel) -> Calendar | None:
        """The closed days that bound it: all of it where it has hours, else its falls."""
        falls = model.below is not None or model.above is None
        looks = not isinstance(model.baseline, BaselineModel) or "closed" in model.baseline.without
        if self._calendar is None or not looks or not (falls or model.hours):
            return None
        return self._calendar.only(["closed"])

    def _rise(self, model: SpikeModel, at: Pointer) -> tuple[float | None, float | None]:
        ratio, difference = model.above or (None, None)
        if ratio is not None and ratio < 1:
            self.note(
                (*at, "above"),
                f"{ratio:g}x of the usual is no rise",
                f"write {1 + ratio:g}x for {ratio:.0%} more than usual",
                "LS105",
            )
        if difference is not None and difference < 0:
            self.note((*at, "above"), "less than usual is no rise", f"write {-difference:g} more", "LS105")
        return ratio, difference

    def _fall(self, model: SpikeModel, at: Pointer) -> tuple[float | None, float | None]:
        ratio, difference = model.below or (None, None)
        if ratio is not None and ratio > 1:
            self.note((*at, "below"), f"{ratio:g}x of the usual is no fall", "write one like 0.5x", "LS105")
        if difference is not None and difference > 0:
            self.note((*at, "below"), "more than usual is no fall", f"write {difference:g} less", "LS105")
        return ratio, None if difference is None else -difference

    def _chance(self, model: SpikeModel, expression: Expression, at: Pointer) -> float | None:
        """How rare chance must make it. A count without any minimum is judged by its own noise all the same."""
        if isinstance(expression, Measured) and expression.series.aggregate is Aggregate.COUNT:
            ratio_alone = model.above is not None and model.above[1] is None and model.below is None
            bare = ratio_alone and model.deviations is None and model.at_least is None and model.usual_at_least is None
            return CHANCE_WITHOUT_MINIMUMS if model.chance is None and bare else model.chance
        if model.chance is not None:
            self.note((*at, "chance"), "only a count has a noise of its own", "write deviations: 4", "LS112", key=True)
        return None

    def _warn_of_rolling(self, at: Pointer, window: Window | None) -> None:
        """A day that moves on every minute crosses its number many times a day; `24h` says that it is meant."""
        given = _at(self._document.data, (*at, "window"))
        word = {DAY_S: "day", 7 * DAY_S: "week"}.get(window) if isinstance(window, int) else None
        if word is not None and isinstance(given, str) and not given.strip().endswith("h"):
            message = f"the last {given.strip()} move on every minute, so chance crosses the number again and again"
            hours = f"{window // 3_600}h" if isinstance(window, int) else ""
            remedy = f"write 'window: {word}' for each {word} once, or {hours} if every minute is meant"
            self.note((*at, "window"), message, remedy, "LS231", level="warning")

    def _baseline(self, model: BaselineForm, window: Window, at: Pointer) -> Baseline:
        if isinstance(model, str):
            if isinstance(window, Period):
                return Baseline(weeks=1) if window == WEEK else Baseline(days=1)
            return Baseline(previous_s=window)
        otherwise = None
        if model.otherwise is not None:
            otherwise = self._baseline(model.otherwise, window, (*at, "otherwise"))
        if isinstance(window, Period) and model.previous is not None:
            message = f"a {window} is compared with whole {window}s"
            remedy = "write previous, or same_time_of_week: 4" + (", or same_time_of_day: 7" if window == DAY else "")
            self.note((*at, "previous"), message, remedy, "LS230")
        if window == WEEK and model.same_time_of_day is not None:
            message = "a week is compared with weeks"
            self.note((*at, "same_time_of_day"), message, "write same_time_of_week: 4", "LS230", key=True)
        if model.previous is not None:
            return Baseline(model.previous)
        calendar = None if self._calendar is None else self._calendar.only(model.without)
        return Baseline(
            None, model.same_time_of_week, model.same_time_of_day, model.known_at_least, calendar, otherwise
        )

    def _spike_clear(
        self, model: SpikeModel, clear: ClearModel | None, at: Pointer
    ) -> dict[str, tuple[float | None, float | None]]:
        """The ratios and differences at which a spike is over; a rise needs one below, a fall one above."""
        found: dict[str, tuple[float | None, float | None]] = {"above": (None, None), "below": (None, None)}
        if clear is None:
            return found
        for word in ("above", "below"):
            value = getattr(clear, word)
            if value is not None:
                found[word] = self._read(quantity.away, value, (*at, word))
        ratios = {word: ratio for word, (ratio, _) in found.items() if ratio is not None}
        steps = {word: step for word, (_, step) in found.items() if step is not None}
        if clear.at_least is not None or clear.at_most is not None or not (ratios or steps):
            self.note(at, "a spike clears by a ratio", "write clear: {below: 1.5x}", "LS125")
        (up, up_by), (down, down_by) = model.above or (None, None), model.below or (None, None)
        self._check_spike_clear(up, down, ratios, {*steps, *_opposite(model)}, (0, inf), "x", at)
        self._check_spike_clear(up_by, down_by, steps, {*ratios, *_opposite(model)}, (-inf, inf), " more", at)
        return found

    def _check_spike_clear(
        self,
        rise: float | None,
        fall: float | None,
        clears: dict[str, float],
        free: set[str],
        ends: tuple[float, float],
        unit: str,
        at: Pointer,
    ) -> None:
        """What a clear cannot be. free: the words that it need not have, because something else says enough."""
        lowest, highest = ends
        if clears.get("above", lowest) >= clears.get("below", highest):
            self.note(at, "'clear' can never hold", "widen it", "LS125")
        elif rise is not None and clears.get("below", lowest if "below" in free else highest) > rise:
            self.note(at, "'clear' holds while it breaches", f"write below: {rise:g}{unit} or less", "LS125")
        elif fall is not None and clears.get("above", highest if "above" in free else lowest) < fall:
            less = f"{fall:g}{unit}" if fall >= 0 else f"{-fall:g} less"
            self.note(at, "'clear' holds while it breaches", f"write above: {less} or more", "LS125")

    def _overridden(self, condition: Condition, model: RuleModel, pointer: Pointer, scope: "_Scope") -> Condition:
        if not isinstance(condition, Threshold | Share):
            message = "only a threshold, a share or a ratio has overrides"
            self.note((*pointer, "overrides"), message, "remove them", "LS128", key=True)
            return condition
        given = model.threshold or model.share or model.ratio
        assert given is not None
        scope = self._within(given.by, pointer, scope)
        measure = model.threshold.measure if model.threshold is not None else ""
        compared = self._compared(measure, condition.window_s, scope)
        overrides = []
        for i, override in enumerate(model.overrides):
            at = (*pointer, "overrides", i)
            severity = Severity.of(override.severity) if override.severity else scope.severity
            clear = None
            if override.clear is not None:
                clear = self._bounds(override.clear, (*at, "clear"), compared)
            for label in override.match:
                if label not in scope.by:
                    self.note(
                        (*at, "match", label),
                        f"it is not by '{label}'",
                        did_you_mean(label, scope.by),
                        "LS128",
                        key=True,
                    )
            levels = self._levels(override, override.levels, clear, at, severity, compared)
            overrides.append(Override(tuple(sorted(override.match.items())), levels))
        return replace(condition, overrides=tuple(overrides))

    # ---- measures and labels --------------------------------------------------------------------------------------

    def _expression(self, name: str, pointer: Pointer, scope: "_Scope") -> Expression:
        if not self._measures.is_known(name):
            self.note(pointer, f"unknown measure '{name}'", self._measures.remedy(name), "LS130")
            raise Stop
        if not self._measures.is_usable(name):
            raise Stop  # said where the measure stands
        for measure in self._measures.named_in(name):
            line_label = next(
                (s.line_labels[0] for s in [series_of_measure(measure, scope.grouping)] if s.line_labels), ""
            )
            if measure.kind == "sum" and line_label and not str(measure.field).startswith("lines."):
                self.note(
                    pointer,
                    f"'{measure.name}' adds up '{measure.field}' of whole orders, the rule is by '{line_label}' of "
                    "their lines",
                    "an order would count once per line; use lines.quantity or group by a label of the order",
                    "LS134",
                )
        return self._measures.expression(name, scope.grouping)

    def _check_labels(self, model: RuleModel, series: tuple[SeriesDef, ...], pointer: Pointer) -> None:
        for i, label in enumerate(model.by):
            at = (
                (*pointer, "by", i)
                if isinstance(self._document.data["rules"][pointer[1]].get("by"), list)
                else (*pointer, "by")
            )
            for event_type in dict.fromkeys(s.event_type for s in series if plain(label) in s.by):
                odd = label_fault(event_type, label)
                if odd is not None:
                    self.note(at, odd[0], odd[1], "LS135", level=odd[2])
            if label in ("order_id", "customer", "visitor"):
                self.note(
                    at, f"one alert for each '{label}' will be very many", "group by less", "LS136", level="warning"
                )


@dataclass(frozen=True)
class _Scope:
    """What a rule gives its conditions. by: labels, sorted."""

    by: tuple[str, ...]
    grouping: Grouping
    severity: Severity


def _opposite(model: SpikeModel) -> set[str]:
    """The words that a clear may leave out because the spike goes the other way, too."""
    return ({"below"} if model.below is not None else set()) | ({"above"} if model.above is not None else set())


def _at(data: Any, pointer: Pointer) -> Any:
    """What stands at a place of a document; None where nothing does, as a named condition stands elsewhere."""
    for step in pointer:
        if isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            data = data.get(step) if isinstance(data, dict) else None
    return data


def _forget_after(model: RuleModel, condition: Condition) -> int:
    """A group that is silent for a week must still be known when the week is judged."""
    if WEEK in periods_in(condition) and "forget_after" not in model.model_fields_set:
        return FORGOTTEN_AFTER_WEEKS_S
    return model.forget_after


def _plain(by: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(map(plain, by)))


def _divides(expression: Expression) -> bool:
    return isinstance(expression, Operation) and (
        expression.op == "/" or _divides(expression.left) or _divides(expression.right)
    )


def _implies(one: Bounds, other: Bounds) -> bool:
    """Whether other holds wherever one does."""
    (low, high), (other_low, other_high) = span(one), span(other)
    low_in = other_low < low or (other_low == low and (other.above != low or one.above == low))
    high_in = other_high > high or (other_high == high and (other.below != high or one.below == high))
    return low_in and high_in


def _lengths(model: PartModel) -> list[int]:
    """Every window and baseline length in a rule, in seconds."""
    found: list[int] = []
    windows = [m.window for m in (model.threshold, model.spike, model.share, model.ratio) if m is not None]
    windows += [model.absence.stretch] if model.absence is not None else []
    found += [w for w in windows if isinstance(w, int)]
    if model.spike is not None:
        link: Any = model.spike.baseline
        while isinstance(link, BaselineModel):
            found += [link.previous] if link.previous is not None else []
            link = link.otherwise
    others = (model.change, model.new_value, model.projection)
    found += [other.window for other in others if other is not None and other.window is not None]
    if model.anomaly is not None:
        found.append(model.anomaly.bucket)
    found += [source.window for source in sources_in(model) if source.window is not None]
    parts = chain(model.all or (), model.any or (), [model.not_] if model.not_ is not None else [])
    return found + [n for part in parts for n in _lengths(part)]


def _bucket_s(model: PartModel) -> int:
    """The widest base slice of which all windows are multiples."""
    lengths = _lengths(model)
    if model.anomaly is not None and model.anomaly.bucket % 60 == 0:
        return model.anomaly.bucket
    return next((width for width in (60, 10) if all(n % width == 0 for n in lengths)), 1)
