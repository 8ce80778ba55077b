"""Rules that are edited while the service runs."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from kafka_for_tests import Broker, held_ports

from lockstep.app import Service, utc_now
from lockstep.notify.self_alerts import BEHIND
from lockstep.settings import load_settings
from lockstep.tools.explain_command import shown
from lockstep.tools.terminal import Terminal

MEASURE = "measures:\n  stock: {last: available, of: stock.level}\n"
LOW = MEASURE + "rules:\n  - {name: LowStock, by: [sku], threshold: {measure: stock, at_most: 20}}\n"


class Running:
    """A service on a file, asked as its users would."""

    def __init__(self, folder, session, **settings):
        self.rules, self.session = folder / "rules", session
        self.rules.mkdir(parents=True, exist_ok=True)
        given = {"broker": f"sqlite:///{folder}/shop.db", "lateness": 0, **settings}
        self.settings = load_settings(rules=self.rules, http_port=0, **given)
        self.sent, self.environ = 0, {}

    async def __aenter__(self):
        self.service, self.stop = Service(self.settings, environ=self.environ), asyncio.Event()
        self.task = asyncio.create_task(self.service.run(self.stop))
        await self.until(self.ready)
        return self

    async def __aexit__(self, *_):
        self.stop.set()
        assert await self.task == 0

    @property
    def port(self):
        return self.service.http.port

    async def until(self, fact):
        async with asyncio.timeout(60):
            while not (found := await fact()):
                await asyncio.sleep(0.02)
            return found

    async def ask(self, path, method="get"):
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(method, url) as answer:
            return answer.status, await answer.json()

    async def ready(self):
        try:
            return (await self.ask("/readyz"))[0] == 200
        except aiohttp.ClientError:
            return False

    async def send(self, sku, available, *, ago_s=0):
        self.sent += 1
        time = (utc_now() - timedelta(seconds=ago_s)).isoformat()
        event = {
            "specversion": "1.0",
            "id": f"{self.rules}{self.sent}",
            "source": "/t",
            "type": "stock.level",
            "time": time,
        }
        body = {**event, "data": {"sku": sku, "available": available}}
        url = f"http://127.0.0.1:{self.port}/v1/events"
        headers = {"Content-Type": "application/cloudevents+json"}
        async with self.session.post(url, json=body, headers=headers) as answer:
            assert answer.status == 202, await answer.text()

    async def alerts(self):
        found = (await self.ask("/v1/alerts?state=firing"))[1]["alerts"]
        # What is sent is minutes old, which is told where a test takes long.
        return sorted(
            (a["rule"], a["labels"].get("sku") or a["labels"].get("file")) for a in found if a["rule"] != BEHIND
        )

    async def firing(self, *expected):
        async def there():
            return await self.alerts() == sorted(expected)

        await self.until(there)


class Apart(Running):
    """The same in a process of its own."""

    port = 0

    async def __aenter__(self):
        (self.port,) = held_ports(1)
        s = self.settings
        environ = {**os.environ, "LOCKSTEP_HTTP_PORT": str(self.port), "LOCKSTEP_RULES": str(self.rules)}
        environ |= {"LOCKSTEP_BROKER": s.broker, "LOCKSTEP_LATENESS": "0", "LOCKSTEP_IDLE_AFTER": str(s.idle_after)}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "lockstep", "serve", env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        await self.until(self.ready)
        return self

    async def __aexit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        assert await self.process.wait() == 0


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as opened:
        yield opened


async def test_an_edit_is_in_force_without_a_restart(tmp_path, session):
    """Saved, taken, said in words; a bad save leaves the last good version and tells whoever looks after rules."""
    running = Running(tmp_path, session)
    (running.rules / "stock.yml").write_text(LOW)
    async with running as r:
        await r.send("A", 15, ago_s=300)
        await r.send("B", 23, ago_s=299)
        await r.firing(("LowStock", "A"))
        (r.rules / "stock.yml").write_text(LOW.replace("20", "25"))

        async def changed():
            return (await r.ask("/v1/rules"))[1]["since"]

        await r.until(changed)
        await r.until(r.ready)
        await r.send("C", 50)  # time goes on, beyond the border
        await r.firing(("LowStock", "A"), ("LowStock", "B"))

        (r.rules / "stock.yml").write_text(LOW.replace("at_most", "at_mst"))
        await r.firing(("LowStock", "A"), ("LowStock", "B"), ("RuleFileRefused", "stock.yml"))
        status, told = await r.ask("/v1/rules/reload", "post")
        assert status == 422
        assert told["changes"] == []
        assert [(f["name"], f["state"]) for f in told["files"]] == [("stock.yml", "refused")]
        assert "did you mean 'at_most'" in told["files"][0]["faults"][0]
    async with running as r:  # a restart with the bad folder goes on with the good version
        await r.firing(("LowStock", "A"), ("LowStock", "B"), ("RuleFileRefused", "stock.yml"))
        (r.rules / "stock.yml").write_text(LOW.replace("20", "25").replace("LowStock", "Low"))

        async def mended():
            return ("RuleFileRefused", "stock.yml") not in await r.alerts()

        await r.until(mended)
        await r.until(r.ready)
        assert [x["name"] for x in (await r.ask("/v1/rules"))[1]["rules"]] == ["Low"]


async def test_a_file_that_was_mended_while_nobody_watched(tmp_path, session):
    """The alert of the last run is over at the next start, and stays while the folder is still bad."""
    running = Running(tmp_path, session)
    stock = running.rules / "stock.yml"
    stock.write_text(LOW)
    refused = ("RuleFileRefused", "stock.yml")
    async with running as r:
        stock.write_text(LOW.replace("at_most", "at_mst"))
        await r.firing(refused)
    async with running as r:
        await r.firing(refused)
    stock.write_text(LOW)
    async with running as r:
        await r.firing()
        assert [f["state"] for f in (await r.ask("/v1/rules"))[1]["files"]] == ["in force"]


async def test_a_refused_file_is_explained(tmp_path, session, capsys):
    """By its name, by the ids of its messages, for programs and for people, while it is refused and after."""
    running = Running(tmp_path, session)
    stock = running.rules / "stock.yml"
    stock.write_text(LOW.replace("name: LowStock", "name: LowStock, owner: Ann"))
    console = Terminal(width=200)

    async def explained(what, status=200):
        found, body = await running.ask(f"/v1/explain?what={what}")
        assert found == status, body
        return body

    async with running as r:
        assert (await explained("RuleFileRefused"))["explanations"] == []
        stock.write_text(LOW.replace("at_most", "at_mst"))
        await r.firing(("RuleFileRefused", "stock.yml"))
        body = await explained("RuleFileRefused")
        (found,) = body["explanations"]
        assert found["why"].startswith("stock.yml is refused since ")
        assert found["why"].endswith(
            "; in force instead: its last good version, from the first start on, with LowStock"
        )
        assert (found["owners"], found["teams"]) == (["Ann"], ["marketing", "operations"])
        assert [f.partition("rules/")[2] for f in found["faults"]] == [
            "stock.yml:4:61: rule 'LowStock': unknown key 'at_mst'; did you mean 'at_most'? [LS110]"
        ]
        for part in shown(body, r.settings.zone):
            console.print(part)
        said = capsys.readouterr().out
        assert "what is wrong, and the way out:" in said
        assert "did you mean 'at_most'? [LS110]" in said
        assert "no rule file that is asked for is refused" in next(
            iter(shown({**body, "explanations": []}, r.settings.zone))
        )
        ids = [found["alert_id"], found["told"][0]["episode_id"], found["told"][0]["transition_id"]]
        for what in ids:
            assert await explained(what) == body
        assert (await explained("RuleFileRefused&label=file=other.yml"))["explanations"] == []
        assert "is not by 'sku'" in (await explained("RuleFileRefused&label=sku=A", 404))["error"]
        stock.write_text(LOW)
        await r.firing()
        for what in ids:
            assert "stock.yml is refused no more: it was from" in (await explained(what))["explanations"][0]["why"]


async def test_the_only_file_is_emptied_and_mended(tmp_path, session):
    """Broken, then saved empty, then removed: shown as refused all the while, with the last good rules in force."""
    running = Running(tmp_path, session)
    stock = running.rules / "stock.yml"
    stock.write_text(LOW)
    refused = ("RuleFileRefused", "stock.yml")

    async def shown(words):
        async def there():
            told = (await running.ask("/v1/rules"))[1]
            assert [x["name"] for x in told["rules"]] == ["LowStock"]
            file = told["files"][0]
            return file["state"] == "refused" and words in file["faults"][0]

        await running.until(there)
        await running.firing(refused)

    async with running as r:
        stock.write_text(LOW.replace("at_most", "at_mst"))
        await shown("did you mean 'at_most'")
        stock.write_text("")
        await shown("stock.yml:1:1: no rule is left in it, and no other file has one; write a rule")
        assert (await r.ask("/v1/rules/reload", "post"))[0] == 422
        stock.unlink()
        await shown("it was removed, and no other file has one")
        async with r.session.get(f"http://127.0.0.1:{r.port}/metrics") as answer:
            assert "lockstep_rule_files_refused 1.0" in await answer.text()
        stock.write_text(LOW)
        await r.firing()


@pytest.fixture
async def hook():
    """A webhook receiver; what it was told, and its address."""
    told = []

    async def receive(request):
        body = (await request.json())["data"]
        if body["rule"] != BEHIND:  # what is sent is minutes old
            told.append((body["rule"], body["state"], *body["labels"].values()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield told, f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def test_people_are_told_after_an_edit_as_before_it(tmp_path, session, hook):
    """The switch ends deliveries cleanly and begins them again; a refused file is told to the teams, not only shown."""
    told, url = hook
    running = Running(tmp_path, session)
    running.environ = {"LOCKSTEP_SECRET_HOOK": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    (running.rules / "stock.yml").write_text(LOW)
    (running.rules / "routing.yml").write_text(
        f'teams: {{operations: [hook]}}\nreceivers: {{hook: {{webhook: {{url: "{url}", secret: {{secret: HOOK}}}}}}}}\n'
    )

    async def heard(*expected):
        async def there():
            return sorted(told) == sorted(expected)

        await running.until(there)

    async with running as r:
        await r.send("A", 15, ago_s=300)
        first = ("LowStock", "firing", "A")
        await heard(first)
        (r.rules / "stock.yml").write_text(LOW.replace("20", "25"))

        async def changed():
            return (await r.ask("/v1/rules"))[1]["since"]

        await r.until(changed)
        await r.until(r.ready)
        await r.send("B", 24)
        second = ("LowStock", "firing", "B")
        await heard(first, second)

        (r.rules / "stock.yml").write_text(LOW.replace("at_most", "at_mst"))
        await heard(first, second, ("RuleFileRefused", "firing", "stock.yml"))


@pytest.mark.kafka
async def test_all_workers_switch_at_one_event_time(tmp_path, session, kafka_libs):
    """One folder is edited; both workers take the same version from the topic, and an alert lives through it."""
    kafka = Broker(tmp_path / "kafka", libs=kafka_libs)
    await asyncio.to_thread(kafka.start)
    await asyncio.to_thread(kafka.wait_ready)
    given = {"broker": f"kafka://{kafka.address}", "idle_after": 1}
    workers = [Apart(tmp_path / name, session, **given) for name in ("one", "two")]
    try:
        for worker in workers:
            (worker.rules / "stock.yml").write_text(LOW)
        async with workers[0] as one, workers[1] as two:
            for sku in "ABCDEF":
                await one.send(sku, 15 if sku == "A" else 23, ago_s=120)
            await one.firing(("LowStock", "A"))
            (before,) = (await one.ask("/v1/alerts?rule=LowStock"))[1]["alerts"]
            (one.rules / "stock.yml").write_text(LOW.replace("20", "25"))

            async def agreed():
                told = [(await w.ask("/v1/rules"))[1] for w in (one, two)]
                return told[0]["since"] is not None and told[0]["version"] == told[1]["version"] and told

            told = await one.until(agreed)
            assert told[0]["since"] == told[1]["since"]
            await one.until(one.ready)
            await two.until(two.ready)
            for sku in "ABCDEF":  # time goes on, beyond the border
                await two.send(sku, 15 if sku == "A" else 23)
            for worker in (one, two):
                await worker.firing(*(("LowStock", sku) for sku in "ABCDEF"))
            alerts = (await one.ask("/v1/alerts?rule=LowStock"))[1]["alerts"]
            since = {a["labels"]["sku"]: a["since"] for a in alerts}
            assert {since[sku] for sku in "BCDEF"} == {told[0]["since"]}
            assert before["episode_id"] in [a["episode_id"] for a in alerts if a["labels"]["sku"] == "A"]
    finally:
        kafka.kill()


@pytest.mark.kafka
async def test_a_good_worker_leaves_what_another_refuses(tmp_path, session, kafka_libs):
    """One restarts with a good folder while the other's is bad: one alert, which ends when that is mended, too."""
    kafka = Broker(tmp_path / "kafka", libs=kafka_libs)
    await asyncio.to_thread(kafka.start)
    await asyncio.to_thread(kafka.wait_ready)
    given = {"broker": f"kafka://{kafka.address}", "idle_after": 1}
    workers = [Apart(tmp_path / name, session, **given) for name in ("one", "two")]
    refused = ("RuleFileRefused", "stock.yml")
    try:
        for worker in workers:
            (worker.rules / "stock.yml").write_text(LOW)
        async with workers[1] as two:
            async with workers[0]:
                (two.rules / "stock.yml").write_text(LOW.replace("at_most", "at_mst"))
                await two.firing(refused)
                (alert,) = (await two.ask("/v1/alerts?rule=RuleFileRefused"))[1]["alerts"]
            async with workers[0] as one:
                await one.firing(refused)
                assert (await one.ask("/v1/rules"))[1]["files"][0]["state"] == "in force"
                assert (await one.ask("/v1/alerts?rule=RuleFileRefused"))[1]["alerts"] == [alert]
                (two.rules / "stock.yml").write_text(LOW)
                async with asyncio.timeout(120):  # each worker follows the alerts by itself
                    while await one.alerts() or await two.alerts():
                        await asyncio.sleep(1)
    finally:
        kafka.kill()


async def test_a_signal_reloads(tmp_path):
    """SIGHUP is what people send to daemons."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "stock.yml").write_text(LOW)
    environ = {**os.environ, "LOCKSTEP_HTTP_PORT": "0", "LOCKSTEP_LOG_FORMAT": "json"}
    command = [
        sys.executable,
        "-m",
        "lockstep",
        "serve",
        "--rules",
        str(rules),
        "--broker",
        f"sqlite:///{tmp_path}/a.db",
    ]
    process = await asyncio.create_subprocess_exec(
        *command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(60):
            await _line(process, '"serving"')
            (rules / "stock.yml").write_text(LOW.replace("20", "30"))
            process.send_signal(signal.SIGHUP)
            assert json.loads(await _line(process, "rule changed"))["change"] == "LowStock: at_most 20 → 30"
            await _line(process, '"serving"')
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert process.returncode == 0


async def _line(process, words):
    while line := (await process.stdout.readline()).decode():
        if words in line:
            return line
    raise AssertionError(f"never said: {words}")


async def test_a_calendar_that_is_fetched_says_who_is_on_call(session, tmp_path):
    """A running service has it within seconds, in a version of its rules; alerts go on over that."""
    answers = {"text": "no calendar"}

    async def calendar(_: web.Request) -> web.Response:
        return web.Response(**answers)

    app = web.Application()
    app.router.add_get("/shift.ics", calendar)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    event = "UID:1\r\nDTSTART:20200101T000000Z\r\nDTEND:20400101T000000Z\r\nSUMMARY:anna"
    answers["text"] = f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    running = Running(tmp_path, session)
    (running.rules / "stock.yml").write_text(LOW)
    (running.rules / "routing.yml").write_text(
        "teams: {operations: ['oncall:day'], marketing: [anna]}\n"
        "receivers: {anna: {webhook: {url: 'http://127.0.0.1:1/h', secret: {secret: HOOK}}}}\n"
        f"schedules: {{day: {{zone: UTC, ical: 'http://127.0.0.1:{port}/shift.ics'}}}}\n"
    )
    try:
        async with running:
            await running.send("A-1", 5)
            await running.firing(("LowStock", "A-1"))

            async def on_call():
                status, said = await running.ask("/v1/oncall?days=0")
                return status == 200 and said["schedules"][0]["who"] == "anna"

            await running.until(on_call)
            await running.until(running.ready)
            await running.firing(("LowStock", "A-1"))
    finally:
        await runner.cleanup()


SPIKE = """
measures: {orders: {count: order.placed}}
rules:
  - name: Spike
    spike: {measure: orders, window: 1h, baseline: {same_time_of_week: 4}, above: 2x, at_least: 20, usual_at_least: 5}
"""


async def test_a_campaign_that_an_event_announces_is_in_the_rules(tmp_path, session):
    """A running service takes it over in a version of its rules, which outlasts a restart; alerts go on over that."""
    running = Running(tmp_path, session, idle_after=1)
    (running.rules / "stock.yml").write_text(LOW)
    (running.rules / "orders.yml").write_text(SPIKE)
    (running.rules / "shop.yml").write_text("currency: EUR\n")

    async def says(kind, ago_s, **data):
        running.sent += 1
        time = (utc_now() - timedelta(seconds=ago_s)).isoformat()
        event = {"specversion": "1.0", "id": f"p{running.sent}", "source": "/t", "type": kind, "time": time}
        headers = {"Content-Type": "application/cloudevents+json"}
        url = f"http://127.0.0.1:{running.port}/v1/events"
        async with session.post(url, json={**event, "data": data}, headers=headers) as answer:
            assert answer.status == 202, await answer.text()

    async def knows_it():
        _, said = await running.ask("/v1/rules")
        return any(file["name"] == "announced-campaigns.json" for file in said["files"])

    async with running:
        await running.send("A", 5, ago_s=7300)
        first, last = (f"{utc_now() + timedelta(days=n):%F}" for n in (30, 31))
        days = {"starts": f"{first}T00:00:00Z", "ends": f"{last}T23:59:59Z"}
        await says("campaign.planned", 7200, campaign="SALE", skus=["A"], **days)
        await running.firing(("LowStock", "A"))
        assert not await knows_it()
        await running.send("B", 50)
        await says("capacity.declared", 1, **days, orders_per_day=400)  # event time of the topic goes on
        await running.until(knows_it)
        await running.until(running.ready)
        await running.firing(("LowStock", "A"))
    async with running:
        assert await knows_it()
        (version,) = [rule for rule in (await running.ask("/v1/rules"))[1]["rules"] if rule["name"] == "Spike"]
        assert version["since"] is not None
        await running.firing(("LowStock", "A"))
