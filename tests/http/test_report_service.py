"""From shop.yml to the receivers: a service that was down when its report was due sends it once, whatever restarts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientSession, web
from standardwebhooks import Webhook
from test_server import CLOUDEVENT, _stock, until

from lockstep.app import Service, utc_now
from lockstep.reports.report_body import report_in
from lockstep.settings import load_settings
from lockstep.tools.demo.stand_ins import HOST, mail_server

RULES = """\
measures:
  stock: {last: available, of: stock.level}
rules:
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, at_most: 20}
"""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def morning() -> tuple[str, datetime]:
    """A zone in which it is between eight and nine in the morning, and the clock there."""
    now = utc_now()
    east = (8 - now.hour + 12) % 24 - 12
    zone = f"Etc/GMT{-east:+d}" if east else "Etc/GMT"
    return zone, now.astimezone(ZoneInfo(zone))


@asynccontextmanager
async def endpoint(heard: dict[str, dict]) -> AsyncIterator[str]:
    """Somebody's webhook endpoint, which checks signatures; its address."""
    signer = Webhook(SECRET)

    async def hear(request: web.BaseRequest) -> web.Response:
        document = signer.verify(await request.text(), dict(request.headers))
        heard[request.headers["webhook-id"]] = document  # what is tried again after a stop has the same id
        return web.Response(status=204)

    runner = web.ServerRunner(web.Server(hear))
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    yield f"http://{HOST}:{runner.addresses[0][1]}/"
    await runner.cleanup()


@pytest.mark.parametrize("minutes", [3, 45], ids=["in time", "late, and it says so"])
async def test_a_report_that_was_due_while_the_service_was_down_is_sent_once(tmp_path, minutes):
    """To mail and webhook alike, with the same content; another start sends nothing more."""
    zone, local = morning()
    heard: dict[str, dict] = {}
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "stock.yml").write_text(RULES)
    async with endpoint(heard) as url, mail_server(tmp_path / "mails") as mailbox:
        (rules / "routing.yml").write_text(
            "teams: {marketing: [mail], operations: [mail, hook]}\n"
            "heartbeat: {to: hook, every: 1h}\n"
            "receivers:\n"
            "  mail: {email: {to: [both@shop.example]}}\n"
            f'  hook: {{webhook: {{url: "{url}", secret: {{secret: HOOK}}}}}}\n'
        )
        settings = load_settings(
            broker=f"sqlite:///{tmp_path}/shop.db",
            rules=rules,
            http_port=0,
            timezone=zone,
            smtp_host=HOST,
            smtp_port=mailbox.port,
            smtp_tls="none",
            smtp_from="Lockstep <lockstep@shop.example>",
        )

        def of(kind: str) -> list[dict]:
            return [document for document in heard.values() if document["type"].startswith(kind)]

        async def serve(time: datetime, fact: Callable[[Service], Awaitable[object]]) -> None:
            """A service whose report is due at a time of the day, until a fact."""
            (rules / "shop.yml").write_text(f'report: {{daily: "{time:%H:%M}"}}\n')
            service, stop = Service(settings, environ={"LOCKSTEP_SECRET_HOOK": SECRET}), asyncio.Event()
            running = asyncio.create_task(service.run(stop))
            await until(lambda: fact(service), 60)
            stop.set()
            assert await running == 0

        async def has_ticked(_: Service) -> bool:
            return bool(of("heartbeat"))  # decided in the same tick, and durable with it

        async def has_arrived(service: Service) -> bool:
            # On a Monday or a first of the month there are others, too.
            mails = [mail for mail in mailbox.mails if str(mail["X-Lockstep-Report"]).startswith("daily/")]
            return bool(of("report.daily") and mails and service.reports.ids("daily"))

        async def tells_of_alerts(service: Service) -> bool:
            if not service.http.port or not service.judging.status().ready:
                return False
            async with ClientSession() as session:
                where = f"http://{HOST}:{service.http.port}/v1/events"
                await session.post(where, json=_stock("low", 5, sku="A"), headers=CLOUDEVENT)
            return bool(of("alert"))

        await serve(local + timedelta(hours=9), has_ticked)
        assert of("report.daily") == []
        due = local - timedelta(minutes=minutes)
        await serve(due, has_arrived)
        await serve(due, tells_of_alerts)
    (document,) = of("report.daily")
    report = report_in(document)
    assert report is not None
    assert (document["type"], report.id) == ("report.daily", f"daily/{local.date()}")
    assert (report.late >= 44) == (minutes == 45)
    mails = {mail["Message-ID"]: mail for mail in mailbox.mails if mail["X-Lockstep-Report"] == report.id}
    (mail,) = mails.values()
    assert mail["Subject"] == report.title
    text = mail.get_body(("plain",)).get_content()
    assert text.replace("\r\n", "\n").strip() == document["markdown"].strip()
    assert report.title in mail.get_body(("html",)).get_content()
