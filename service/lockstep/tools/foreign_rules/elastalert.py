"""A rule of ElastAlert: what each of its types is called here."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from lockstep.event import TYPES, field_kind
from lockstep.rule.language.quantity import duration_text
from lockstep.text.time_units import DAY_S, WEEK_S
from lockstep.tools.foreign_rules import texts
from lockstep.tools.foreign_rules.elastalert_filters import label_of, where_of
from lockstep.tools.foreign_rules.equivalent import (
    Definition,
    Equivalent,
    Left,
    Measures,
    NoEquivalent,
    number_text,
    rule_name,
)
from lockstep.tools.foreign_rules.shop_measures import ShopMeasures
from lockstep.yaml.document import Document

_MINUTE_S = 60
_UNITS_S = {"weeks": WEEK_S, "days": DAY_S, "hours": 3_600, "minutes": _MINUTE_S, "seconds": 1}
BUFFER_S = 15 * _MINUTE_S
"""`buffer_time` of ElastAlert's example of a configuration, where a rule leaves it to that."""
_NOT_CARRIED = {
    "limit_execution": "it was asked at some times only (limit_execution); see `hours` of spike and absence",
    "aggregation": "matches were gathered (aggregation); here alerts of one rule within ten seconds are one message",
    "exponential_realert": "exponential_realert: nothing here, an alert is told once",
    "query_delay": "query_delay: here the setting LOCKSTEP_LATENESS says how long stragglers are waited for",
    "import": "what it imports from another file is not looked at: put both into one file there",
}
_AGGREGATES = {"sum": "sum", "avg": "average", "min": "minimum", "max": "maximum", "cardinality": "distinct"}
_ENDS = "a hundred matches are one alert with an end, not one for each; windows are whole minutes"


def equivalents(document: Document, known: ShopMeasures, measures: Measures) -> list[Equivalent | Left]:
    """What becomes of the rule of a file: a rule, several for a `new_term` of several fields, or nothing and why."""
    data = document.data
    place = f"{document.path}:{document.place(('name',), key=True)[0] if 'name' in data else 1}"
    name = str(data.get("name") or PurePath(document.path).stem)[:200]
    try:
        return list(_Rule(place, name, data, known, measures).equivalents())
    except NoEquivalent as error:
        return [Left(place, name, str(error))]


class _Rule:
    """One file of ElastAlert."""

    def __init__(self, place: str, name: str, data: Mapping[str, Any], known: ShopMeasures, measures: Measures) -> None:
        self._place, self._name, self._data = place, name, data
        self._known, self._names = known, measures
        self._measures: dict[str, Definition] = {}
        self._remarks: list[str] = []
        self._differences: list[str] = []
        self._event_type, self._where = where_of(data.get("filter"))
        self._by = [label_of(key) for key in _listed(data.get("query_key"))]
        self._base = self._events()

    def equivalents(self) -> Sequence[Equivalent]:
        kind = str(self._data.get("type"))
        if kind == "new_term":
            return self._new_terms()
        writers: Mapping[str, Callable[[], dict[str, Any]]] = {
            "any": self._any,
            "blacklist": self._blacklist,
            "frequency": self._frequency,
            "spike": self._spike,
            "spike_aggregation": self._spike_aggregation,
            "flatline": self._flatline,
            "cardinality": self._cardinality,
            "percentage_match": self._percentage,
            "metric_aggregation": self._metric,
            "change": self._change,
        }
        if kind not in writers:
            raise NoEquivalent(f"its type '{kind[:60]}' has no equivalent")
        return [self._equivalent(self._name, self._by, writers[kind]())]

    def _equivalent(self, name: str, by: Sequence[str], condition: Mapping[str, Any]) -> Equivalent:
        remarks, differences = list(self._remarks), list(self._differences)
        body: dict[str, Any] = {}
        realert = self._length_s("realert", 0) if "realert" in self._data else 0
        if realert > _MINUTE_S:
            body["cool_down"] = duration_text(realert)
            differences.append(
                "`realert` counts from each message, by the clock; `cool_down` from an alert's end, in event time"
            )
        if self._data.get("owner"):
            body["owner"] = str(self._data["owner"])
        if self._data.get("is_enabled") is False:
            body["enabled"] = False
        body |= self._said(by, remarks)
        remarks += [said for key, said in _NOT_CARRIED.items() if key in self._data]
        alerters = ", ".join(_listed(self._data.get("alert")))
        if alerters:
            remarks.append(f"told there by {alerters}")
            differences.append("who is told, and how, stands in routing.yml")
        if rule_name(name) != name:
            remarks.append(f"its name there is '{name}'")
        origin = f"{self._place}: type: {self._data.get('type')}, index: {self._data.get('index', '')}"
        return Equivalent(rule_name(name), origin, condition, self._measures, by, body, remarks, differences)

    # ---- types -------------------------------------------------------------------------------------------------------

    def _any(self) -> dict[str, Any]:
        self._remark("an alert for each match there; here one from the first match to a minute without any")
        return {"threshold": {"measure": self._count(), "window": "1m", "at_least": 1}}

    def _blacklist(self) -> dict[str, Any]:
        key = label_of(self._needed("compare_key"))
        values = [str(value) for value in _listed(self._needed("blacklist"))]
        if not values or any(value.startswith("!file") or "*" in value for value in values):
            raise NoEquivalent("its list stands in a file; write its values under `blacklist`")
        self._remark("an alert for each match there; here one from the first match to a minute without any")
        measure = self._count({key: values[0] if len(values) == 1 else values})
        return {"threshold": {"measure": measure, "window": "1m", "at_least": 1}}

    def _frequency(self) -> dict[str, Any]:
        self._differences.append(_ENDS)
        window, number = self._length_s("timeframe"), self._number("num_events")
        return {"threshold": {"measure": self._count(), **_window(window), "at_least": number}}

    def _spike(self) -> dict[str, Any]:
        return self._spike_of(self._count())

    def _spike_aggregation(self) -> dict[str, Any]:
        return self._spike_of(self._aggregated())

    def _spike_of(self, measure: str) -> dict[str, Any]:
        height, kind = self._number("spike_height"), str(self._needed("spike_type"))
        if kind not in ("up", "down", "both") or height <= 1:
            raise NoEquivalent(f"a spike of type '{kind[:40]}' and height {number_text(height)} is none")
        spike: dict[str, Any] = {
            "measure": measure,
            **_window(self._length_s("timeframe")),
            "baseline": "previous",
        }
        if kind in ("up", "both"):
            spike["above"] = f"{number_text(height)}x"
        if kind in ("down", "both"):
            spike["below"] = f"{number_text(1 / height)}x"
        current, usual = self._number("threshold_cur", 0), self._number("threshold_ref", 0)
        if kind != "down":
            spike["at_least"] = current or 1
        spike["usual_at_least"] = usual or 1
        if not usual or (kind != "down" and not current):
            self._remark(
                "without threshold_ref and threshold_cur 0 to 1 is a spike there; raise the 1 that stands here"
            )
        self._remark(
            "there the window before is cut by the events as they come, parts of it are compared, and an alert clears "
            "it; here whole minutes, one window against the one before, for as long as it lasts"
        )
        self._remark(
            "exactly so many times the usual is a spike there and none here; `previous` calls every morning a spike, "
            "so prefer {same_time_of_week: 4}"
        )
        return {"spike": spike}

    def _flatline(self) -> dict[str, Any]:
        window, number = self._length_s("timeframe"), self._number("threshold")
        measure = self._count()
        self._remark(
            "a group that never had an event is dead there without a query_key and unknown with one; here it is "
            "unknown until its first event, or `expected` by name"
        )
        if number <= 1:
            return {"absence": {"measure": measure, **_window(window)}}
        return {"threshold": {"measure": measure, **_window(window), "below": number}}

    def _new_terms(self) -> list[Equivalent]:
        fields = self._data.get("fields", self._data.get("query_key"))
        if any(isinstance(field, list) for field in (fields if isinstance(fields, list) else [fields])):
            raise NoEquivalent("several fields together are no new value here; name one of them")
        length = self._length_s("terms_window_size", 30 * DAY_S)
        measure = self._count()
        self._remark(
            "at the start its query looks back so long; here so long after the first event of all nothing is new, and "
            "what a restart forgot there is kept"
        )
        labels = [label_of(field) for field in _listed(fields)]
        if not labels:
            raise NoEquivalent("it names no `fields`")
        others = [label for label in self._by if label not in labels]
        rules = []
        for label in labels:
            name = self._name if len(labels) == 1 else f"{self._name} {label}"
            condition = {"new_value": {"label": label, "measure": measure, "in": duration_text(length)}}
            rules.append(self._equivalent(name, [label, *others], condition))
        return rules

    def _cardinality(self) -> dict[str, Any]:
        field = label_of(self._needed("cardinality_field"))
        definition = {"distinct": field, "of": self._base["count"], **_where(self._base)}
        measure = self._named(f"{field}_values", definition)
        self._remark("exact up to 512 different values, then within about 2 %")
        above, below = self._data.get("max_cardinality"), self._data.get("min_cardinality")
        return self._bounded(measure, self._length_s("timeframe"), above=above, below=below)

    def _metric(self) -> dict[str, Any]:
        measure = self._aggregated()
        above, below = self._data.get("max_threshold"), self._data.get("min_threshold")
        return self._bounded(measure, self._buffer_s(), above=above, below=below)

    def _percentage(self) -> dict[str, Any]:
        event_type, where = where_of(self._needed("match_bucket_filter"))
        if event_type not in (None, self._base["count"]):
            raise NoEquivalent("its match_bucket_filter asks for another type of event than its filter")
        if not where:
            raise NoEquivalent("its match_bucket_filter matches everything")
        whole, part = self._count(), self._count(where)
        least = self._number("min_denominator", 0)
        if not least:
            self._remark("without min_denominator 1 of 2 are 50 % there; raise the 1 that stands here")
        share = {"measure": part, "of": whole, **_window(self._buffer_s()), "of_at_least": least or 1}
        bounds = {"above": self._data.get("max_percentage"), "below": self._data.get("min_percentage")}
        written = {word: f"{number_text(_number(word, bound))}%" for word, bound in bounds.items() if bound is not None}
        if not written:
            raise NoEquivalent("it has neither max_percentage nor min_percentage")
        parts = [{"share": {**share, word: bound}} for word, bound in written.items()]
        return parts[0] if len(parts) == 1 else {"any": parts}

    def _change(self) -> dict[str, Any]:
        field = label_of(self._needed("compare_key"))
        event_type = self._base["count"]
        if field_kind(event_type, field) != "number":
            raise NoEquivalent(
                f"'{field}' of {event_type} is no number: a change is one of a level; see `new_value` for texts"
            )
        measure = self._named(field, {"last": field, "of": event_type, **_where(self._base)})
        self._remark("each value is compared with the one before; an alert is over at the next value that is the same")
        if "timeframe" in self._data:
            self._remark(
                "a value that is older than `timeframe` was not compared there; see `stale_after` of a measure"
            )
        return {"change": {"measure": measure}}

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _bounded(self, measure: str, window_s: int, *, above: Any, below: Any) -> dict[str, Any]:
        """Above one number or below another, both left out as there."""
        bounds = {"above": above, "below": below}
        written = {word: _number(word, bound) for word, bound in bounds.items() if bound is not None}
        if not written:
            raise NoEquivalent("it names no number above or below which it speaks")
        parts = [
            {"threshold": {"measure": measure, **_window(window_s), word: bound}} for word, bound in written.items()
        ]
        return parts[0] if len(parts) == 1 else {"any": parts}

    def _events(self) -> dict[str, Any]:
        """The count of the events that it looks at. Raises NoEquivalent where nobody knows which these are."""
        index = self._data.get("index")
        names = [self._name, *([index] if isinstance(index, str) else [])]
        for name in names:
            measure = self._known.find(name)
            if measure is not None and (measure.is_said or (name == index and self._event_type is None)):
                if measure.event_type not in TYPES:
                    raise NoEquivalent(f"'{measure.event_type[:60]}' is no type of event")
                if not measure.is_said:
                    self._differences.append(
                        f"which events '{index}' holds is taken from its name: {measure.event_type}"
                    )
                return {"count": measure.event_type, **_merged(measure.events().get("where"), self._where)}
        if self._event_type is None:
            said = str(index or self._name)[:100]
            raise NoEquivalent(
                f"it is not known which events of a shop '{said}' holds; say it with --measure '{said}=order.placed'"
            )
        return {"count": self._event_type, **_merged(None, self._where)}

    def _count(self, where: Mapping[str, Any] | None = None) -> str:
        """The name of the count of its events. where: of some of them."""
        definition = {**self._base, **_merged(self._base.get("where"), where or {})}
        base = str(self._base["count"]).replace(".", "_")
        values = [str(value) for value in definition.get("where", {}).values() if isinstance(value, str)]
        return self._named("_".join([base, *values[:3]]), definition)

    def _aggregated(self) -> str:
        """The measure of a metric."""
        field, kind = self._needed("metric_agg_key"), str(self._needed("metric_agg_type"))
        if kind == "value_count":
            return self._count()
        word = _AGGREGATES.get(kind)
        if kind == "percentiles":
            rank = self._number("percentile_range", 0)
            if not 0 < rank < 100:
                raise NoEquivalent("which percentile is not said: percentile_range")
            word = f"p{number_text(rank)}"
        if word is None:
            raise NoEquivalent(f"the aggregation '{kind[:40]}' has no equivalent")
        label = label_of(field)
        definition = {word: label, "of": self._base["count"], **_where(self._base)}
        return self._named(f"{label.replace('.', '_')}_{word.replace('.', '_')}", definition)

    def _named(self, name: str, definition: Definition) -> str:
        written = self._names.name_of(name, definition)
        self._measures[written] = definition
        return written

    def _said(self, by: Sequence[str], remarks: list[str]) -> dict[str, Any]:
        say: dict[str, str] = {}
        written = {"summary": "alert_subject", "operations": "alert_text"}
        if not isinstance(self._data.get("alert_text"), str):
            written["operations"] = "description"
        for team, key in written.items():
            text = self._data.get(key)
            if not isinstance(text, str) or not text.strip():
                continue
            arguments = [str(name) for name in _listed(self._data.get(f"{key}_args"))]
            say[team], left = texts.from_arguments(text, arguments, by)
            remarks += [f"left out of {key}: {part}" for part in left]
        return {"say": {team: text for team, text in say.items() if text}} if any(say.values()) else {}

    def _remark(self, text: str) -> None:
        if text not in self._remarks:
            self._remarks.append(text)

    def _needed(self, key: str) -> Any:
        if self._data.get(key) in (None, "", []):
            raise NoEquivalent(
                f"it has no `{key}`" + (", it may stand in what it imports" if "import" in self._data else "")
            )
        return self._data[key]

    def _number(self, key: str, default: float | None = None) -> float:
        if default is not None and key not in self._data:
            return default
        return _number(key, self._needed(key))

    def _length_s(self, key: str, default: int | None = None) -> int:
        """`{hours: 2, minutes: 30}`."""
        if default is not None and key not in self._data:
            return default
        value = self._needed(key)
        if not isinstance(value, dict) or not value or not value.keys() <= _UNITS_S.keys():
            raise NoEquivalent(f"`{key}` is written like {{hours: 2}}")
        seconds = sum(_number(key, number) * _UNITS_S[unit] for unit, number in value.items())
        if not 0 <= seconds <= 366 * DAY_S:
            raise NoEquivalent(f"`{key}` is no length of at most a year")
        return round(seconds)

    def _buffer_s(self) -> int:
        key = "buffer_time" if "buffer_time" in self._data else "timeframe"
        if key not in self._data:
            length = duration_text(BUFFER_S)
            self._remark(f"its window is the buffer_time of ElastAlert's config.yaml: put it in place of {length}")
        return self._length_s(key, BUFFER_S)


def _number(key: str, value: Any) -> float:
    try:
        number = float(value) if not isinstance(value, bool | dict | list) else float("nan")
    except (TypeError, ValueError):
        number = float("nan")
    if not abs(number) <= 9e12:
        raise NoEquivalent(f"`{key}: {str(value)[:40]}` is no number")
    return number


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _window(seconds: int) -> dict[str, str]:
    return {"window": duration_text(seconds)}


def _where(definition: Definition) -> dict[str, Any]:
    return {"where": definition["where"]} if definition.get("where") else {}


def _merged(where: Mapping[str, Any] | None, more: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**(where or {}), **more}
    return {"where": merged} if merged else {}
