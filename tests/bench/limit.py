"""Fetching and decoding a backlog and nothing else, with the service's own parts.

`python -m tests.bench.limit URL RULES` prints the CPU per event in µs.
No service that decodes its events in Python can be faster.
"""

import asyncio
import sys
import time
from pathlib import Path

from tests.bench.brokers import connected, settings_for

from lockstep.event import Decoder
from lockstep.measure.meter import wanted_fields
from lockstep.rule.condition.kinds import series_of_condition
from lockstep.rule.language.load import load_texts


async def limit_us(url: str, rules: str) -> float:
    plan = load_texts({"bench.yml": rules}).plan
    assert plan is not None
    decoder = Decoder(wanted_fields(s for rule in plan.rules for s in series_of_condition(rule.condition)))
    settings = settings_for(url)
    async with connected(settings) as broker:
        bounds = {topic: await broker.bounds(topic) for topic in settings.topics.values()}
        count, began = 0, time.process_time()
        for topic, partitions in bounds.items():
            for partition, (earliest, end) in partitions.items():
                async for batch in broker.read(topic, partition, earliest, end):
                    decoder.decode(batch.values)
                    count += len(batch)
        return (time.process_time() - began) / count * 1e6


if __name__ == "__main__":
    print(asyncio.run(limit_us(sys.argv[1], Path(sys.argv[2]).read_text())))
