"""Any request that the published document allows, and many that it does not: none of them finds a fault of ours."""

import json
import time
from collections import Counter
from datetime import UTC, datetime

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw import serve
from schemathesis.generation import GenerationMode

from lockstep.adapters.http.operations import all_operations

EXAMPLES = 8
"""Requests of an operation, of each kind."""
AS_WRITTEN, OTHERWISE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
CASES = [
    pytest.param(operation.method, operation.path, mode, id=f"{operation.method} {operation.path}: {mode.value}")
    for operation in all_operations()
    if operation.path != "/v1/openapi.json"  # which is asked for the document itself
    for mode in (AS_WRITTEN, OTHERWISE)
    # Where nothing is said, nothing can be said otherwise.
    if mode is AS_WRITTEN or "{" in operation.path or operation.parameters or operation.query or operation.form
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(a service in a process of its own, ids of an alert that fires and of a silence, statuses of answers)."""
    service = serve(tmp_path_factory.mktemp("any"))
    try:
        moment = datetime.now(UTC).isoformat()
        event = {"id": "1", "source": "/s", "type": "stock.level", "time": moment, "data": {"sku": "A", "available": 3}}
        assert _ask(service, "POST", "/v1/events", event).status == 202
        alerts = []
        while not alerts:
            alerts = _ask(service, "GET", "/v1/alerts").json["alerts"]
            time.sleep(0.02)
        silence = {"matchers": ["sku=Z"], "for": "1h", "comment": "nothing"}
        made = _ask(service, "POST", "/v1/silences", silence)
        assert made.status == 200, made.body
        statuses = Counter()
        yield service, {"alerts": alerts[0]["alert_id"], "silences": made.json["silence"]["id"]}, statuses
    finally:
        assert service.stop() == 0
    broken = [line for line in service.lines() if line.get("level") in ("error", "critical")]
    assert broken == []
    if statuses.total() > 300:  # all of them were run: requests that can be taken are among them, and others
        assert min(statuses[200], statuses[400], statuses[404]) > 10


def _ask(service, method, path, body=None):
    raw = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
    if path == "/v1/events" and method == "POST":
        head = head.replace("application/json", "application/cloudevents+json")
    return service.ask(f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)[0]


@pytest.fixture(scope="module")
def document(served):
    service, *_ = served
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{service.port}/v1/openapi.json")
    return {
        (operation.method.upper(), operation.path): operation
        for operation in (result.ok() for result in schema.get_all_operations())
    }


@pytest.mark.parametrize(("method", "path", "mode"), CASES)
def test_no_request_breaks_the_service(served, document, method, path, mode):
    """Every answer says what is wrong with the request where something is; also for an alert that is there."""
    _, known, statuses = served
    requests = document[method, path].as_strategy(generation_mode=mode)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[*HealthCheck],
    )
    @given(request=requests, is_known=st.booleans())
    def asked(request, is_known):
        if "id" in request.path_parameters and is_known:
            request.path_parameters["id"] = known.get(path.split("/")[2], "x")
        if "wait" in (request.query or {}):
            request.query["wait"] = 0  # it would be waited for
        answer = request.call()
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.headers["content-type"][0].startswith("application/problem+json")
            assert answer.json()["detail"] == answer.json()["error"]

    asked()
