"""Who comes and who buys: Poisson arrivals around the shop's week, with the script's promotions and effects."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from itertools import accumulate
from math import exp, sqrt

from tests.simshop.real_orders import Basket, profile
from tests.simshop.script import (
    AT_MARKETPLACE,
    CHANNELS,
    CONVERSION,
    EFFECTS,
    FIRST,
    MARKETPLACE,
    PROMOTIONS,
    ZONE,
    Promotion,
)

SLOT = timedelta(minutes=15)
_DAY_SWING = 0.06
"""How much a day differs from its weekday beyond chance, as a part."""
UNITS_OF_PROMOTED = 1.4
"""Of a promoted product in an order that its promotion led to."""


def drawn(mean: float, dice: random.Random) -> int:
    """A Poisson count."""
    if mean > 50:
        return max(0, round(mean + sqrt(mean) * dice.gauss(0, 1)))
    limit, count, product = exp(-mean), 0, dice.random()
    while product > limit:
        count += 1
        product *= dice.random()
    return count


def week_weight(moment: datetime) -> float:
    """How busy the shop is at this hour of the week; 1 on average."""
    local = moment.astimezone(ZONE)
    return profile().hours[local.weekday() * 24 + local.hour]


class Demand:
    """The means of a seed: each day of each channel is a little better or worse than usual."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._swing = cache(self._swing_of)

    def _swing_of(self, channel: str, day: str) -> float:
        return max(0.7, random.Random(f"{self._seed} day {channel} {day}").gauss(1, _DAY_SWING))

    def orders(self, channel: str, moment: datetime) -> float:
        """Mean orders in the slot that begins here, without promotions."""
        return self._usual(channel, moment) * _effect(channel, moment, "orders")

    def sessions(self, channel: str, moment: datetime) -> float:
        """Mean visits in the slot that begins here, without promotions."""
        return self._usual(channel, moment) / CONVERSION[channel] * _effect(channel, moment, "sessions")

    def _usual(self, channel: str, moment: datetime) -> float:
        swing = self._swing(channel, moment.astimezone(ZONE).date().isoformat())
        return CHANNELS[channel] * week_weight(moment) * swing * (SLOT / timedelta(days=1))


def promotion_share(promotion: Promotion, moment: datetime) -> float:
    """Which part of an average day's extra falls into the slot that begins here; 0 while it does not run.

    Shared out over its own hours, so that a promotion on quiet days still brings what it is said to.
    """
    if not promotion.starts <= moment < promotion.ends:
        return 0
    return week_weight(moment) * (SLOT / timedelta(days=1)) / _days(promotion.starts, promotion.ends) * promotion.days


def _effect(channel: str, moment: datetime, what: str) -> float:
    factor = 1.0
    for effect in EFFECTS:
        if channel in effect.channels and effect.starts <= moment < effect.ends:
            factor *= getattr(effect, what)
    return factor


def slots(starts: datetime, ends: datetime) -> Iterator[datetime]:
    """The beginnings of the slots of a stretch of time."""
    moment = starts
    while moment < ends:
        yield moment
        moment += SLOT


def within(slot: datetime, dice: random.Random) -> datetime:
    """Some second of a slot."""
    return slot + timedelta(seconds=int(dice.random() * SLOT.total_seconds()))


@cache
def baskets(channel: str) -> tuple[Basket, ...]:
    """The real baskets that can be bought there: the marketplace has only some of the products."""
    if channel != MARKETPLACE:
        return profile().baskets
    filtered = (tuple(line for line in basket if line[0] in AT_MARKETPLACE) for basket in profile().baskets)
    return tuple(basket for basket in filtered if basket)


@cache
def units_a_day(sku: str, location: str) -> float:
    """Units of a product that a location usually sells on an average day."""
    channels = [MARKETPLACE] if location == MARKETPLACE else ["web", "app"]
    units = 0.0
    for channel in channels:
        sold = sum(quantity for basket in baskets(channel) for name, quantity in basket if name == sku)
        units += CHANNELS[channel] * sold / len(baskets(channel))
    return units


def units_between(sku: str, location: str, starts: datetime, ends: datetime) -> float:
    """Units that are expected to be sold in a stretch of time, promotions included."""
    units = units_a_day(sku, location) * _days(starts, ends)
    for promotion in PROMOTIONS:
        if sku in promotion.skus and location != MARKETPLACE:
            during = _days(max(starts, promotion.starts), min(ends, promotion.ends))
            share = during / _days(promotion.starts, promotion.ends) if during > 0 else 0
            units += promotion.orders * promotion.days * share * UNITS_OF_PROMOTED
    return units


def _days(starts: datetime, ends: datetime) -> float:
    """How many average days a stretch of time is worth: a Saturday is less than one."""
    sums = _weights_before()
    return (sums[(ends - FIRST) // SLOT] - sums[(starts - FIRST) // SLOT]) * (SLOT / timedelta(days=1))


@cache
def _weights_before() -> tuple[float, ...]:
    """The sum of the weights of the slots before each, from the first moment on."""
    return tuple(accumulate((week_weight(FIRST + n * SLOT) for n in range(30 * 7 * 96)), initial=0.0))
