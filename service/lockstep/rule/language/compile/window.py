"""The windows of a rule: their lengths, the base slice that divides them all, and a day that moves on."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from lockstep.rule.condition.kinds import ANOMALY_CHOICE_S
from lockstep.rule.condition.period import Window
from lockstep.rule.language.compile.context import FileContext
from lockstep.rule.language.form import AnomalyModel, PartModel
from lockstep.text.time_units import DAY_S
from lockstep.yaml.document import Pointer

LENGTHS = ("window", "previous", "bucket")
"""The keys of conditions that say how long something is that is kept in slices."""


def lengths_in(model: PartModel) -> list[int]:
    """Every window and baseline length in a rule, in seconds."""
    return list(_lengths_in(model))


def _lengths_in(model: Any) -> Iterator[int]:
    if isinstance(model, list):
        for item in model:
            yield from _lengths_in(item)
    if not isinstance(model, BaseModel):
        return
    if isinstance(model, AnomalyModel) and model.bucket is None:
        yield from ANOMALY_CHOICE_S
    for name in type(model).model_fields:
        value = getattr(model, name)
        if name in LENGTHS and isinstance(value, int):
            yield value
        yield from _lengths_in(value)


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
