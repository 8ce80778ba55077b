"""The HTTP server and bytes that no client library would send: JSON answers, no 500, no stack trace in the log."""

import gzip
import json
import os
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw import serve

FACTOR = float(os.environ.get("LOCKSTEP_TEST_FACTOR", "1"))
TOKEN = "s3cret"
LIMIT = 1 << 20
AUTH = b"Authorization: Bearer s3cret"
JSON = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"
EVENT = json.dumps(
    {
        "id": "c1",
        "source": "/shop",
        "type": "stock.level",
        "time": "2024-11-26T09:00:00Z",
        "data": {"sku": "A-1", "available": 35},
    }
).encode()
DATA = b'"data": {"sku": "A-1", "available": 35}'
BATCH = b"Content-Type: application/cloudevents-batch+json"
STRUCTURED = b"Content-Type: application/cloudevents+json"
CE = [b"ce-id: other", b"ce-source: /other", b"ce-type: order.placed", b"ce-time: 2024-11-26T09:00:00Z"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One service for all, with a token; at its end nothing of it may have gone wrong."""
    service = serve(tmp_path_factory.mktemp("served"), token=TOKEN)
    yield service
    service.process.terminate()
    assert service.process.wait(60) == 0
    assert_calm(service)


def assert_calm(service):
    """No error, no stack trace."""
    text = service.log.read_text()
    assert "Traceback" not in text
    assert [line for line in service.lines() if line["level"] in ("error", "critical")] == []


def request(line=b"POST /v1/events HTTP/1.1", headers=(), body=None):
    head = [line, b"Host: x", b"Connection: close", *headers]
    if body is not None:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + (body or b"")


def get(path=b"/v1/alerts", *headers):
    return request(b"GET " + path + b" HTTP/1.1", headers)


def post(body, *headers):
    return request(headers=[AUTH, *(headers or [JSON])], body=body)


def post_head(*headers):
    """Of a POST without a token, whose body follows."""
    return request(headers=[JSON, *headers])


def padded(size):
    """The event with blanks, so many bytes in all."""
    return EVENT[:-1] + b" " * (size - len(EVENT)) + b"}"


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        pytest.param(get(b"/v1/alerts", b"Authorization: Bearer \xff"), 401, "Bearer", id="a token that is no text"),
        pytest.param(get(b"/v1/alerts", b"Authorization: bearer s3cret"), 200, "", id="a scheme in lower case"),
        pytest.param(get(b"/v1/alerts", b"Authorization: BEARER   s3cret"), 200, "", id="a scheme in capitals"),
        pytest.param(get(b"/v1/alerts", b"Authorization: s3cret"), 401, "Bearer TOKEN", id="no scheme"),
        pytest.param(get(b"/v1/alerts", b"Authorization: Basic s3cret"), 401, "Bearer TOKEN", id="another scheme"),
        pytest.param(get(b"/v1/alerts", b"Authorization:"), 401, "Bearer", id="an empty header"),
        pytest.param(get(), 401, "a Bearer token is needed", id="no token"),
        pytest.param(get(b"/nowhere", AUTH), 404, "no such path", id="no such path"),
        pytest.param(post(b"garbage", JSON, b"Content-Encoding: gzip"), 400, "is no gzip", id="gzip that is none"),
        pytest.param(
            post(gzip.compress(EVENT)[:-9], JSON, b"Content-Encoding: gzip"), 400, "before its gzip does", id="cut off"
        ),
        pytest.param(post(EVENT, JSON, b"Content-Encoding: deflate"), 400, "is no deflate", id="deflate that is none"),
        pytest.param(post(EVENT, JSON, b"Content-Encoding: br"), 415, "send gzip, deflate, identity", id="brotli"),
        pytest.param(post(EVENT, JSON, b"Content-Encoding: compress"), 415, "'compress' is not taken", id="unknown"),
        pytest.param(
            post(EVENT, JSON, b"Content-Encoding: gzip, gzip"), 415, "'gzip, gzip' is not taken", id="two encodings"
        ),
        pytest.param(post(EVENT, b"Content-Type: text/plain"), 415, '"error": "send one of', id="another type"),
        pytest.param(post(padded(LIMIT)), 202, "", id="1 MiB"),
        pytest.param(post(padded(LIMIT + 1)), 413, "1,048,576", id="1 MiB and 1"),
        pytest.param(post(padded(LIMIT + 2)), 413, "1,048,576", id="1 MiB and 2"),
        pytest.param(
            post(gzip.compress(padded(LIMIT + 1)), JSON, b"Content-Encoding: gzip"), 413, "unpacked", id="a bomb"
        ),
        pytest.param(post(gzip.compress(EVENT), JSON, b"Content-Encoding: gzip"), 202, "", id="gzip"),
        pytest.param(post(gzip.compress(EVENT), JSON, b"Content-Encoding: X-GZIP"), 202, "", id="gzip's older name"),
        pytest.param(
            post(gzip.compress(b"[") + gzip.compress(EVENT + b"]"), BATCH, b"Content-Encoding: gzip"),
            202,
            "",
            id="two files of gzip, one behind the other",
        ),
        pytest.param(post(zlib.compress(EVENT), JSON, b"Content-Encoding: deflate"), 202, "", id="deflate"),
        pytest.param(post(zlib.compress(EVENT)[2:-4], JSON, b"Content-Encoding: deflate"), 202, "", id="a bare stream"),
        pytest.param(post(EVENT, JSON, b"Content-Encoding: identity"), 202, "", id="identity"),
        pytest.param(post(b"\xef\xbb\xbf" + EVENT), 202, "", id="a byte order mark"),
        pytest.param(post(b"\xef\xbb\xbf[" + EVENT + b"]", BATCH), 202, "", id="a byte order mark before an array"),
        pytest.param(
            post(EVENT.replace(DATA, b'"data_base64": "e30="')), 400, "element 0: data: has to be JSON", id="base64"
        ),
        pytest.param(post(EVENT.replace(b"09:00:00Z", b"23:59:60Z")), 400, "a leap second", id="leap second"),
        pytest.param(post(EVENT, STRUCTURED, *CE), 202, "", id="a structured event wins over ce- headers"),
        pytest.param(post(b"[" + EVENT + b"]", BATCH, *CE), 202, "", id="a batch wins over ce- headers"),
        pytest.param(post(EVENT, JSON, *CE), 400, "data.order_id", id="binary mode by its ce- headers"),
        pytest.param(post(EVENT.replace(b"A-1", b"\xff")), 400, "invalid unicode", id="no UTF-8"),
        pytest.param(get(b"/v1/alerts?rule=" + b"a" * 9000, AUTH), 431, "8,190", id="a query that is too long"),
        pytest.param(get(b"/v1/alerts", b"X: " + b"a" * 9000), 431, "8,190", id="a header that is too long"),
        pytest.param(request(b"\x16\x03\x01\x00\xa5", []), 400, "no HTTP request", id="TLS on a plain port"),
        pytest.param(request(b"GET /v1/alerts HTTP/9.9", []), 400, "no HTTP request", id="a version of the future"),
        pytest.param(
            request(headers=[AUTH, JSON, b"Expect: 100-continue"], body=EVENT), 202, "", id="asks before it sends"
        ),
        pytest.param(request(headers=[AUTH, JSON, b"Expect: tea"], body=EVENT), 417, "100-continue", id="asks for tea"),
        pytest.param(request(headers=[AUTH, CHUNKED]) + b"5\r\nabc\r\nzz\r\n", 400, "no HTTP request", id="no chunks"),
        pytest.param(
            request(headers=[AUTH, JSON, CHUNKED]) + b"%x\r\n%s\r\n0\r\n\r\n" % (LIMIT + 1, padded(LIMIT + 1)),
            413,
            "1,048,576",
            id="too much in chunks, whose size nobody said before",
        ),
        pytest.param(
            request(headers=[AUTH, JSON, b"Expect: 100-continue", b"Content-Length: %d" % (LIMIT + 1)]),
            413,
            "1,048,576",
            id="too much, as it says before it sends",
        ),
    ],
)  # fmt: skip
def test_every_refusal_is_json_and_says_why(served, sent, status, said):
    """The sender is told what is wrong and what is taken, whatever it sends."""
    answer = served.ask(sent)[0]
    assert (answer.status, said in json.dumps(answer.json)) == (status, True), answer
    kind = "application/json" if status < 400 else "application/problem+json"
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert ("error" in answer.json) == (status >= 400)
    assert answer.headers.get("www-authenticate", "").startswith("Bearer") == (status == 401)
    assert ("accept-encoding" in answer.headers) == (status == 415 and "Encoding" in answer.json["error"])
    assert_calm(served)


def test_a_request_without_credentials_gets_the_bare_challenge(served):
    """RFC 6750: the error word is for those who sent something."""
    bare, wrong = served.ask(get())[0], served.ask(get(b"/v1/alerts", b"Authorization: Bearer no"))[0]
    assert bare.headers["www-authenticate"] == "Bearer"
    assert wrong.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        *((path, b"POST", "GET, HEAD") for path in (b"/healthz", b"/readyz", b"/metrics", b"/v1/alerts")),
        *((path, b"PUT", "GET, HEAD") for path in (b"/v1/explain", b"/v1/rules", b"/v1/openapi.json")),
        (b"/v1/rules/reload", b"GET", "POST"),
        (b"/v1/rules/reload", b"HEAD", "POST"),
        (b"/v1/events", b"OPTIONS", "POST, GET, HEAD"),
    ],
)
def test_another_method_is_told_which_are_allowed(served, path, method, allowed):
    """RFC 9110: a 405 carries Allow."""
    answer = served.ask(request(method + b" " + path + b" HTTP/1.1", [AUTH]))[0]
    assert (answer.status, answer.headers["allow"]) == (405, allowed)


def test_a_client_that_goes_away_within_its_body_is_no_error(served):
    """Somebody's network breaks every minute; nobody needs to read of it."""
    for sent in (
        request(headers=[AUTH, JSON, b"Content-Length: 500"]) + b"{",
        request(headers=[AUTH, JSON, b"Transfer-Encoding: chunked"]) + b"5\r\nab",
        request(headers=[AUTH, JSON, b"Content-Length: 500", b"Content-Encoding: gzip"]) + b"\x1f\x8b",
        request(headers=[JSON, b"Content-Length: 500"]) + b"{",
        b"POST /v1/ev",
    ):
        served.leave(sent)
    assert served.ask(get(b"/healthz"))[0].status == 200
    assert_calm(served)


@pytest.fixture(scope="module")
def in_python(tmp_path_factory):
    """The same where the client library's parser is the one in Python, as it is where nobody built the other."""
    service = serve(tmp_path_factory.mktemp("in_python"), token=TOKEN, AIOHTTP_NO_EXTENSIONS="1")
    yield service
    assert service.stop() == 0
    assert_calm(service)


BROKEN = [b"5\r\nabc\r\nzz\r\n", b"zz\r\n", b"-1\r\n"]


@pytest.mark.parametrize("body", BROKEN)
def test_a_body_that_breaks_off_is_said(in_python, body):
    """Its head was right, and the server waits for the rest."""
    head = request(headers=[AUTH, JSON, CHUNKED, b"Expect: 100-continue"])
    (answer,) = in_python.ask_in_pieces(head, body)
    assert (answer.status, answer.json["error"].partition(":")[0]) == (400, "the body breaks off")


@pytest.mark.parametrize("parser", ["served", "in_python"])
@pytest.mark.parametrize("body", BROKEN)
def test_a_body_that_goes_wrong_behind_its_refusal_is_no_error(request, parser, body):
    """The sender has its answer; what it still sends is nobody's."""
    service = request.getfixturevalue(parser)
    (answer,) = service.ask_in_pieces(post_head(CHUNKED), body, half=True)
    assert answer.status == 401
    assert_calm(service)


# ---- bytes that nobody thought of -----------------------------------------------------------------------------------

ODD = st.sampled_from(
    [
        b"", b" ", b"\x00", b"\xff\xfe", b"\r\n", b"\n", b"\r", b":", b"%", b"%zz", b"%00", b"?", b"#", b"//", b"..",
        b"*", b"http://x/", b"\xc3\xa9", b"\xed\xa0\x80", b"-1", b"1e9", b"9" * 20, b"0x10", b'"', b"=", b"a" * 9000,
    ]
)  # fmt: skip
METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"TRACE", b"PRI", b"get", b"\xff"])
PATHS = st.sampled_from(
    [
        b"/v1/events",
        b"/v1/alerts",
        b"/v1/explain",
        b"/v1/rules",
        b"/healthz",
        b"/metrics",
        b"/v1/openapi.json",
        b"*",
        b"/",
    ]
)
NAMES = st.sampled_from(
    [
        b"Authorization", b"Content-Type", b"Content-Encoding", b"Content-Length", b"Transfer-Encoding", b"Expect",
        b"Upgrade", b"Connection", b"Host", b"Accept", b"ce-id", b"ce-type", b"ce-time", b"ce-subject", b"Cookie", b"X",
    ]
)  # fmt: skip
VALUES = st.sampled_from(
    [
        b"Bearer s3cret", b"Bearer \xff", b"application/json", b"application/cloudevents+json", b"gzip", b"deflate",
        b"br", b"zstd", b"chunked", b"gzip, chunked", b"100-continue", b"websocket", b"Upgrade", b"text/html", b"7",
        b"stock.level", b"2024-11-26T09:00:00Z", b"%ff", b"",
    ]
)  # fmt: skip
BODIES = st.one_of(
    st.sampled_from([b"", EVENT, b"[" + EVENT + b"]", gzip.compress(EVENT), zlib.compress(EVENT), b"[[[[", b"null"]),
    st.binary(max_size=200),
    st.builds(lambda at, odd: EVENT[:at] + odd + EVENT[at:], st.integers(0, len(EVENT)), ODD),
)


@st.composite
def requests(draw):
    """A request that may be right or wrong anywhere, and its framing too."""
    line = draw(METHODS) + b" " + draw(PATHS) + draw(st.one_of(st.just(b""), ODD, ODD.map(lambda o: b"?rule=" + o)))
    line += draw(st.sampled_from([b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2", b"", b" HTTP/1.1 x"]))
    headers = [b"Host: x", *([AUTH] if draw(st.booleans()) else []), *([JSON] if draw(st.booleans()) else [])]
    for name, value in draw(st.lists(st.tuples(NAMES, st.one_of(VALUES, ODD)), max_size=3)):
        headers.append(name + b": " + value)
    body = draw(BODIES)
    framing = draw(st.sampled_from(["length", "chunked", "short", "none"]))
    if framing == "length":
        headers.append(b"Content-Length: %d" % len(body))
    elif framing == "short":
        headers.append(b"Content-Length: %d" % (len(body) + 3))
    elif framing == "chunked":
        headers.append(b"Transfer-Encoding: chunked")
        body = b"%x\r\n" % len(body) + body + b"\r\n" + draw(st.sampled_from([b"0\r\n\r\n", b"", b"zz\r\n", b"-1\r\n"]))
    whole = b"\r\n".join([line, *headers]) + b"\r\n\r\n" + body
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.integers(0, 9)) == 0 else whole


@given(sent=requests())
@settings(max_examples=round(300 * FACTOR), deadline=None)
def test_no_bytes_bring_the_server_to_an_error_of_its_own(served, sent):
    """Whatever comes: no 500, JSON in every refusal, nothing of level error in the log; and it goes on."""
    for answer in served.ask(sent, half=True):
        assert answer.status not in (500, 502, 504)
        if answer.status >= 400 and answer.body:
            assert "error" in answer.json
    assert_calm(served)
