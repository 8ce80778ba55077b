"""Faults beyond syntax that a whole rule shows, and what every code means."""

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from lockstep.errors import RuleError
from lockstep.measure.definition import Measured
from lockstep.rule import wording
from lockstep.rule.condition.hours import OpenHours, stretches
from lockstep.rule.condition.kind_table import kind_of
from lockstep.rule.condition.kinds import (
    All,
    AnyOf,
    Condition,
    Leaf,
    Level,
    Not,
    Rule,
    Share,
    Threshold,
    period_of,
)
from lockstep.rule.condition.when import leaves, parts_of
from lockstep.rule.language.lint.attainable import bound_faults
from lockstep.rule.language.lint.clear import row_faults
from lockstep.shop.catalogue import business_of
from lockstep.shop.names import NAMES as SHOP_NAMES
from lockstep.shop.names import Name
from lockstep.text.figures import Figure
from lockstep.text.time_units import DAY_S
from lockstep.yaml.document import Document, Fault, Pointer, did_you_mean, parted

CODES: dict[str, str] = {
    "LS101": "the file cannot be read",
    "LS102": "the file is not YAML",
    "LS103": "a key stands twice",
    "LS104": "a duration needs a unit",
    "LS105": "a ratio is written like 2x",
    "LS106": "a number is expected",
    "LS107": "hours are written like Mon-Fri 08:00-18:00",
    "LS108": "a file that holds nothing",
    "LS110": "an unknown key",
    "LS111": "a key is missing",
    "LS112": "a value is not possible here",
    "LS113": "an unknown word",
    "LS114": "a value has the wrong form",
    "LS115": "a measure is not complete",
    "LS116": "a baseline has exactly one form",
    "LS117": "a spike needs a direction",
    "LS118": "a rule has exactly one known condition",
    "LS119": "a rule file of another program",
    "LS120": "a flow needs a window",
    "LS121": "a level has no window",
    "LS122": "this condition has no clear",
    "LS123": "a level is never absent",
    "LS124": "a threshold needs its numbers, once",
    "LS125": "a clear that can never hold, or always does",
    "LS126": "a spike compares flows",
    "LS127": "a spike without minimums",
    "LS128": "an override that cannot match",
    "LS129": "a severity that nobody will ever see",
    "LS130": "an unknown measure",
    "LS131": "a formula is not understood",
    "LS132": "an unknown event type",
    "LS133": "a field is no number",
    "LS134": "a sum of whole orders by a label of their lines",
    "LS135": "a label that the event type does not name",
    "LS136": "a label that may name a person",
    "LS137": "a sum of prices",
    "LS140": "two rules or measures of one name",
    "LS141": "a template names what does not exist",
    "LS142": "a template cannot be filled in",
    "LS143": "a text for a team that does not hear of the rule",
    "LS144": "a window longer than any expected stretch",
    "LS145": "a window of zero",
    "LS146": "a text names a number that its rule never has",
    "LS147": "a text asks for what is no text",
    "LS148": "a bound that can never be met, or always is",
    "LS149": "a number with two readings",
    "LS150": "an unknown team or receiver",
    "LS151": "a secret stands in a file",
    "LS152": "an address cannot be right",
    "LS153": "two receivers reach the same destination in different ways",
    "LS154": "a team that no rule tells anything",
    "LS160": "two rules that say the same",
    "LS161": "a length that needs slices finer than a minute",
    "LS162": "a baseline that reaches further back than events are kept",
    "LS163": "a baseline shorter than its window",
    "LS164": "a rule that keeps a megabyte or more of each group",
    "LS170": "a day of the calendar is written like 2026-12-25, 12-25 or Sat",
    "LS171": "an entry of the calendar has days, in order",
    "LS172": "a country whose holidays are not known",
    "LS173": "an event of a calendar that is left out, or something that it says",
    "LS180": "a new value is one of a label that the rule is by",
    "LS181": "a change needs to know what it is compared with",
    "LS182": "a share is of two counts",
    "LS183": "a share or a ratio without a least number of the whole",
    "LS184": "a projection needs a pace that adds up",
    "LS185": "a change against the value before, where buckets are judged",
    "LS186": "a part of a rule looks at fewer labels, never at others",
    "LS187": "expected groups have a value for every label of the rule",
    "LS188": "a fall that not even nothing is rare enough for",
    "LS189": "an anomaly watches a flow, in buckets of five minutes to an hour",
    "LS190": "a test does not say what it expects",
    "LS191": "a line of a story is not understood",
    "LS192": "a time in a test is not understood",
    "LS193": "a test of an unknown rule",
    "LS194": "a label that cannot be given in a test",
    "LS195": "there are no tests",
    "LS196": "a test makes an event that is refused",
    "LS200": "a `for` in buckets is written like 3 of 4 buckets",
    "LS201": "a day is written like 2026-12-31",
    "LS202": "a rule that has expired",
    "LS203": "an earlier name that is not free",
    "LS210": "a variable that is not there, or is not used",
    "LS211": "a named condition that is not there",
    "LS212": "a condition beside the one that is named",
    "LS220": "a bound that is another measure's value",
    "LS221": "a table of numbers that cannot be used",
    "LS230": "a day or week of the calendar is judged once",
    "LS231": "a day that moves on every minute",
    "LS232": "a measure is learned once in a rule",
    "LS240": "a value of a mapping has exactly one source",
    "LS241": "a field that the event type does not have",
    "LS242": "a field that nothing gives",
    "LS243": "a column that the file does not have",
    "LS244": "a time zone or the format of a time that cannot be",
    "LS245": "two events of one row with one id",
    "LS250": "a database that cannot be asked as it is written",
    "LS251": "a mapping that rows of a database cannot have",
    "LS260": "a matcher that is none, or means something else",
    "LS261": "a mute time that does not say when it is",
    "LS262": "a route that tells nothing for good",
    "LS263": "a mute time that never is, or that nothing uses",
    "LS264": "an inhibition that hushes nothing",
    "LS270": "a schedule that cannot be followed",
    "LS271": "times at which nobody is on call",
    "LS272": "a calendar file that cannot be used",
    "LS273": "an escalation that cannot be followed",
    "LS274": "a heartbeat goes to programs",
    "LS280": "a route that no alert takes",
    "LS281": "a route, an inhibition or a hook for alerts that no rule has",
    "LS282": "a route that cannot be followed",
    "LS290": "a measure that has the name of a business measure",
    "LS291": "a business measure is by the labels of its subject",
    "LS292": "a value of shop.yml is not understood",
    "LS293": "a pack, or a setting of one, that is not there",
    "LS294": "a text that says a unit twice",
}
"""code → what it is about."""

SAMPLE = {
    "value": Figure("42", 42.0),
    "baseline": Figure("12", 12.0),
    "baseline_of": "the last 4 weeks",
    "limit": Figure("36", 36.0),
    "ratio": Figure("3.5x", 3.5),
    "window": Figure("15 minutes", 900.0),
    "severity": "warning",
    "at": "24 Nov 09:30 GMT",
    "rule": "Sample",
    "runbook": "",
    "why": "far above the usual at this time of the week",
}


def lint(document: Document, rule: Rule, index: int) -> list[Fault]:
    """What is wrong with a compiled rule as a whole.

    document: the file that the rule stands in. index: its place in that file's `rules`.
    """
    texts = text_faults(document, index, rule.say, by=rule.by, teams=rule.teams)
    return texts + lint_beside_texts(document, rule, index)


def lint_beside_texts(document: Document, rule: Rule, index: int) -> list[Fault]:
    """As `lint`, but for what its texts say wrongly by themselves, see `text_faults`."""
    pointer: Pointer = ("rules", index)
    faults: list[Fault] = []
    for leaf, _ in leaves(rule.condition):
        if not _fits_its_hours(leaf):
            faults.append(
                document.fault(
                    pointer,
                    "the window is longer than any stretch of 'hours', it can never fire",
                    "shorten the window or widen the hours" if period_of(leaf) is None else "write whole days, Mon-Fri",
                    "LS144",
                )
            )
    faults += _empty_names(document, rule, index) + _shop_names(document, rule, index)
    faults += _clear_faults(document, rule.condition, pointer)
    return faults + bound_faults(document, rule, index)


def _fits_its_hours(leaf: Leaf) -> bool:
    """Whether a window of it lies within its hours at any time, closed days aside."""
    hours, window = kind_of(leaf).hours(leaf), kind_of(leaf).window(leaf)
    if not hours or window is None:
        return True
    zone, around = ZoneInfo("UTC"), 1_700_000_000
    if isinstance(window, int):
        open_stretches = stretches(hours, around, zone, 9 + window // DAY_S)
        return window <= max((closes - opens for opens, closes in open_stretches), default=0)
    open_hours = OpenHours(hours)
    return any(open_hours.hold(*window.bounds(around, zone, back), zone) for back in range(14))


def empty_keys(document: Document, pointer: Pointer) -> list[Fault]:
    """Keys without a value below a pointer, as an editor leaves them that saved a file half-way: `clear:` and no more
    would be judged as if there were no `clear`."""
    faults: list[Fault] = []
    pending = [(pointer, document.at(pointer))]
    while pending:
        here, data = pending.pop()
        steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
        for step, value in steps:
            at = (*here, step)
            if value is None and isinstance(step, str):
                faults.append(
                    document.fault(at, f"'{step}' is empty", "write its value, or remove it", "LS111", key=True)
                )
            pending.append((at, value))
    return faults


def text_faults(
    document: Document, index: int, say: Mapping[str, str], *, by: Sequence[str], teams: Sequence[str]
) -> list[Fault]:
    """What is wrong with a rule's texts, which need no compiled rule.

    index: the rule's place in the document's `rules`. say: team (or `summary`) → template. by: the rule's labels, which
    a template may name. teams: who hears of it.
    """
    faults: list[Fault] = []
    for key, text in say.items():
        at: Pointer = ("rules", index, "say", key)
        faults += _wording(document, at, text, by)
        for written in wording.single_braces(text):
            name = written.strip("${} ")
            message = f"the text says '{written}' as it stands"
            faults.append(document.fault(at, message, f"write {{{{ {name} }}}}", "LS141", level="warning"))
        if key not in ("summary", *teams):
            faults.append(
                document.fault(
                    at,
                    f"a text for '{key}', who does not hear of this rule",
                    did_you_mean(key, ("summary", *teams)),
                    "LS143",
                    level="warning",
                    key=True,
                )
            )
    return faults


def _wording(document: Document, at: Pointer, text: str, by: Sequence[str]) -> list[Fault]:
    """Every name in a text must exist, and the text must come out with sample values."""
    if faults := wording.faults(text):
        parts = [parted(fault) for fault in faults]
        return [document.fault(at, m, remedy, code if code == "LS147" else "LS142") for m, remedy, code in parts]
    try:
        unknown = [(name, wording.near_name(name)) for name in wording.unknown_names(text)]
        for label in wording.labels_in(text):
            if label not in by:
                known = [f"labels.{name}" for name in by]
                remedy = did_you_mean(f"labels.{label}", known) if known else "the rule has no 'by'"
                unknown.append((f"labels.{label}", remedy))
        if unknown:
            return [document.fault(at, f"the text names '{name}'", remedy, "LS141") for name, remedy in unknown]
        shop = {name: _sample_of(SHOP_NAMES[name]) for name in wording.shop_names_in(text)}
        wording.render(text, {**SAMPLE, **shop, "labels": dict.fromkeys(by, "sample")})
    except RuleError as error:
        message, remedy, _ = parted(str(error))
        return [document.fault(at, message, remedy, "LS142")]
    return []


def _sample_of(name: Name) -> Figure:
    """What a name of the shop is in a message, with its number where it is one."""
    digits = name.example.split(" ")[0].rstrip("%x").replace(",", "")
    is_number = name.unit != "text" and digits.replace(".", "").isdigit()
    return Figure(name.example, float(digits) if is_number else None)


_SOMETIMES = {
    "limit": "remove it, or write the number",
    "baseline": "remove it",
    "baseline_of": "remove it",
    "ratio": "remove it",
    "why": "remove it, or write what the rule watches",
}
"""Names that only some conditions fill in → what to do where none does."""


def _empty_names(document: Document, rule: Rule, index: int) -> list[Fault]:
    """Where a text would have a hole in every message."""
    given = _given(rule.condition)
    faults: list[Fault] = []
    for key, text in rule.say.items():
        try:
            empty = [name for name in wording.bare_names(text) if name in _SOMETIMES and name not in given]
        except RuleError:
            continue  # said by text_faults
        faults += [
            document.fault(
                ("rules", index, "say", key),
                f"the text names '{name}', which is empty in every message of this rule",
                _SOMETIMES[name],
                "LS146",
                level="warning",
            )
            for name in empty
        ]
    return faults


def _shop_names(document: Document, rule: Rule, index: int) -> list[Fault]:
    """Names of the shop that no message of a rule can fill in, and units that stand twice."""
    business = [
        measure
        for leaf, _ in leaves(rule.condition)
        for s in (leaf.series if isinstance(leaf.expression, Measured) else ())
        if (measure := business_of(s)) is not None
    ]
    units = {name.name: name.unit for name in SHOP_NAMES.values()}
    if len({b.unit for b in business}) == 1:
        units |= dict.fromkeys(("value", "limit", "baseline"), business[0].unit)
    faults: list[Fault] = []
    for key, text in rule.say.items():
        at: Pointer = ("rules", index, "say", key)
        for name in wording.shop_names_in(text):
            label = SHOP_NAMES[name].of
            if label and label not in rule.by:
                message = f"the text names '{name}', which is of a '{label}', and the rule is not by '{label}'"
                remedy = f"remove it; every message would say '{SHOP_NAMES[name].absent}'"
                faults.append(document.fault(at, message, remedy, "LS146", level="warning"))
        for name, word in wording.units_twice(text, units):
            message = f"the text says '{word}' behind '{name}', which says it already"
            faults.append(document.fault(at, message, f"remove '{word}'", "LS294", level="warning"))
    return faults


def _given(condition: Condition) -> frozenset[str]:
    """Which of the names of _SOMETIMES a message of a condition may have."""
    match condition:
        case All(parts=parts) if not condition.grades:
            return _given(parts[0])  # its numbers are told
        case All(parts=parts) | AnyOf(parts=parts):
            return frozenset().union(*(_given(part) for part in parts))
        case Not(part=part):
            return _given(part)
        case _:
            return kind_of(condition).template_names(condition)


def _clear_faults(document: Document, condition: Condition, pointer: Pointer) -> list[Fault]:
    """Where a row of a table gives numbers that a 'clear' cannot go with."""
    if not isinstance(condition, Threshold | Share):
        parts = parts_of(condition)
        return [f for steps, part in parts for f in _clear_faults(document, part, (*pointer, *steps))]
    if not condition.has_tables:
        return []
    faults: list[Fault] = []

    def look(levels: Sequence[Level], places: Sequence[Pointer], own: Mapping[str, str], before: int) -> None:
        for level in levels:
            for fault, where, more in row_faults(level, own=own, before=condition.overrides[:before]):
                at = [place for p in places for place in ((*p, "levels", level.severity.word, "clear"), (*p, "clear"))]
                rows = "" if not more else f" and {more:,} more row{'' if more == 1 else 's'}"
                faults.append(
                    document.fault(
                        next((place for place in at if document.stands(place)), pointer),
                        f"{fault.message}: {where}{rows}",
                        f"{fault.remedy}, or change the row",
                        "LS125",
                        level="warning" if fault.is_harmless else "error",
                    )
                )

    words = [word for word in ("threshold", "share", "ratio") if document.stands((*pointer, word))]
    look(condition.levels, [*((*pointer, word) for word in words), pointer], {}, len(condition.overrides))
    for i, override in enumerate(condition.overrides):
        look(override.levels, [(*pointer, "overrides", i)], dict(override.match), i)
    return faults
