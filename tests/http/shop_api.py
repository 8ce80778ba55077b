"""A real service whose API is asked, and an alert that fires there."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import jsonschema
from test_server import CLOUDEVENT, _stock, until

from lockstep.adapters.http.operations import openapi
from lockstep.app import Service

DOCUMENT = openapi()


def valid(body, name):
    """The body, which is as the published document says."""
    jsonschema.validate(body, {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})
    return body


class Shop:
    """A service, who asks it, and the first alert that fires there."""

    def __init__(self, base, session, service):
        self.base, self.session, self.service = base, session, service
        self.alert = {}

    async def get(self, path, *, status=200, **query):
        async with self.session.get(f"{self.base}{path}", params=query) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def ask(self, method, path, body=None, *, status=200, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, f"{self.base}{path}", json=body, headers=headers) as answer:
            said = await answer.json()
            assert answer.status == status, said
            return said

    async def fire(self, *skus):
        """Stock of these runs low."""
        for sku in skus:
            body = _stock(f"{sku}-low", 5, sku=sku)
            async with self.session.post(f"{self.base}/v1/events", json=body, headers=CLOUDEVENT) as answer:
                assert answer.status == 202

        async def fires():
            alerts = (await self.get("/v1/alerts"))["alerts"]
            return len(alerts) >= len(skus) and alerts

        self.alert = (await until(fires))[0]


@asynccontextmanager
async def running_shop(settings):
    """The shop of a real service with these settings, which is ready."""
    service, stop = Service(settings, environ={}), asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    await until(lambda: asyncio.sleep(0, service.judging.runtime is not None and service.judging.status().ready))
    async with aiohttp.ClientSession() as session:
        yield Shop(f"http://127.0.0.1:{service.http.port}", session, service)
    stop.set()
    assert await running == 0
