"""Rule files → Plan: names resolved, words turned into numbers, everything that can be wrong said with its place."""

from dataclasses import replace

from lockstep.calendar import Calendar
from lockstep.measure.definition import SeriesDef
from lockstep.rule.condition.kinds import (
    Anomaly,
    Condition,
    Flapping,
    NoData,
    Rule,
    Severity,
    Tolerance,
    period_of,
    series_of_condition,
)
from lockstep.rule.condition.period import WEEK
from lockstep.rule.condition.when import compares_values, is_level_only, leaves, periods_in
from lockstep.rule.identity_parts import version_of
from lockstep.rule.language.compile.condition import condition_of
from lockstep.rule.language.compile.context import FileContext, Scope, Stop
from lockstep.rule.language.compile.levels import overridden
from lockstep.rule.language.compile.window import bucket_of, lengths_in
from lockstep.rule.language.fewer_labels import measures_named, plain, shared_key
from lockstep.rule.language.form import RuleModel
from lockstep.rule.language.measures import Grouping, Measures, is_a_name, label_fault
from lockstep.rule.language.table import Tables
from lockstep.rule.wording import shop_names_in
from lockstep.shop.catalogue import SOURCE
from lockstep.text.time_units import DAY_S
from lockstep.yaml.document import Document, Fault, Pointer

FORGOTTEN_AFTER_WEEKS_S = 21 * DAY_S


class Compiler:
    """Compiles the rules of one document; faults are gathered, a rule with an error is left out."""

    def __init__(
        self,
        document: Document,
        measures: Measures,
        calendar: Calendar | None,
        tables: Tables,
    ) -> None:
        self._context = FileContext(document, measures, calendar, tables)

    @property
    def faults(self) -> list[Fault]:
        return self._context.faults

    def rule(self, model: RuleModel, index: int) -> Rule | None:
        """The rule, or None when something in it is wrong."""
        before = len(self.faults)
        pointer: Pointer = ("rules", index)
        try:
            rule = _rule_of(self._context, model, pointer)
        except Stop:
            return None
        return None if any(f.level == "error" for f in self.faults[before:]) else rule


def _rule_of(context: FileContext, model: RuleModel, pointer: Pointer) -> Rule:
    by = tuple(sorted({label.removeprefix("lines.") for label in model.by}))
    if len(by) < len(model.by):
        context.note((*pointer, "by"), "a label stands twice", "remove one of them", "LS112")
        raise Stop
    if 0 in lengths_in(model):
        context.note(pointer, "a window of zero holds nothing", "write one like 15m", "LS145")
        raise Stop
    bucket_s = bucket_of(model)
    grouping = Grouping(tuple(model.by), bucket_s, shared_key(model, by, of_shop=_is_of_shop(context, model)))
    scope = Scope(by, grouping, Severity.of(model.severity))
    condition = condition_of(context, model, pointer, scope)
    if model.overrides:
        condition = overridden(context, condition, model, pointer, scope)
    _check_for(context, model, condition, pointer)
    _check_learning(context, condition, pointer)
    series = series_of_condition(condition)
    if series and all(s.by != by for s in series):
        message = f"nothing in it is by {' and '.join(by)}, so it has no groups"
        context.note((*pointer, "by"), message, "give the rule the labels of its parts", "LS186")
    _check_labels(context, model, series, pointer)
    if not is_level_only(condition) and compares_values(condition):
        message = "a rule that is judged at every bucket does not see every value"
        context.note(pointer, f"{message}, a 'change' in it needs a window", "add 'window: 1h'", "LS185")
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
        place=f"{context.document.path}:{context.document.place(pointer)[0]}",
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
        context.note((*pointer, "for"), message, "write a duration like 10m", "LS200")
    return replace(rule, version=version_of(rule))


def _is_of_shop(context: FileContext, model: RuleModel) -> bool:
    """Whether a rule has to be judged where the facts of the shop are."""
    if any(shop_names_in(text) for text in model.say.values()):
        return True
    names = (name for name in measures_named(model) if context.measures.is_usable(name))
    return any(context.measures.business_in(name) for name in names)


def _check_for(context: FileContext, model: RuleModel, condition: Condition, pointer: Pointer) -> None:
    """What is judged once has nothing that could hold for a while."""
    periods = [period_of(leaf) for leaf, _ in leaves(condition)]
    if model.for_ != 0 and None not in periods:
        message = f"a {periods[0]} is judged once, at its end, so nothing has to hold for a while"
        context.note((*pointer, "for"), message, "remove 'for'", "LS230", key=True)


def _check_learning(context: FileContext, condition: Condition, pointer: Pointer) -> None:
    """What is learned of a measure is one thing, whoever asks."""
    first: dict[str, Anomaly] = {}
    for leaf, _ in leaves(condition):
        if not isinstance(leaf, Anomaly):
            continue
        other = first.setdefault(leaf.key, leaf)
        if (leaf.calendar, leaf.learn_from) != (other.calendar, other.learn_from):
            message = "two anomalies in it learn one measure from different days"
            context.note(pointer, message, "give both the same 'without' and 'learn_from', or make two rules", "LS232")


def _check_labels(context: FileContext, model: RuleModel, series: tuple[SeriesDef, ...], pointer: Pointer) -> None:
    for i, label in enumerate(model.by):
        at = (
            (*pointer, "by", i)
            if isinstance(context.document.data["rules"][pointer[1]].get("by"), list)
            else (*pointer, "by")
        )
        for event_type in dict.fromkeys(s.event_type for s in series if s.source != SOURCE and plain(label) in s.by):
            odd = label_fault(event_type, label)
            if odd is not None:
                context.note(at, odd[0], odd[1], "LS136" if is_a_name(event_type, label) else "LS135", level=odd[2])


def _forget_after(model: RuleModel, condition: Condition) -> int:
    """A group that is silent for a week must still be known when the week is judged."""
    if WEEK in periods_in(condition) and "forget_after" not in model.model_fields_set:
        return FORGOTTEN_AFTER_WEEKS_S
    return model.forget_after
