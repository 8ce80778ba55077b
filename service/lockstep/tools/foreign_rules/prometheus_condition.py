"""What PromQL asks for, as a condition of ours, with what judges differently."""

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from lockstep.rule.language.quantity import duration_text
from lockstep.text.time_units import DAY_S, WEEK_S
from lockstep.tools.foreign_rules.equivalent import Definition, Measures, NoEquivalent, number_text
from lockstep.tools.foreign_rules.promql import (
    SCRAPED,
    Amount,
    Combined,
    Compared,
    Comparison,
    Condition,
    Empty,
    Moved,
    Projected,
    Ratio,
    amounts_in,
)
from lockstep.tools.foreign_rules.shop_measures import ShopMeasure, ShopMeasures

_BOUNDS: Mapping[Comparison, str] = {">": "above", "<": "below", ">=": "at_least", "<=": "at_most"}
_COUNTED = (
    "increase() and rate() extrapolate to the ends of their range and miss the first increment of a new series; here "
    "events are counted, in whole minutes"
)
_EACH_SERIES = "there each series has an alert of its own; here there is one for the shop: name labels under `by`"


class ConditionWriter:
    """Writes the condition of one rule. measures, remarks, differences: as `Equivalent` has them."""

    def __init__(self, known: ShopMeasures, measures: Measures, *, labels: Sequence[str]) -> None:
        """labels: those that the texts of the rule name: all that is known of series that are not added up."""
        self._known, self._names, self._labels = known, measures, labels
        self.measures: dict[str, Definition] = {}
        self.remarks: list[str] = []
        self.differences: list[str] = []

    def labels_of(self, condition: Condition) -> tuple[str, ...]:
        """What the rule is by. Raises NoEquivalent where its parts have different labels."""
        amounts = amounts_in(condition)
        named = {amount.by for amount in amounts if amount.by is not None}
        if len(named) > 1:
            raise NoEquivalent("its parts are added up by different labels")
        if named:
            return named.pop()
        if isinstance(condition, Empty) and condition.is_absent:
            return ()
        fixed = {label for amount in amounts for label, values in amount.where if len(values) == 1}
        by = tuple(label for label in self._labels if label not in SCRAPED and label not in fixed)
        self._remark(f"`by` are the labels that its texts name: {', '.join(by)}" if by else _EACH_SERIES)
        return by

    def written(self, condition: Condition) -> dict[str, Any]:
        """The condition as a rule file has it. Raises NoEquivalent."""
        for amount in amounts_in(condition):
            for remark in amount.remarks:
                self._remark(remark)
        match condition:
            case Compared():
                return self._compared(condition)
            case Empty():
                return self._empty(condition)
            case Moved():
                return self._moved(condition)
            case Projected():
                return self._projected(condition)
            case Combined():
                return self._combined(condition)
        assert_never(condition)

    def _remark(self, text: str) -> None:
        if text not in self.remarks:
            self.remarks.append(text)

    def _differs(self, text: str) -> None:
        if text not in self.differences:
            self.differences.append(text)

    # ---- kinds -------------------------------------------------------------------------------------------------------

    def _compared(self, condition: Compared) -> dict[str, Any]:
        amount, comparison, other = condition.amount, condition.comparison, condition.with_
        if isinstance(amount, Ratio):
            assert not isinstance(other, Amount)
            return self._ratio(amount, comparison, other)
        if isinstance(other, Amount):
            if other.offset_s:
                return self._spike(amount, comparison, other, times=other.factor / amount.factor)
            return self._against(amount, comparison, other)
        measure = self._measure(amount)
        number = other * amount.per_window
        if amount.kind == "rate":
            per_s, length = number_text(other / amount.factor), duration_text(amount.range_s)
            self._remark(f"rate() is per second: {per_s} a second are {number_text(number)} in {length}")
        return {"threshold": {"measure": measure, **_window(amount), _BOUNDS[comparison]: number}}

    def _against(self, amount: Amount, comparison: Comparison, other: Amount) -> dict[str, Any]:
        """A threshold whose number is another measure."""
        measure, limit = self._measure(amount), self._measure(other)
        times = amount.per_window / other.per_window
        source: dict[str, Any] = {"measure": limit}
        if other.range_s and other.range_s != amount.range_s:
            source["window"] = duration_text(other.range_s)
        if times != 1:
            source["times"] = times
        return {"threshold": {"measure": measure, **_window(amount), _BOUNDS[comparison]: source}}

    def _ratio(self, ratio: Ratio, comparison: Comparison, number: float) -> dict[str, Any]:
        part, whole = ratio.part, ratio.whole
        if whole.offset_s:
            return self._spike(part, comparison, whole, times=number / ratio.factor)
        if part.offset_s:
            raise NoEquivalent("it divides what was by what is; turn it around")
        measure, of = self._measure(part), self._measure(whole)
        self._remark("there is no least number of the whole there, so one of one is 100 %: raise `of_at_least`")
        bound = {_BOUNDS[comparison]: number / ratio.factor}
        return {"ratio": {"measure": measure, "of": of, **_window(part), "of_at_least": 1, **bound}}

    def _spike(self, amount: Amount, comparison: Comparison, usual: Amount, *, times: float) -> dict[str, Any]:
        """A flow against itself at an earlier time."""
        same = (amount.metric, amount.where, amount.range_s, amount.kind)
        if same != (usual.metric, usual.where, usual.range_s, usual.kind) or amount.offset_s:
            raise NoEquivalent("only a measure is compared with an earlier time of itself")
        if not amount.range_s:
            raise NoEquivalent("a level is not compared with an earlier time; see `change`")
        baselines: dict[int, Any] = {
            WEEK_S: {"same_time_of_week": 1},
            DAY_S: {"same_time_of_day": 1},
            amount.range_s: "previous",
        }
        baseline = baselines.get(usual.offset_s)
        if baseline is None:
            ways = f"1d, 1w or {duration_text(amount.range_s)}, the length of its window"
            raise NoEquivalent(f"an offset of {duration_text(abs(usual.offset_s))} is no baseline of ours; take {ways}")
        rises = comparison in (">", ">=")
        if (rises and times < 1) or (not rises and times >= 1) or times <= 0:
            raise NoEquivalent(f"{number_text(times)} times what was is no {'rise' if rises else 'fall'}")
        measure = self._measure(amount)
        self._remark("it has no minimums there: raise `usual_at_least` and, for a rise, `at_least`")
        if baseline != "previous":
            self._remark(
                "an offset goes back by so many seconds, here it is the same time on the wall; days that calendar.yml "
                "marks do not count"
            )
        if comparison in (">=", "<="):
            self._remark("a spike leaves the number itself out, there it is taken in")
        return {
            "spike": {
                "measure": measure,
                **_window(amount),
                "baseline": baseline,
                "above" if rises else "below": f"{number_text(times)}x",
                **({"at_least": 1} if rises else {}),
                "usual_at_least": 1,
            }
        }

    def _empty(self, condition: Empty) -> dict[str, Any]:
        amount = condition.amount
        shop = self._known.of_metric(amount.metric)
        if not condition.is_absent and "count" not in shop.definition:
            return {"threshold": {"measure": self._measure(amount), **_window(amount), "at_most": 0}}
        name = shop.name if "count" in shop.definition else f"{shop.name}_events"
        measure = self._named(name, shop.events(), amount, shop)
        if condition.is_absent:
            self._remark(
                "absent() says that no sample is scraped, whatever it counts; here nothing has happened for so long, "
                f"so take the longest pause that is usual in place of {duration_text(condition.window_s)}"
            )
        else:
            self._remark("a group that never had an event is known here only where `expected` names it")
        return {"absence": {"measure": measure, "window": duration_text(condition.window_s)}}

    def _moved(self, condition: Moved) -> dict[str, Any]:
        amount, number = condition.amount, condition.number
        if (condition.comparison in (">", ">=")) != (number > 0) or number == 0:
            raise NoEquivalent("a change has a size: a rise of more than 0, or a fall of less than 0")
        measure = self._measure(amount)
        self._remark(
            "delta() extrapolates to the ends of its range; here a level is compared with itself that long ago"
        )
        direction = "up" if number > 0 else "down"
        length = duration_text(amount.range_s)
        return {"change": {"measure": measure, "by": abs(number), "window": length, "direction": direction}}

    def _projected(self, condition: Projected) -> dict[str, Any]:
        amount = condition.amount
        measure = self._measure(amount)
        self._remark(
            "predict_linear() draws a line through all samples; here the pace is what the level lost within its "
            "window, and what it gained is left aside"
        )
        within, length = duration_text(condition.within_s), duration_text(amount.range_s)
        return {"projection": {"measure": measure, "reaches": condition.number, "within": within, "window": length}}

    def _combined(self, condition: Combined) -> dict[str, Any]:
        first, second = (self.written(part) for part in condition.parts)
        word = "any" if condition.word == "or" else "all"
        if condition.word == "unless":
            second = {"not": second}
        self._differs("a part without data is unknown here, see the table of `all, any, not`; there it is left out")
        parts = [*first.get(word, [first]), *second.get(word, [second])]
        return {word: parts}

    # ---- measures ----------------------------------------------------------------------------------------------------

    def _measure(self, amount: Amount) -> str:
        """The name of an amount's measure. Raises NoEquivalent."""
        shop = self._known.of_metric(amount.metric)
        if amount.range_s and amount.kind != "gauge" and shop.is_level:
            raise NoEquivalent(f"{amount.kind}() of '{amount.metric}', which is a level here: compare it as it stands")
        if not amount.range_s and not shop.is_level and "formula" not in shop.definition:
            way_out = f"write increase({amount.metric}[1h]) there"
            raise NoEquivalent(f"'{amount.metric}' as it stands grows until its process ends; {way_out}")
        if amount.kind in ("increase", "rate"):
            self._differs(_COUNTED)
        return self._named(shop.name, shop.definition, amount, shop)

    def _named(self, name: str, definition: Definition, amount: Amount, shop: ShopMeasure) -> str:
        if amount.where:
            where = {**definition.get("where", {}), **{label: _listed(values) for label, values in amount.where}}
            definition = {**definition, "where": where}
            name = "_".join([name, *(value.rstrip("*") for _, values in amount.where for value in values[:2])])
        written = self._names.name_of(name, definition)
        self.measures[written] = definition
        if not shop.is_said:
            self._differs(f"what {amount.metric} counts is taken from its name: see measure '{written}'")
        return written


def _listed(values: Sequence[str]) -> Any:
    return values[0] if len(values) == 1 else list(values)


def _window(amount: Amount) -> dict[str, str]:
    return {"window": duration_text(amount.range_s)} if amount.range_s else {}
