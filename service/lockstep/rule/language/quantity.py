"""Durations, ratios, percents and hours as people write them. Every error names the way out after a semicolon."""

import re
from datetime import time
from decimal import Decimal
from math import isnan

from lockstep.rule.condition.kinds import Hours, Tolerance
from lockstep.rule.condition.period import DAY, WEEK, Period, Window
from lockstep.text.time_units import DAY_S, WEEK_S
from lockstep.yaml.document import WITH_COMMA, without_comma

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": DAY_S, "w": WEEK_S}
_DAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_DURATION = re.compile(r"([0-9]+)(s|m|h|d|w)")
MOST_BUCKETS = 60
"""Buckets whose verdicts are remembered for `for: 3 of 4 buckets`."""
_TOLERANCE = re.compile(r"([0-9]{1,4}) +of +(?:the +last +)?([0-9]{1,4}) +buckets?")
_SPELLED_OUT = re.compile(r"([0-9]+) *(sec(?:ond)?s?|min(?:ute)?s?|h(?:ou)?rs?|days?|weeks?)")
_HOURS = re.compile(r"(?:(?P<days>[A-Za-z,\- ]+?) +)?(?P<from>[0-9]{1,2}:[0-9]{2}) *- *(?P<to>[0-9]{1,2}:[0-9]{2})")


def duration_s(value: object) -> int:
    """`90s`, `15m`, `1h30m`, `7d` in seconds. Raises ValueError."""
    text = _text(value, "duration", "90s, 15m, 1h30m or 7d", "LS104")
    if isinstance(value, int | float) and not isinstance(value, bool) and value == 0:
        return 0
    if text.isdigit() and text != "0":
        raise ValueError(f"'{text}' has no unit; write {text}s, {text}m or {text}h [LS104]")
    if text.lower() in ("day", "week"):
        word = text.lower()
        message = f"'{text}' is a window of threshold, spike, share, ratio and absence alone"
        raise ValueError(f"{message}; write 1{word[0]} here [LS104]")
    parts = _DURATION.findall(text.replace(" ", ""))
    if text == "0":
        return 0
    if not parts or "".join(n + u for n, u in parts) != text.replace(" ", ""):
        spelled = _SPELLED_OUT.fullmatch(text.lower())
        if spelled:
            raise ValueError(f"'{text}' is no duration; write {spelled[1]}{spelled[2][0]} [LS104]")
        raise ValueError(f"'{text}' is no duration; write one like 90s, 15m, 1h30m or 7d [LS104]")
    total = sum(int(n) * UNITS_S[u] for n, u in parts)
    if total > 366 * DAY_S:
        raise ValueError(f"'{text}' is longer than a year; write at most 366d [LS104]")
    return total


def window(value: object) -> Window:
    """`15m`, or `day` and `week` for those of the calendar. Raises ValueError."""
    if isinstance(value, Period):
        return value
    period = {"day": DAY, "week": WEEK}.get(value.strip().lower()) if isinstance(value, str) else None
    return duration_s(value) if period is None else period


def window_text(value: Window) -> str:
    """A window as people write it."""
    return str(value) if isinstance(value, Period) else duration_text(value)


def until(value: object) -> time:
    """`21:15`, a time of day. Raises ValueError."""
    if isinstance(value, time):
        return value
    hint = 'write it like "21:15" [LS107]'
    text = _text(value, "time of day", '"21:15"', "LS107")
    try:
        clock = _time(text) if _TIME.fullmatch(text) else time()
    except ValueError:
        clock = time()
    if clock == time():
        raise ValueError(f"'{text}' is no time within a day; {hint}")
    return clock


_TIME = re.compile(r"[0-9]{1,2}:[0-9]{2}")


def hold(value: object) -> int | Tolerance:
    """What `for` says: `10m` in seconds, or `3 of 4 buckets`. Raises ValueError."""
    match = _TOLERANCE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        if isinstance(value, str) and re.search(r"\bof\b", value) and len(value) <= 100:
            raise ValueError(f"'{value}' is not understood; write it like 3 of 4 buckets [LS200]")
        return duration_s(value)
    breaches, buckets = int(match[1]), int(match[2])
    if not 1 < breaches <= buckets <= MOST_BUCKETS:
        way_out = f"write one like 3 of 4 buckets, with 2 to {MOST_BUCKETS}"
        if breaches == 1:
            way_out = "one breach fires at once: remove 'for'"
        raise ValueError(f"'{value}' is no part of buckets; {way_out} [LS200]")
    return Tolerance(breaches, buckets)


def duration_text(seconds: int) -> str:
    """Seconds as people write them: 5400 → `1h30m`."""
    if seconds == 0:
        return "0s"
    text = ""
    for unit, size in sorted(UNITS_S.items(), key=lambda item: -item[1]):
        if unit != "w" and seconds >= size:
            text += f"{seconds // size}{unit}"
            seconds %= size
    return text


def ratio(value: object) -> float:
    """`2x`, `1.5x` or `200%` as a factor. Raises ValueError."""
    text = _text(value, "ratio", "2x or 0.5x", "LS105")
    try:
        if text.endswith("x"):
            number = float(text[:-1])
        elif text.endswith("%"):
            number = percent(text)
        else:
            raise ValueError
    except ValueError:
        hint = f"write {text}x, or {text} more" if _is_number(text) else "write one like 2x or 0.5x"
        raise ValueError(f"'{text}' is no ratio; {hint} [LS105]") from None
    if not 0 <= number < 1e9:
        raise ValueError(f"'{text}' is no ratio; write one like 2x or 0.5x [LS105]")
    return number


def percent(text: str) -> float:
    """`33.3%` is 0.333, which 33.3 / 100 is not. Raises ValueError."""
    return float(Decimal(repr(float(text.removesuffix("%")))) / 100)


def away(value: object) -> tuple[float | None, float | None]:
    """How far from the usual: `2x` or `50%`, `20 more` (20) or `20 less` (-20), `2x and 20 more`; (ratio, difference).

    Raises ValueError.
    """
    if isinstance(value, tuple):
        return value
    text = _text(value, "ratio", "2x, 20 more or 20 less", "LS105")
    factor: float | None = None
    difference: float | None = None
    for part in re.split(r"\s+and\s+", text):
        match = _DIFFERENCE.fullmatch(part)
        if match is not None and difference is None:
            difference = number(match[1]) * (1 if match[2] == "more" else -1)
        elif match is None and factor is None:
            factor = ratio(part)
        else:
            raise ValueError(
                f"'{text}' says the same thing twice; write one like 2x, 20 more or 2x and 20 more [LS105]"
            )
    return factor, difference


def chance(value: object) -> float:
    """`1 in 1000` or `0.1%`. Raises ValueError."""
    text = _text(value, "chance", "1 in 1000", "LS106")
    match = _CHANCE.fullmatch(text)
    try:
        part = 1 / float(match[1].replace(",", "")) if match is not None else percent(text)
    except (ValueError, ZeroDivisionError):
        part = 0.0
    if not (match is not None or text.endswith("%")) or not 1e-12 <= part <= 0.5:
        raise ValueError(f"'{text}' is no chance; write one like 1 in 1000 [LS106]")
    return part


_DIFFERENCE = re.compile(r"\+?([0-9][0-9.]*) *(more|less|fewer)")
_CHANCE = re.compile(r"1 in ([0-9][0-9,.]*)")


def number(value: object) -> float:
    """`20`, `2.5` or `25%` (= 0.25) as a number. Raises ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        result = float(value)
    else:
        text = _text(value, "number", "20, 2.5 or 25%", "LS106")
        if text.endswith("x") and _is_number(text[:-1]):
            raise ValueError(f"'{text}' is a ratio, here stands a number; write {text[:-1]} [LS106]")
        try:
            result = percent(text) if text.endswith("%") else float(text)
        except ValueError:
            if re.fullmatch(r"-?[0-9]{1,3}(?:\.[0-9]{3}){2,}", text):
                way_out = f"write {text.replace('.', '')}"
                raise ValueError(f"'{text}' is no number, it has several points; {way_out} [LS106]") from None
            if _APART.fullmatch(text):
                plain = re.sub(r"[ _'\u2019]", "", text)
                raise ValueError(f"'{text}' is no number, its thousands stand apart; write {plain} [LS106]") from None
            if WITH_COMMA.fullmatch(text):
                raise ValueError(f"'{text}' is no number, it has a comma; {without_comma(text)} [LS106]") from None
            raise ValueError(f"'{text}' is no number; write one like 20, 2.5 or 25% [LS106]") from None
    if isnan(result):
        raise ValueError(f"'{value}' is no number; write one like 20, 2.5 or 25% [LS106]")
    if not abs(result) <= 9e12:
        raise ValueError(f"'{value}' is too large; write a number within ±9,000,000,000,000 [LS106]")
    return result


_APART = re.compile(r"-?[0-9]{1,3}(?:[ _'\u2019][0-9]{3})+(?:\.[0-9]+)?%?")
_THOUSANDS = re.compile(r"-?[1-9][0-9]{0,2}\.[0-9]{3}")


def readings(text: str) -> tuple[str, str] | None:
    """(what is unclear, the way out) of `10.000`, which is ten here and ten thousand to half of Europe; else None."""
    if not _THOUSANDS.fullmatch(text):
        return None
    thousands, decimal = text.replace(".", ""), f"{float(text):g}"
    if _THOUSANDS.fullmatch(decimal):
        decimal = f"{text}0"
    return f"'{text}' is {float(text):g}, and may be meant as {thousands}", f"write {decimal} or {thousands}"


def difference(value: object) -> tuple[float | None, float | None]:
    """`5` as (5, None), `20%` as (None, 0.2): by how much, or by how much of what was. Raises ValueError."""
    if isinstance(value, tuple):
        return value
    size = number(value)
    if size <= 0:
        raise ValueError(f"'{value}' is no difference; write one like 5 or 20% [LS106]")
    return (None, size) if str(value).strip().endswith("%") else (size, None)


def _text(value: object, what: str, example: str, code: str) -> str:
    """What the author wrote, or a ValueError for what cannot be a quantity at all."""
    if value is None:
        raise ValueError(f"nothing stands here, a {what} is needed; write one like {example} [{code}]")
    if isinstance(value, dict | list | bool):
        raise ValueError(f"this is no {what}; write one like {example} [{code}]")
    text = str(value).strip()
    if len(text) > 100:
        raise ValueError(f"'{text[:20]}…' is no {what}; write one like {example} [{code}]")
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _time(text: str) -> time:
    hour, minute = (int(p) for p in text.split(":"))
    if (hour, minute) == (24, 0):
        return time(0, 0)
    if hour > 23 or minute > 59:
        raise ValueError
    return time(hour, minute)


def hours(value: object) -> Hours:
    """`Mon-Fri 08:00-18:00`, `08:00-20:00` (every day), `Mon-Sat` (the whole days). Raises ValueError."""
    text = _text(value, "time of the week", "Mon-Fri 08:00-18:00", "LS107")
    hint = "write it like 'Mon-Fri 08:00-18:00' [LS107]"
    match = _HOURS.fullmatch(f"{text} 00:00-24:00" if re.fullmatch(r"[A-Za-z,\- ]+", text) else text)
    if match is None:
        raise ValueError(f"'{text}' are no hours; {hint}")
    try:
        days = _weekdays(match["days"] or "daily")
        start, end = _time(match["from"]), _time(match["to"])
    except ValueError:
        raise ValueError(f"'{text}' are no hours; {hint}") from None
    if start == end and start != time(0, 0):
        raise ValueError(f"'{text}' are no hours, it ends where it begins; {hint}")
    return Hours(days, start, end)


def _weekday(word: str) -> int:
    """The day that a word of three letters or more begins. Raises ValueError."""
    days = [i for i, name in enumerate(_DAY_NAMES) if len(word) >= 3 and name.startswith(word)]
    if not days:
        raise ValueError(word)
    return days[0]


def _weekdays(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.lower().replace(" ", "").split(","):
        if part in ("daily", "mon-sun"):
            return frozenset(range(7))
        first, _, last = part.partition("-")
        a, b = _weekday(first), _weekday(last or first)
        days |= set(range(a, b + 1)) if a <= b else {*range(a, 7), *range(b + 1)}
    return frozenset(days)
