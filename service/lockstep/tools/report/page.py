"""The report as one HTML page: nothing is fetched, it works offline, in light and dark, and on paper.

Bounded: charts for the episodes that were watched (see `watch`), lines for LISTED more a rule, a number for the rest.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup

from lockstep.adapters.charts.curve import Curve
from lockstep.notify.message import Writer, labels_text, limit_text, window_text
from lockstep.notify.message_reason import unit_of
from lockstep.rule.condition.kinds import Plan, Rule
from lockstep.text.figures import duration_words, number_text, ratio_text, time_text
from lockstep.tools.backtest.replay import Episode
from lockstep.tools.report import chart
from lockstep.tools.report.report import Changed, Report, fired_at, lasted, moved_words, per_week

LISTED = 100
"""Episodes of one rule that are listed in a line each, beyond those with a chart."""
CHANGES = 60
"""Lines of each kind of change of one rule."""

TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class Shown:
    """What the page says about its own making. rules, against: how the reader named them."""

    rules: str
    sources: str
    working: str
    against: str | None = None


def page(
    report: Report,
    plan: Plan,
    curves: Mapping[str, Curve],
    shown: Shown,
    *,
    zone: ZoneInfo,
    changes: Sequence[Changed] | None = None,
) -> str:
    """The whole page.

    curves: episode id → the numbers around it, for those that get a chart. shown: what the page says about its own
    making. changes: against another version of the rules; None: there is none.
    """
    rules = {rule.name: rule for rule in plan.rules}
    writer = Writer(zone)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    script = _SCRIPT.strip()
    most = max((n for r in report.rules for n in r.weekly), default=0)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        report=report,
        shown=shown,
        span=_span(report, zone),
        zone=zone.key,
        tiles=_tiles(report, shown),
        timeline=Markup(chart.timeline(report, zone)),
        rules=[_rule_row(r, most) for r in report.rules],
        groups=[_group(r.rule, r.episodes, rules.get(r.rule), curves, writer, zone) for r in report.rules],
        changes=None if changes is None else [_change(c, zone) for c in changes],
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        has_score=report.score is not None,
    )


_SCRIPT = """
addEventListener("beforeprint", () => document.querySelectorAll("details:not([open])").forEach(d => {
  d.open = true; d.dataset.closed = "";
}));
addEventListener("afterprint", () => document.querySelectorAll("details[data-closed]").forEach(d => {
  d.open = false; delete d.dataset.closed;
}));
const reveal = () => {
  const found = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (found && found.tagName === "DETAILS") found.open = true;
};
addEventListener("hashchange", reveal); reveal();
"""


def _span(report: Report, zone: ZoneInfo) -> str:
    if report.first is None or report.last is None:
        return "no events"
    first, last = report.first.astimezone(zone), report.last.astimezone(zone)
    length = duration_words(max((report.last - report.first).total_seconds(), 60))
    weeks = report.weeks
    if weeks >= 2:
        length = f"{weeks:.0f} weeks"
    return f"{first.day} {first:%b %Y} to {last.day} {last:%b %Y}, {length}"


def short(length: timedelta | None) -> str:
    """A duration in a cell, `4 h 15 min`; a dash for none."""
    if length is None:
        return "–"
    words = duration_words(length.total_seconds()).split()
    units = {"day": "d", "hour": "h", "minute": "min", "second": "s"}
    return " ".join(word if i % 2 == 0 else units[word.rstrip("s")] for i, word in enumerate(words))


def rate(number: float | None) -> str:
    """So many a week: `3.2`, `0.15`, `40`; a dash where nobody can know."""
    if number is None:
        return "–"
    if number >= 10:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 1 or number == 0 else f"{number:.2f}"


def percent(part: float | None) -> str:
    """A share of all in a cell, to the whole percent; a dash for none."""
    return "–" if part is None else f"{part:.0%}"


def _tiles(report: Report, shown: Shown) -> list[tuple[str, str, str]]:
    """(name, number, what is behind it)."""
    count = len(report.episodes)
    weekly = per_week(count, report.weeks)
    behind = "in less than a day" if weekly is None else f"{rate(weekly)} a week"
    weeks = "no events were read" if report.first is None else behind
    woken = report.woken
    speaking = sum(1 for r in report.rules if r.episodes)
    loudest = report.rules[0] if report.rules and report.rules[0].episodes else None
    longest = max((r.longest for r in report.rules if r.longest is not None), default=None)
    tiles = [
        ("Episodes", f"{count:,}", weeks),
        (
            "Would have woken you",
            f"{woken.total():,}",
            f"{woken['critical']:,} critical, {woken['warning']:,} warning outside {shown.working}",
        ),
        ("Typical length", short(report.typical), f"the longest {short(longest)}" if longest else "none has ended"),
        (
            "Rules that spoke",
            f"{speaking} of {len(report.rules)}",
            f"most often {loudest.rule}, {len(loudest.episodes):,} times" if loudest else "all quiet",
        ),
    ]
    if report.score is not None:
        score = report.score
        tiles.append(
            ("Precision", percent(score.precision), f"{score.right:,} of {score.episodes:,} episodes were right")
        )
        tiles.append(
            ("Recall", percent(score.recall), f"{score.detected:,} of {score.windows:,} labelled windows told")
        )
    return tiles


def _rule_row(rule: Any, most: int) -> dict[str, Any]:
    return {
        "name": rule.rule,
        "count": f"{len(rule.episodes):,}",
        "quiet": not rule.episodes,
        "per_week": rate(rule.per_week),
        "weeks": Markup(chart.week_bars(rule.weekly, most)),
        "typical": short(rule.typical),
        "longest": short(rule.longest),
        "going_on": rule.going_on,
        "woken": sum(rule.woken.values()),
        "unfired": rule.unfired,
        "noisiest": [(name, count) for name, count in rule.noisiest if rule.groups > 1],
        "groups": rule.groups,
        "precision": percent(rule.score.precision) if rule.score else "",
        "recall": percent(rule.score.recall) if rule.score else "",
    }


def _group(
    name: str,
    episodes: Sequence[Episode],
    rule: Rule | None,
    curves: Mapping[str, Curve],
    writer: Writer,
    zone: ZoneInfo,
) -> dict[str, Any]:
    drawn = [e for e in episodes if e.id in curves]
    others = [e for e in episodes if e.id not in curves]
    return {
        "name": name,
        "count": len(episodes),
        "place": "" if rule is None else rule.place,
        "runbook": "" if rule is None else rule.runbook or "",
        "drawn": [_drawn(e, rule, curves[e.id], writer, zone) for e in drawn],
        "others": [_line(e, zone) for e in others[:LISTED]],
        "more": max(0, len(others) - LISTED),
    }


def _line(episode: Episode, zone: ZoneInfo) -> dict[str, Any]:
    length = lasted(episode)
    return {
        "id": f"e-{episode.id[:16]}",
        "at": time_text(fired_at(episode).isoformat(), zone),
        "severity": episode.severity,
        "labels": labels_text(episode.labels),
        "value": number_text(episode.value, unit_of(episode.announcement)),
        "lasted": "goes on" if length is None else short(length),
    }


def _drawn(episode: Episode, rule: Rule | None, curve: Curve, writer: Writer, zone: ZoneInfo) -> dict[str, Any]:
    shown = episode.announcement
    teams = rule.teams if rule is not None else ("marketing", "operations")
    item = writer.item(shown, rule, teams)
    window = window_text(shown)
    unit = unit_of(shown)
    numbers = [("value", number_text(shown.value, unit))]
    if shown.baseline is not None:
        numbers.append(("usual", number_text(shown.baseline, unit)))
        if shown.counts.get("sigma"):
            numbers[-1] = ("usual", f"{number_text(shown.baseline, unit)} ± {number_text(shown.counts['sigma'], unit)}")
    if shown.ratio is not None:
        numbers.append(("ratio", ratio_text(shown.ratio)))
    if shown.limit is not None:
        numbers.append(("limit", limit_text(shown)))
    if shown.window_start and shown.window_end:
        start, end = (datetime.fromisoformat(t).astimezone(zone) for t in (shown.window_start, shown.window_end))
        numbers.append(("window", f"{window}, {start:%H:%M} to {end:%H:%M}"))
    pending = (fired_at(episode) - datetime.fromisoformat(episode.started)).total_seconds()
    if pending:
        numbers.append(("held for", duration_words(pending)))
    return {
        **_line(episode, zone),
        "headline": item.headline,
        "texts": item.texts,
        "note": item.note,
        "numbers": numbers,
        "chart": Markup(chart.episode_chart(episode, curve, zone)),
        "spark": Markup(chart.spark(curve)),
        "has_usual": any(p.baseline is not None for p in curve.points),
        "has_band": any(p.sigma for p in curve.points),
        "has_limit": any(p.limit is not None for p in curve.points),
        "changes": [
            (time_text(t.at, zone), t.state.value, t.severity, number_text(t.value, unit_of(t)))
            for t in episode.transitions[:12]
        ],
    }


def _change(changed: Changed, zone: ZoneInfo) -> dict[str, Any]:
    kinds = []
    for word, sign, episodes in (("gained", "+", changed.gained), ("lost", "−", changed.lost)):
        lines = [(_line(e, zone), "") for e in episodes[:CHANGES]]
        kinds.append({"word": word, "sign": sign, "count": len(episodes), "lines": lines})
    moved = [(_line(after, zone), moved_words(before, after)) for before, after in changed.moved[:CHANGES]]
    kinds.append({"word": "moved", "sign": "~", "count": len(changed.moved), "lines": moved})
    return {"rule": changed.rule, "same": changed.same, "is_any": changed.is_any, "kinds": kinds}
