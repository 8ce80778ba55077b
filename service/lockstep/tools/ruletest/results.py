"""What a run of tests says: a table, what differs with the series drawn, and JUnit for build servers."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree

from rich.table import Table
from rich.text import Text

from lockstep.text.figures import number_text
from lockstep.tools.ruletest.coverage import Gap
from lockstep.tools.ruletest.runner import Difference, JudgedEpisode, Outcome, moment, numbers
from lockstep.tools.ruletest.story import Line
from lockstep.tools.ruletest.suite import Awaited, Test
from lockstep.tools.terminal import readable
from lockstep.transition import TransitionName

COLUMNS = 60
_BARS = "▁▂▃▄▅▆▇█"
_COLOURS = {"critical": "red", "warning": "yellow", "info": "blue"}


def table(outcomes: Sequence[Outcome]) -> Table:
    """One line a test: passed or not, and what fired."""
    overview = Table(header_style="bold", box=None, pad_edge=False)
    for name in ("", "test", "fired", "place"):
        overview.add_column(name)
    for outcome in outcomes:
        fired: dict[str, str] = {}
        for episode in outcome.episodes:
            if episode.fired is not None:
                fired[episode.rule] = episode.fired.severity
        shown = Text(", ").join(Text(rule, _COLOURS[severity]) for rule, severity in fired.items())
        mark = Text("pass", "green") if outcome.passed else Text("FAIL", "bold red")
        place = Text(_place(outcome), "dim")
        overview.add_row(mark, readable(outcome.test.name), shown or Text("nothing", "dim"), place)
    return overview


def explained(outcome: Outcome) -> str:
    """A failed test, for people: expected against what happened, and the series around it."""
    test = outcome.test
    lines = [f"{_place(outcome)}: {readable(test.name)}"]
    for difference in outcome.differences:
        lines += _difference(difference, test)
    lines += _drawn(outcome)
    return "\n".join(lines)


def _place(outcome: Outcome) -> str:
    return f"{outcome.test.path}:{outcome.test.line}"


def _labels(labels: Iterable[str]) -> str:
    return readable(" ".join(labels))


def _expected(awaited: Awaited, test: Test) -> str:
    shown = test.times.shown
    words = [awaited.rule, _labels(awaited.labels.values())]
    if awaited.said.never is not None:
        return " ".join(filter(None, [*words, "never fires"]))
    if awaited.said.cancelled is None:
        first, last = awaited.fires or (None, None)
        at = (
            ""
            if first is None or last is None
            else shown(first)
            if first == last
            else f"{shown(first)} - {shown(last)}"
        )
        words += ["fires", at, awaited.said.severity or ""]
    else:
        words += ["cancelled", awaited.said.cancelled]
    if awaited.said.over is not None:
        words += ["over", "never" if awaited.over is None else shown(awaited.over)]
    return " ".join(filter(None, words))


def _happened(episode: JudgedEpisode, test: Test) -> str:
    words = [episode.rule, _labels(episode.labels.values())]
    names = {
        TransitionName.PENDING: "pending",
        TransitionName.FIRING: "fires",
        TransitionName.RESOLVED: "over",
        TransitionName.CANCELLED: "cancelled",
    }
    for t in episode.transitions:
        at = test.times.shown(moment(t.at))
        if t.state is TransitionName.SEVERITY:
            words.append(f"becomes {t.severity} {at}")
        else:
            words.append(f"{names[t.state]} {at}" + (f" {t.severity}" if t.state is TransitionName.FIRING else ""))
    shown = " ".join(filter(None, words))
    return f"{shown} ({numbers(episode.fired or episode.transitions[0])})"


def _difference(difference: Difference, test: Test) -> Iterable[str]:
    awaited, episode = difference.awaited, difference.episode
    if awaited is None or episode is None:
        expected = "nothing else" if awaited is None else f"{_expected(awaited, test)}   (line {awaited.line})"
        yield f"  expected   {expected}"
        yield f"  happened   {_nothing(awaited, test) if episode is None else _happened(episode, test)}"
        return
    yield f"  expected   {_expected(awaited, test)}   (line {awaited.line})"
    yield f"  happened   {_happened(episode, test)}"
    for what, expected, happened in difference.parts:
        yield f"     {what}: expected {readable(expected)}, was {readable(happened)}"


def _nothing(awaited: Awaited | None, test: Test) -> str:
    name = "nothing" if awaited is None else f"nothing of {awaited.rule}"
    return f"{name} up to {test.times.shown(test.until)}"


# ---- the series, drawn --------------------------------------------------------------------------------------------


def _drawn(outcome: Outcome) -> Iterable[str]:
    test = outcome.test
    begin, end = _span(outcome)
    if begin >= end:
        return
    width = max((len(readable(line.text.partition(":")[0])) for line in test.lines), default=8)
    width = max(width, len("happened"))
    for i, line in enumerate(test.lines):
        shown, most = _bars(line, _values(test, i, line), begin, end)
        yield f"  {readable(line.text.partition(':')[0]):{width}}  {shown}  up to {number_text(most)}"
    marks = {"expected": [m for d in outcome.differences if d.awaited is not None for m in d.awaited.moments[:1]]}
    marks["happened"] = [
        moment(d.episode.fired.at) for d in outcome.differences if d.episode is not None and d.episode.fired
    ]
    for name, moments in marks.items():
        if moments:
            row = [" "] * COLUMNS
            for at in moments:
                row[_column(at, begin, end)] = "^"
            yield f"  {name:{width}}  {''.join(row)}".rstrip()
    left, right = test.times.shown(begin), test.times.shown(end)
    yield f"  {'':{width}}  {left}{right.rjust(COLUMNS - len(left))}"


def _span(outcome: Outcome) -> tuple[datetime, datetime]:
    """What is worth drawing: around what was expected and what happened, else all of it."""
    test = outcome.test
    begin, end = moment(test.times.start.isoformat()).astimezone(test.until.tzinfo), test.until
    moments = [m for d in outcome.differences if d.awaited is not None for m in d.awaited.moments]
    moments += [moment(t.at) for d in outcome.differences if d.episode is not None for t in d.episode.transitions]
    if not moments:
        return begin, end
    around = max((max(moments) - min(moments)) / 2, timedelta(hours=2))
    return max(begin, min(moments) - around), min(end, max(moments) + around)


def _column(at: datetime, begin: datetime, end: datetime) -> int:
    return max(0, min(COLUMNS - 1, int((at - begin) / (end - begin) * COLUMNS)))


def _values(test: Test, number: int, line: Line) -> list[tuple[datetime, float]]:
    name = line.subject.field
    values: list[tuple[datetime, float]] = []
    for event in test.events:
        if str(event["id"]).startswith(f"{number + 1}-"):
            data: Any = event["data"]
            value = data.get("count", 1) if name is None else data.get(name, 1)
            values.append((moment(str(event["time"])), float(value) if isinstance(value, int | float) else 1.0))
    return values


def _bars(line: Line, values: Sequence[tuple[datetime, float]], begin: datetime, end: datetime) -> tuple[str, float]:
    """A level holds until the next value; anything else adds up within a column."""
    columns = [0.0] * COLUMNS
    if line.subject.is_level:
        held = {-1: 0.0} | {-1 if at < begin else _column(at, begin, end): v for at, v in values if at <= end}
        now = held[-1]
        for i in range(COLUMNS):
            now = held.get(i, now)
            columns[i] = now
    else:
        for at, value in values:
            if begin <= at <= end:
                columns[_column(at, begin, end)] += value
    most = max(columns)
    if most <= 0:
        return _BARS[0] * COLUMNS, max(most, 0.0)
    return "".join(_BARS[max(0, min(7, int(v / most * 7.999)))] for v in columns), most


# ---- JUnit --------------------------------------------------------------------------------------------------------


def junit(outcomes: Sequence[Outcome], gaps: Sequence[Gap] = ()) -> bytes:
    """The outcomes as JUnit's XML; gaps of coverage stand in its standard output."""
    root = ElementTree.Element("testsuites", name="lockstep test")
    by_file: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_file.setdefault(outcome.test.path, []).append(outcome)
    for path, parts in by_file.items():
        failed = sum(not o.passed for o in parts)
        suite = ElementTree.SubElement(root, "testsuite", name=path, tests=str(len(parts)), failures=str(failed))
        for o in parts:
            case = ElementTree.SubElement(
                suite, "testcase", classname=path, name=readable(o.test.name), file=path, line=str(o.test.line)
            )
            if not o.passed:
                count = len(o.differences)
                said = f"{count} difference{'s' if count > 1 else ''} from what was expected"
                ElementTree.SubElement(case, "failure", message=said).text = explained(o)
    if gaps:
        suite = ElementTree.SubElement(root, "testsuite", name="coverage", tests="0", failures="0")
        ElementTree.SubElement(suite, "system-out").text = "\n".join(map(str, gaps))
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"
