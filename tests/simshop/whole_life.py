"""All events of a simulated life in the order of time."""

import gzip
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from tests.simshop.announcements import announcements
from tests.simshop.script import LIVED_FROM, ZONE
from tests.simshop.shop_life import Event, ShopLife, Truth
from tests.simshop.visits import traffic


@lru_cache(maxsize=2)
def life(seed: int, weeks: int = 2) -> tuple[tuple[Event, ...], Truth]:
    """The events, those of equal times as they happened, and what the simulation came to. weeks: that are lived."""
    ends = LIVED_FROM + timedelta(weeks=weeks)
    shop = ShopLife(seed, ends=ends)
    timed: list[tuple[datetime, Event]] = [(datetime.fromisoformat(e["time"]), e) for e in shop.events]
    timed += [(at, e) for at, e in (*traffic(seed, ends), *announcements(seed, ends)) if at < ends]
    timed.sort(key=lambda item: item[0])
    for at, one in timed:
        if one["data"].get("channel") != "web":
            continue
        day = at.astimezone(ZONE).date()
        if one["type"] == "order.placed":
            shop.truth.web_revenue[day] += round(one["data"]["total"] * 100)
        elif one["type"] == "traffic.spend":
            shop.truth.web_spend[day] += round(one["data"]["amount"] * 100)
    return tuple(e for _, e in timed), shop.truth


def write(events: Iterable[Event], path: Path) -> int:
    """CloudEvents, one a line; `.gz` is compressed, the same bytes each time. Returns how many."""
    count = 0
    lines = []
    for event in events:
        lines.append(json.dumps(event, separators=(",", ":")))
        count += 1
    text = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(text, 6, mtime=0) if path.suffix == ".gz" else text)
    return count
