"""`lockstep explain RULE|ALERT`: why it fired, or why it did not, from files of events or from a running worker."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lockstep.adapters.explain_answer import by_alert, named
from lockstep.errors import RuleError
from lockstep.explanation import ask, public
from lockstep.notify.message_reason import unit_of
from lockstep.notify.self_alerts import REFUSED
from lockstep.rule.condition.kinds import Plan
from lockstep.rule.language.quantity import duration_text
from lockstep.shop.whole_shop import MadeOf
from lockstep.text.figures import PERCENT, number_text, time_text
from lockstep.tools.backtest.replay import Progress, backtest
from lockstep.tools.terminal import styled
from lockstep.transition import Transition, TransitionName

ANSWER_S = 10.0
_SHARES = ("lowest", "highest", "confidence")
"""Numbers by name that are parts of one."""
_COLOURS = {
    "breach": "red",
    "clear": "green",
    "no_data": "yellow",
    "unjudged": "dim",
    "no_bound": "dim",
    "closed": "dim",
}


def explain_events(
    plan: Plan,
    files: Sequence[Path],
    what: str,
    wanted: Mapping[str, str],
    *,
    zone: ZoneInfo,
    at: datetime | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Replay files up to an instant, then ask the judge.

    what: a rule, or an id of an alert, episode or transition. wanted: labels of the groups that are asked for. at: the
    instant; None: the last event's.

    Raises RuleError for what is not there, EventError for a file that cannot be read and where most events are refused.
    """
    replay = backtest(plan, files, zone=zone, until=at, progress=progress)
    replay.require_judged()
    if replay.judge is None:  # pragma: no cover # every replay has one
        raise RuleError("nothing was replayed")
    rule, labels = named(what, wanted, {r.name for r in plan.rules}, replay.transitions)
    if rule == REFUSED:
        raise RuleError(f"no event leads to {REFUSED}, a rule file does; ask the service, without --events")
    explanations = [public(e) for e in ask([replay.judge], rule, labels)]
    published = by_alert(replay.transitions)
    return {
        "source": "events",
        "rule": rule,
        "explanations": [{**e, "told": published.get(e["alert_id"], [])} for e in explanations],
    }


def explain_live(url: str, token: str | None, what: str, wanted: Mapping[str, str]) -> dict[str, Any] | None:
    """The answer of the worker at an address; None when nobody answers there. Raises RuleError for its refusal.

    token: of the API; None where it needs none. what, wanted: as for `explain_events`.
    """

    async def fetch() -> tuple[int, Any]:
        query = [("what", what), *(("label", f"{n}={v}") for n, v in wanted.items())]
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.get(f"{url.rstrip('/')}/v1/explain", params=query) as answer,
        ):
            return answer.status, await answer.json()

    try:
        status, body = asyncio.run(fetch())
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    if status != 200:
        raise RuleError(str(body.get("error", f"the worker answers {status}")))
    document: dict[str, Any] = body
    return document


# ---- for people ------------------------------------------------------------------------------------------------------


def shown(answer: Mapping[str, Any], zone: ZoneInfo) -> Iterable[RenderableType]:
    """What a terminal shows of an answer: one group in full, several as a list."""
    explanations = answer["explanations"]
    if not explanations and answer["rule"] == REFUSED:
        yield "no rule file that is asked for is refused, or was within the last day"
    elif not explanations:
        yield f"rule '{answer['rule']}' knows no group with these labels here"
    elif len(explanations) == 1:
        yield _one(explanations[0], zone)
    else:
        yield _list(answer["rule"], explanations, zone)


def _list(rule: str, explanations: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> RenderableType:
    table = Table(title=f"{rule}: {len(explanations)} groups", header_style="bold")
    for name in ("labels", "state", "as of", "why"):
        table.add_column(name, overflow="fold")
    for e in explanations:
        state = e["clock"]["state"] if e["clock"] else ""
        table.add_row(_labels(e), state, _moment(e["at"], zone), e["why"])
    return table


def _labels(e: Mapping[str, Any]) -> str:
    return ", ".join(f"{n}={v}" for n, v in e["labels"].items()) or "the whole shop"


def _moment(text: str | None, zone: ZoneInfo) -> str:
    return "" if text is None else time_text(text, zone)


def _stretch(start: str, end: str, zone: ZoneInfo) -> str:
    """`Mon 9 Feb 2026 11:45 to 12:45 GMT`; the day of the end where it is another."""
    begun, ended = _moment(start, zone), _moment(end, zone)
    day, _, _ = begun.rpartition(" ")[0].rpartition(" ")
    if ended.startswith(f"{day} ") and begun.rpartition(" ")[2] == ended.rpartition(" ")[2]:
        return f"{begun.rpartition(' ')[0]} to {ended[len(day) + 1 :]}"
    return f"{begun} to {ended}"


def _one(e: Mapping[str, Any], zone: ZoneInfo) -> RenderableType:
    clock = e["clock"]
    head: list[RenderableType] = [styled((e["rule"], "bold"), f"  {_labels(e)}"), "", e["why"]]
    if e.get("faults") is not None:
        return Group(*head, *_refusal(e))
    if clock is None:
        return Group(*head, *_made_of(e, zone), "", _transitions_table(e["told"], zone))
    facts = Table.grid(padding=(0, 2))
    severity = f" ({clock['severity']})" if clock["severity"] else ""
    rows = [
        ("state", f"{clock['state']}{severity}"),
        ("as of", f"{_moment(e['at'], zone)}, everything seen up to {_moment(e['watermark'], zone)}"),
        ("began", _moment(clock["started_at"], zone)),
        ("breach since", _moment(clock["breach_since"], zone) + _asked_for("for", clock["for_s"])),
        (
            "clear since",
            _moment(clock["clear_since"], zone) + _asked_for("keep_firing_for", clock["keep_firing_for_s"]),
        ),
        ("next", f"{clock['then']} {_moment(clock['next_at'], zone)}" if clock["next_at"] else ""),
        ("no data", clock["no_data"]),
        ("rule", f"{e['place']}, version {e['rule_version']}"),
        ("alert", e["alert_id"]),
    ]
    for name, value in rows:
        if value and not value.startswith(" ("):
            facts.add_row(Text(name, "dim"), value)
    if not e["known"] and e["verdict"] is None:
        return Group(*head, styled(("rule", "dim"), f"  {e['place']}, version {e['rule_version']}"))
    parts: list[RenderableType] = [*head, "", facts]
    if e["verdict"] is not None:
        parts += ["", *_condition(e["verdict"], zone, 0)]
    parts += _made_of(e, zone)
    if e.get("told"):
        parts += ["", _transitions_table(e["told"], zone)]
    return Group(*parts)


def _made_of(e: Mapping[str, Any], zone: ZoneInfo) -> Iterator[RenderableType]:
    """What the business measures of a rule are made of now, after those of the last change where they differ."""
    now = msgspec.convert(e.get("made_of", ()), tuple[MadeOf, ...])
    then = msgspec.convert(e["told"][-1], Transition).made_of if e.get("told") else ()
    known = {m.measure: (m.text, m.parts) for m in now}
    for measure in (*(m for m in then if known.get(m.measure) != (m.text, m.parts)), *now):
        yield ""
        since = f", from what was known of the shop {_moment(measure.as_of, zone)}"
        yield styled((f"{measure.title} {measure.text}", "bold"), since)
        table = Table.grid(padding=(0, 2))
        for what, value in measure.rows:
            table.add_row(" ", Text(what, "dim"), value)
        if measure.rows:
            yield table


def _refusal(e: Mapping[str, Any]) -> Iterable[RenderableType]:
    facts = Table.grid(padding=(0, 2))
    for name in ("owners", "teams"):
        if e[name]:
            facts.add_row(Text(name, "dim"), ", ".join(e[name]))
    facts.add_row(Text("alert", "dim"), e["alert_id"])
    is_over = e["told"][-1]["state"] == TransitionName.RESOLVED
    yield from ("", facts, "")
    yield (
        styled(("what was wrong", "bold"), ":") if is_over else styled(("what is wrong", "bold"), ", and the way out:")
    )
    yield from (f"  {fault}" for fault in e["faults"])


def _asked_for(name: str, seconds: int) -> str:
    return f" ({name}: {duration_text(seconds)})" if seconds else ""


def _condition(v: Mapping[str, Any], zone: ZoneInfo, depth: int) -> Iterable[RenderableType]:
    indent = "  " * depth
    said = f"{v['kind']} {v['of']}".rstrip()
    yield styled(indent, (said, "bold"), ": ", (v["verdict"].replace("_", " "), _COLOURS[v["verdict"]]))
    for part in v["parts"]:
        yield from _condition(part, zone, depth + 1)
    if v["parts"]:
        return
    table = Table.grid(padding=(0, 2))
    window = ""
    if v["window_start"] is not None and v["window_end"] is not None:
        window = _stretch(v["window_start"], v["window_end"], zone)
    unit = v.get("unit", "")
    usual = "" if v["baseline"] is None else number_text(v["baseline"], unit)
    ratio = "" if v["ratio"] is None else f"{v['ratio']:.2f}x"
    rows = [
        ("value", number_text(v["value"], unit)),
        ("window", window),
        ("usual", usual),
        ("ratio", ratio),
        ("limit", "" if v["limit"] is None else number_text(v["limit"], unit)),
        ("limit of", v["limit_of"]),
        *((name, number_text(n)) for name, n in v["terms"].items()),
        *((name, number_text(n, PERCENT if name in _SHARES else "")) for name, n in v["counts"].items()),
        *(
            (f"asked: {name}", n if isinstance(n, str) else number_text(n, PERCENT if name in _SHARES else ""))
            for name, n in v["asked"].items()
        ),
        *((f"blocked by {g['name']}", _blocked(g)) for g in v["blocked_by"]),
        *(
            (f"known from ({name})", "no event yet" if since is None else _moment(since, zone))
            for name, since in v["complete_from"].items()
        ),
        *(
            (f"compared with {number_text(w['value'], unit)}", _stretch(w["start"], w["end"], zone))
            for w in v["history"]
        ),
    ]
    for name, value in rows:
        if value:
            table.add_row(indent + " ", Text(name, "red" if name.startswith("blocked") else "dim"), value)
    yield table


def _blocked(guard: Mapping[str, Any]) -> str:
    asked = guard["asked"] if isinstance(guard["asked"], str) else number_text(guard["asked"])
    return f"asks for {asked}" + (f", it is {number_text(guard['got'])}" if guard["got"] is not None else "")


def _transitions_table(rows: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> RenderableType:
    table = Table(title="what was said", title_justify="left", header_style="bold")
    for name in ("at", "what", "severity", "value", "usual", "reason"):
        table.add_column(name)
    for t in rows:
        transition = msgspec.convert(t, Transition)
        usual = "" if transition.baseline is None else number_text(transition.baseline, unit_of(transition))
        table.add_row(
            time_text(t["at"], zone),
            t["state"],
            t["severity"],
            number_text(transition.value, unit_of(transition)),
            usual,
            t["reason"],
        )
    return table
