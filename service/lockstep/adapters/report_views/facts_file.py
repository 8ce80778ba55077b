"""A file of a shop's facts, one record of `lockstep.shop` a line."""

from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from lockstep.calendar import Calendar
from lockstep.errors import EventError
from lockstep.shop.facts import decode
from lockstep.shop.shop_settings import ShopSettings
from lockstep.shop.whole_shop import Shop


def shop_from(path: Path, zone: ZoneInfo, settings: ShopSettings, calendar: Calendar | None) -> Shop:
    """The shop of a file. Raises EventError for one that cannot be read, or for a line that is no fact."""
    shop = Shop(zone, settings, calendar)
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise EventError("data", f"{path}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                shop.put(decode(line))
            except msgspec.MsgspecError as error:
                said = f"{path}:{number}: no fact of a shop: {error}; write records of the topic `lockstep.shop`"
                raise EventError("data", said) from error
    return shop
