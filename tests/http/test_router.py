"""Paths of several owners, with parts that have any value."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from lockstep.adapters.http.openapi import Operation, answer, answers
from lockstep.adapters.http.router import Router


class Alerts:
    @answers(Operation("GET", "/v1/alerts/{id}", "One", {200: answer("It")}))
    async def _one(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="one")

    @answers(Operation("GET", "/v1/alerts/preview", "Another", {200: answer("It")}))
    async def _preview(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="preview")


class Notes:
    @answers(Operation("POST", "/v1/alerts/{id}/notes/{number}", "A note", {200: answer("It")}, is_open=True))
    async def _note(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="note")

    @answers(Operation("POST", "/v1/alerts/{id}", "Change it", {200: answer("It")}))
    async def _change(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="change")


@pytest.mark.parametrize(
    ("method", "path", "handler", "values"),
    [
        pytest.param("GET", "/v1/alerts/a1", "_one", {"id": "a1"}, id="any value"),
        pytest.param("HEAD", "/v1/alerts/a1", "_one", {"id": "a1"}, id="HEAD is asked as GET"),
        pytest.param("POST", "/v1/alerts/a1", "_change", {"id": "a1"}, id="another owner, the same path"),
        pytest.param("GET", "/v1/alerts/preview", "_preview", {}, id="one that is written out wins"),
        pytest.param("POST", "/v1/alerts/a/notes/7", "_note", {"id": "a", "number": "7"}, id="two values"),
        pytest.param("GET", "/v1/alerts/a%2Fb%20c", "_one", {"id": "a/b c"}, id="a slash within a value"),
        pytest.param("GET", "/v1/alerts/%C3%BC", "_one", {"id": "ü"}, id="another alphabet"),
        pytest.param("PUT", "/v1/alerts/a1", None, {"id": "a1"}, id="another method"),
        pytest.param("GET", "/v1/alerts/", None, None, id="an empty value is none"),
        pytest.param("GET", "/v1/alerts/a/b", None, None, id="more parts"),
        pytest.param("GET", "/v2/alerts/a", None, None, id="another path"),
    ],
)
def test_who_answers_a_path(method, path, handler, values):
    route = Router([Alerts(), Notes()]).find(make_mocked_request(method, path))
    if values is None:
        assert route is None
        return
    assert route is not None
    answering = route.take(method)
    assert (None if answering is None else answering[1].__name__, route.values) == (handler, values)


def test_what_a_path_takes_is_said():
    """As the header `Allow` has it, of all owners."""
    route = Router([Alerts(), Notes()]).find(make_mocked_request("PUT", "/v1/alerts/a1"))
    assert route is not None
    assert (route.allowed, route.is_open) == ("GET, HEAD, POST", False)


def test_one_operation_has_one_owner():
    with pytest.raises(ValueError, match=r"GET /v1/alerts/\{id\} is declared twice"):
        Router([Alerts(), Alerts()])
