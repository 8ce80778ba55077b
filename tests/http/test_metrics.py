"""What is counted is counted once, is there from the start, and is called as Prometheus expects."""

import asyncio
import json
import re
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import generate_latest
from ruamel.yaml import YAML
from test_server import CLOUDEVENT, RULES, _settings, _stock, until

from lockstep.adapters.metrics import Growth, Metrics
from lockstep.app import Service
from lockstep.errors import DELIVERY_REASONS
from lockstep.ports import Record

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
async def service(tmp_path):
    """A running service on a file; its rules are in `tmp_path/rules`."""
    running, stop = Service(_settings(tmp_path), environ={}), asyncio.Event()
    task = asyncio.create_task(running.run(stop))
    await until(lambda: asyncio.sleep(0, running.judging.runtime is not None and running.judging.status().ready))
    yield running
    stop.set()
    assert await task == 0


async def _series(service):
    """Every sample: `name{labels}` → value."""
    found = re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", (await service.collector.text()).decode(), re.MULTILINE)
    return {name: float(value) for name, value in found}


async def _counters(service):
    return {name: value for name, value in (await _series(service)).items() if re.match(r"lockstep_\w+_total\b", name)}


async def _post(service, *events):
    url = f"http://127.0.0.1:{service.http.port}/v1/events"
    async with aiohttp.ClientSession() as session:
        for event in events:
            async with session.post(url, json=event, headers=CLOUDEVENT) as answer:
                assert answer.status == 202


async def test_nothing_is_counted_again_after_an_edit_of_the_rules(service, tmp_path):
    """Events, duplicates, unknown ones, refused ones and transitions: an edit begins meters and judges anew."""
    await _post(service, _stock(1, 50), _stock(1, 50), _stock(2, 10))
    foreign, broken = json.dumps({**_stock(9, 1), "type": "cart.filled"}).encode(), b"{"
    await service.broker.publish([Record("inventory", value, b"A") for value in (foreign, broken)])

    async def counted():
        counters = await _counters(service)
        names = ("events", "events_duplicate", "events_unknown", "events_dead")
        found = [counters[f'lockstep_{name}_total{{topic="inventory"}}'] for name in names]
        return [*found, counters["lockstep_transitions_total"]] == [2, 1, 1, 1, 1]

    await until(counted)
    before = await _counters(service)
    for number in (15, 16):
        (tmp_path / "rules" / "stock.yml").write_text(RULES.replace("20", str(number)))
        await service.rules.reload()
        assert await _counters(service) == before

    await _post(service, _stock(3, 90), _stock(3, 90))

    async def further():
        now = await _counters(service)
        grown = {name: value - before[name] for name, value in now.items() if value != before[name]}
        return grown == {
            'lockstep_events_total{topic="inventory"}': 1,
            'lockstep_events_duplicate_total{topic="inventory"}': 1,
            'lockstep_http_events_total{outcome="accepted"}': 1,
            'lockstep_http_events_total{outcome="duplicate"}': 1,
            "lockstep_transitions_total": 1,
        }

    await until(further)


async def test_alerts_are_told_by_rule_severity_and_state(service):
    """What is firing is 1, and 0 when it is over."""
    series = 'lockstep_alerts{rule="LowStock",severity="warning",state="firing"}'
    assert series not in await _series(service)
    for number, available, expected in ((1, 5, 1), (2, 90, 0)):
        await _post(service, _stock(number, available))

        async def told(expected=expected):
            return (await _series(service)).get(series) == expected

        await until(told)


async def test_every_series_of_a_failure_is_there_from_the_start(service):
    """`increase(…) > 0` sees the first failure only where there was a 0 before."""
    series = await _series(service)
    wanted = [
        f'lockstep_{name}_total{{channel="{channel}",reason="{reason}"}}'
        for name in ("notifications_failed", "deliveries_dead")
        for channel in ("email", "slack", "webhook")
        for reason in DELIVERY_REASONS
    ]
    for topic in ("orders", "traffic", "inventory", "plans"):
        wanted += [f'lockstep_events_{name}_total{{topic="{topic}"}}' for name in ("dead", "duplicate", "unknown")]
    wanted += [f"lockstep_{name}_total" for name in ("events_late", "levels_older", "chunk_overlaps")]
    assert {name: series.get(name) for name in wanted} == dict.fromkeys(wanted, 0)


@pytest.mark.parametrize("topics", [1, 2_000])
async def test_all_else_goes_on_while_metrics_are_written(topics):
    """The event loop has a turn after each slice, and not after each metric: under load a turn is long, and one after
    each of forty made a second of some milliseconds' work. The text is the library's own."""
    metrics = Metrics(topics=[f"t{n}" for n in range(topics)], channels=["email"], alerts=list)
    written = asyncio.ensure_future(metrics.text())
    turns = 0
    while not written.done():
        await asyncio.sleep(0)
        turns += 1
    families = written.result().count(b"# TYPE")
    assert turns < families / 2
    assert topics == 1 or turns > 2
    assert _of_ours(written.result()) == _of_ours(generate_latest(metrics.registry))


def _of_ours(text):
    """The lines without those of the process, whose numbers have moved on meanwhile."""
    return [line for line in text.splitlines() if b"process_" not in line]


async def test_names_say_what_they_are(service):
    """A counter ends in _total, a number of something is no bare one, and the process tells of itself."""
    text = (await service.collector.text()).decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\w+)$", text, re.MULTILINE))
    assert {name for name, kind in kinds.items() if kind == "counter"} == {n for n in kinds if n.endswith("_total")}
    assert "process_resident_memory_bytes" in kinds
    assert not [line for line in text.splitlines() if re.match(r"# HELP .*\bever$", line)]


async def test_the_shipped_alerts_ask_for_metrics_that_there_are(service):
    """An alert on a name with a typo never fires."""
    names = set(re.findall(r"^# HELP (\S+)", (await service.collector.text()).decode(), re.MULTILINE))
    groups = YAML(typ="safe").load(DEPLOY / "alerts.yml")["groups"]
    asked = {name for group in groups for rule in group["rules"] for name in re.findall(r"lockstep_\w+", rule["expr"])}
    assert len(asked) > 4
    assert asked <= names


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        pytest.param([(0, 0), (3, 0), (3, 0), (5, 0)], [0, 3, 0, 2], id="one owner"),
        pytest.param(
            [(40, 40), (42, 40)], [0, 2], id="after a restart: what was counted before is not of this process"
        ),
        pytest.param(
            [(5, 0), (3, 3), (6, 3)], [5, 0, 1], id="what was not durable is counted again by its owner alone"
        ),
        pytest.param([(5, 0), (30, 30), (31, 30)], [5, 0, 1], id="another worker went on meanwhile"),
    ],
)
def test_a_total_becomes_what_it_grew_by(totals, expected):
    """Each total with the one that its owner began with."""
    growth = Growth()
    assert [growth.by("late", total, restored=restored) for total, restored in totals] == expected
