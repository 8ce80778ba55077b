"""How long the server waits for a body."""

import asyncio
import json

import pytest
from aiohttp import web

from lockstep.adapters.http.body import read_body
from lockstep.adapters.http.protocol import Server
from lockstep.adapters.http.refusal import Refusal

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"


async def _answered(head: bytes, body: bytes) -> tuple[int, dict[str, str]]:
    """(status, body) of what comes back to a head and, once it is asked for, a body."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        try:
            await read_body(request, most=100, within_s=0.05)
        except Refusal as refusal:
            return refusal.response()
        return web.json_response({})

    runner = web.ServerRunner(Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0])
    try:
        writer.write(head)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(body)
        async with asyncio.timeout(20):
            top = await reader.readuntil(b"\r\n\r\n")
            said = await reader.readuntil(b"}")
    finally:
        writer.close()
        await writer.wait_closed()
        await runner.cleanup()
    return int(top.split()[1]), json.loads(said)


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        pytest.param(b"Content-Length: 50", b"{", id="the rest never comes"),
        pytest.param(b"Content-Length: 50", b"", id="nothing comes"),
        pytest.param(b"Transfer-Encoding: chunked", b"5\r\nabcde\r\n", id="its last chunk never comes"),
        pytest.param(b"Transfer-Encoding: chunked", b"5\r\nabc\r\nzz\r\n", id="chunks that are none"),
    ],
)
async def test_a_body_that_never_comes_whole_is_refused_in_the_end(framing: bytes, body: bytes) -> None:
    """Nobody holds a connection and its memory for as long as they like, and who sends nonsense hears of it."""
    status, said = await _answered(HEAD + framing + b"\r\n\r\n", body)
    assert status == 408
    assert said["error"].startswith("the body has not come whole within 0.05 s: ")
