"""A real service whose API is asked."""

import asyncio

import aiohttp
import pytest
from shop_api import Shop
from test_server import _settings, until

from lockstep.app import Service


@pytest.fixture
async def shop(tmp_path):
    service, stop = Service(_settings(tmp_path), environ={}), asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    await until(lambda: asyncio.sleep(0, service.judging.runtime is not None and service.judging.status().ready))
    async with aiohttp.ClientSession() as session:
        yield Shop(f"http://127.0.0.1:{service.http.port}", session, service)
    stop.set()
    assert await running == 0
