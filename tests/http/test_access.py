"""Who may ask what: named tokens with their roles, on a real service."""

import asyncio

import aiohttp
import pytest
from pydantic import SecretStr
from test_server import CLOUDEVENT, _settings, _stock, until

from lockstep.adapters.http.access import Access
from lockstep.adapters.http.caller import Caller, Role
from lockstep.adapters.http.openapi import operations_of
from lockstep.adapters.http.operations import OWNERS
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.token_book import TokenBook
from lockstep.app import Service, utc_now
from lockstep.settings import Settings


@pytest.fixture
async def served(tmp_path):
    """(base URL, session, the service)."""
    service, stop = Service(_settings(tmp_path, api_token=SecretStr("s3cret")), environ={}), asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    await until(lambda: asyncio.sleep(0, service.judging.runtime is not None and service.judging.status().ready))
    async with aiohttp.ClientSession() as session:
        yield f"http://127.0.0.1:{service.http.port}", session, service
    stop.set()
    assert await running == 0


async def test_each_role_may_do_what_is_declared(served):
    """A viewer reads and changes nothing; each operation is refused to the role below its own, in words."""
    base, session, service = served
    tokens = {
        role: await service.tokens.add(role.title, role.title, by="ops", at=utc_now())
        for role in Role
        if role is not Role.NOBODY
    }
    assert [token.name for token in service.tokens.tokens()] != []
    await until(lambda: asyncio.sleep(0, len(service.tokens.tokens()) == 4))
    asked = 0
    for operation in (o for owner in OWNERS for o in operations_of(owner).values()):
        if operation.is_open or operation.role is Role.VIEWER:
            continue
        lower = Role(operation.role - 1)
        path = operation.path.replace("{", "").replace("}", "")
        headers = {"Authorization": f"Bearer {tokens[lower]}"}
        async with session.request(operation.method, base + path, headers=headers) as answer:
            body = await answer.json()
            assert answer.status == 403, path
            assert answer.headers["WWW-Authenticate"].startswith('Bearer error="insufficient_scope"')
            assert f"{lower.title} is {lower.title}, and this takes {operation.role.title}" in body["detail"]
        headers = {"Authorization": f"Bearer {tokens[operation.role]}"}
        async with session.request(operation.method, base + path, headers=headers) as answer:
            assert answer.status != 403, path
        asked += 1
    assert asked >= 2
    for role, token in tokens.items():
        headers = {"Authorization": f"Bearer {token}", **CLOUDEVENT}
        async with session.get(f"{base}/v1/alerts", headers=headers) as answer:
            assert answer.status == 200
        async with session.post(f"{base}/v1/events", json=_stock(1, 50), headers=headers) as answer:
            assert answer.status == (202 if role >= Role.EDITOR else 403)


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8480", 200), ("127.0.0.1", 200), ("[::1]:8480", 200), ("shop.example", 401), ("127.0.0.1.evil", 401)],
)
async def test_without_a_token_only_this_machine_is_answered(shop, host, status):
    """A proxy passes on by which name it was asked; a foreign page whose name leads here is asked by its own."""
    said = {"Host": host}
    async with shop.session.get(f"{shop.base}/v1/alerts", headers=said) as answer:
        assert answer.status == status
    async with shop.session.post(f"{shop.base}/v1/alerts/x/close", json={}, headers=said) as answer:
        assert answer.status == (404 if status == 200 else 401)
    async with shop.session.get(f"{shop.base}/healthz", headers=said) as answer:
        assert answer.status == 200


async def test_a_token_that_was_taken_back_is_refused(served):
    """At once on the worker itself, without a restart."""
    base, session, service = served
    token = await service.tokens.add("Anna", "viewer", by="ops", at=utc_now())
    headers = {"Authorization": f"bearer {token}"}

    async def status():
        async with session.get(f"{base}/v1/alerts", headers=headers) as answer:
            return answer.status

    async def is_taken():
        return await status() == 200

    await until(is_taken)
    await service.tokens.remove("Anna", by="ops", at=utc_now())

    async def is_refused():
        return await status() == 401

    await until(is_refused)


class _Broker:
    """Has no topics."""

    async def describe(self, topics):
        return {}


class _Request:
    def __init__(self, **headers):
        self.headers = headers


async def test_nobody_is_let_in_before_the_tokens_are_known():
    """A worker that starts does not know yet whether there are any: 503, unless the environment has the token."""
    book = TokenBook(_Broker())
    with pytest.raises(Refusal) as refused:
        Access(Settings(), book).caller(_Request(), None)
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
    admin = Access(Settings(api_token=SecretStr("s3cret")), book)
    assert admin.caller(_Request(Authorization="Bearer s3cret"), None) == Caller("admin", Role.ADMIN)
    with pytest.raises(Refusal) as refused:
        admin.caller(_Request(), None)
    assert refused.value.status == 401
    await book.refresh()
    assert Access(Settings(), book).caller(_Request(), None) == Caller("local", Role.ADMIN)
