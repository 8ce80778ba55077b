"""A service that is asked to stop while deliveries are under way."""

import asyncio
import gc

from aiohttp import web
from channel_peers import HttpPeer, http_server
from test_promotion_hooks_by_http import running, stock, until

ROUTING = """\
teams: {{operations: [planner]}}
receivers:
  planner: {{webhook: {{url: "{url}/planner", secret: {{secret: HOOK}}}}}}
"""


async def test_a_delivery_that_ends_while_the_service_stops_ends_well(tmp_path):
    """It is waited for, it counts as delivered at the next start, and no task ends with an error that nobody reads."""
    arrived, answered = asyncio.Event(), asyncio.Event()

    async def behave(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await answered.wait()
        return web.Response(status=204)

    async def answer_when_it_ends(service) -> None:
        await until(lambda: service.judging.runtime is None)
        answered.set()

    faults: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["message"]))
    peer = HttpPeer(behave)
    async with http_server(peer) as url:
        async with running(tmp_path, ROUTING.format(url=url)) as service:
            await stock(service, 5)
            async with asyncio.timeout(60):
                await arrived.wait()
            answering = asyncio.create_task(answer_when_it_ends(service))
        await answering
        gc.collect()
        assert faults == []
        assert len(peer.requests) == 1
        async with running(tmp_path, ROUTING.format(url=url)) as service:
            await stock(service, 50)  # its end goes out after whatever was left of its beginning
            await until(lambda: len(peer.requests) >= 2)
        assert len(peer.requests) == 2
