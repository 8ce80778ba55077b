"""The course of a day by the hour: what came, and what usually does, for pictures and for `usual by now`."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from lockstep.shop.day_sums import day_bounds, known_at
from lockstep.shop.facts import DayFacts
from lockstep.shop.forecast import share_of_day, usual_of
from lockstep.shop.whole_shop import Shop

HOURS = 24


@dataclass(frozen=True)
class DayCourse:
    """came, usual: a number for each hour of the wall clock; came only up to the hour that is going on. so_far: of the
    day. usual_so_far: by now on a usual day; usual_day: by its end; both None, and usual empty, where `why` says why.
    usual_is: of which days, in words."""

    came: tuple[int, ...]
    usual: tuple[Fraction, ...]
    so_far: int
    usual_so_far: Fraction | None
    usual_day: Fraction | None
    usual_is: str = ""
    why: str = ""


def day_course(shop: Shop, day: date, count_name: str, at: datetime) -> DayCourse:
    """Of a count of HOURLY, on a day that has begun by `at`."""
    facts = shop.day(day) or DayFacts(upto="", day=day.isoformat())
    moment = known_at(shop, at)
    came = _by_wall_clock(shop, facts, count_name)
    begin, over = day_bounds(day, shop.zone)
    hours = HOURS if moment >= over else moment.astimezone(shop.zone).hour + 1 if moment >= begin else 0
    so_far = facts.counts.get(count_name, 0)
    usual = usual_of(shop, day, count_name)
    if isinstance(usual, str):
        return DayCourse(tuple(came[:hours]), (), so_far, None, None, why=usual)
    sums = [0] * HOURS
    for one in usual.days:
        for hour, number in enumerate(_by_wall_clock(shop, one, count_name)):
            sums[hour] += number
    whole = sum(sums)
    by_hour = tuple(usual.count * Fraction(number, whole) for number in sums) if whole else ()
    return DayCourse(
        came=tuple(came[:hours]),
        usual=by_hour,
        so_far=so_far,
        usual_so_far=usual.count * share_of_day(shop, usual, day, moment, count_name),
        usual_day=usual.count,
        usual_is=usual.of,
    )


def _by_wall_clock(shop: Shop, facts: DayFacts, count_name: str) -> list[int]:
    """A day's hours by the clock on the wall: of a day with 25 of them two are one, of one with 23 one has nothing."""
    hours = [0] * HOURS
    begin, _ = day_bounds(date.fromisoformat(facts.day), shop.zone)
    for n, number in enumerate(facts.by_hour.get(count_name, [])):
        hours[(begin + timedelta(hours=n)).astimezone(UTC).astimezone(shop.zone).hour] += number
    return hours
