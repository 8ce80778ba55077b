"""The windows of a rule: their lengths, the base slice that divides them all, and a day that moves on."""

from itertools import chain
from typing import Any

from lockstep.rule.condition.kinds import ANOMALY_CHOICE_S
from lockstep.rule.condition.period import DAY_S, Window
from lockstep.rule.language.compile.context import FileContext
from lockstep.rule.language.form import BaselineModel, PartModel, sources_in
from lockstep.yaml.document import Pointer


def lengths_in(model: PartModel) -> list[int]:
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
        found += ANOMALY_CHOICE_S if model.anomaly.bucket is None else (model.anomaly.bucket,)
    found += [source.window for source in sources_in(model) if source.window is not None]
    parts = chain(model.all or (), model.any or (), [model.not_] if model.not_ is not None else [])
    return found + [n for part in parts for n in lengths_in(part)]


def bucket_of(model: PartModel) -> int:
    """The widest base slice of which all windows are multiples."""
    lengths = lengths_in(model)
    if model.anomaly is not None and all(n % 60 == 0 for n in lengths):
        return min(lengths)
    return next((width for width in (60, 10) if all(n % width == 0 for n in lengths)), 1)


def warn_of_rolling(context: FileContext, at: Pointer, window: Window | None) -> None:
    """A day that moves on every minute crosses its number many times a day; `24h` says that it is meant."""
    given = context.document.find((*at, "window"))
    word = {DAY_S: "day", 7 * DAY_S: "week"}.get(window) if isinstance(window, int) else None
    if word is not None and isinstance(given, str) and not given.strip().endswith("h"):
        message = f"the last {given.strip()} move on every minute, so chance crosses the number again and again"
        hours = f"{window // 3_600}h" if isinstance(window, int) else ""
        remedy = f"write 'window: {word}' for each {word} once, or {hours} if every minute is meant"
        context.note((*at, "window"), message, remedy, "LS231", level="warning")
