"""Webhooks: signed so that libraries which are not ours accept them, to nobody but the one who was named."""

import asyncio
import base64
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from channel_peers import ENVIRON, NOW, SECRET, HttpPeer, Letter, answers, http_server, webhook_body
from jsonschema import Draft202012Validator
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from lockstep.adapters.channels import secrets_from
from lockstep.adapters.channels.webhook import WebhookChannel, signer
from lockstep.errors import DeliveryError
from lockstep.notify.payload import webhook_json_schema
from lockstep.ports import Destination

ODD = {"text": "Größe 60 × 40 → „ausverkauft“ 🛒", "html": "</script>&"}


async def _sent(body, now=NOW):
    """(path, headers, body) as a receiver got it."""
    peer = HttpPeer(answers(204))
    async with http_server(peer) as url:
        channel = WebhookChannel(secrets_from(ENVIRON))
        destination = Destination("d", "webhook", f"{url}/hook?key=1", "hook", {"secret": "HOOK"})
        await channel.send(destination, Letter("l1", body), now=now)
        await channel.close()
    (request,) = peer.requests
    return request


def test_the_signature_of_the_specification():
    """The known vector of Standard Webhooks."""
    moment = datetime.fromtimestamp(1614265330, UTC)
    signature = signer(SECRET).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", moment, '{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("body", [webhook_body(), ODD], ids=["an alert", "odd characters"])
async def test_the_python_verifier_accepts_it(body, monkeypatch):
    """As a subscriber would check it; one byte more, and it is refused."""
    _, headers, raw = await _sent(body)
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == "l1"
    monkeypatch.setattr("standardwebhooks.webhooks.datetime", _Clock)
    assert Webhook(SECRET).verify(raw, headers) == body
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(raw + b" ", headers)


class _Clock:
    """The verifier compares with its own clock; here that is the sender's."""

    fromtimestamp = datetime.fromtimestamp

    @staticmethod
    def now(tz=None):
        return NOW


async def test_any_zone_signs_the_same_moment():
    """The library takes a time of another zone for UTC; we do not let it."""
    _, utc, _ = await _sent(ODD)
    _, other, _ = await _sent(ODD, NOW.astimezone(timezone(timedelta(hours=5))))
    assert utc["webhook-timestamp"] == other["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert utc["webhook-signature"] == other["webhook-signature"]


async def test_what_is_sent_fits_the_published_schema():
    """Subscribers generate their types from it."""
    _, _, raw = await _sent(webhook_body())
    Draft202012Validator(webhook_json_schema()).validate(json.loads(raw))


async def test_nothing_is_sent_elsewhere():
    """A redirect is not followed, and the environment's proxies are not asked."""
    elsewhere = HttpPeer(answers(204))
    async with http_server(elsewhere) as other:
        peer = HttpPeer(answers(307, Location=f"{other}/stolen"))
        async with http_server(peer) as url:
            channel = WebhookChannel(secrets_from(ENVIRON))
            destination = Destination("d", "webhook", f"{url}/hook", "hook", {"secret": "HOOK"})
            with pytest.raises(DeliveryError, match="redirects are not followed"):
                await channel.send(destination, Letter("l1", ODD), now=NOW)
            await channel.close()
    assert elsewhere.requests == []


async def test_the_environment_s_proxy_is_not_used(monkeypatch):
    """What a shell happens to have set must not see our messages."""
    proxy = HttpPeer(answers(204))
    async with http_server(proxy) as address:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, address)
        assert (await _sent(ODD))[0] == "/hook"
    assert proxy.requests == []


VERIFY = """
const { Webhook } = require("standardwebhooks");
const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
const at = cases.now * 1000;
Date.now = () => at;
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args) { args.length ? super(...args) : super(at); }
  static now() { return at; }
};
const hook = new Webhook(cases.secret);
const results = cases.requests.map(([body, headers]) => {
  const text = Buffer.from(body, "base64").toString("utf8");
  try { return hook.verify(text, headers); } catch (e) { return String(e.message); }
});
console.log(JSON.stringify(results));
"""


@pytest.fixture(scope="session")
def node_verifier(tmp_path_factory) -> Path:
    """A folder with the npm library, fetched once a session; without node or a registry the test says so."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("NPM VERIFIER NOT RUN: node and npm are not installed; the PyPI verifier has run")
    folder = tmp_path_factory.mktemp("npm")
    (folder / "verify.cjs").write_text(VERIFY)
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", "standardwebhooks@1.1.1"]
    try:
        done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("NPM VERIFIER NOT RUN: npm install did not end in 120 s; the PyPI verifier has run")
    if done.returncode:
        pytest.skip(f"NPM VERIFIER NOT RUN: npm install failed: {done.stderr[-200:]}")
    return folder


async def test_the_npm_verifier_accepts_it(node_verifier):
    """A library of other people in another language: both good ones pass, the changed one does not."""
    requests = []
    for body, tail in ((webhook_body(), b""), (ODD, b""), (ODD, b" ")):
        _, headers, raw = await _sent(body)
        requests.append([base64.b64encode(raw + tail).decode(), headers])
    given = json.dumps({"secret": SECRET, "now": int(NOW.timestamp()), "requests": requests})
    process = await asyncio.create_subprocess_exec(
        "node", "verify.cjs", cwd=node_verifier, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate(given.encode())
    good, odd, changed = json.loads(said)
    assert (good, odd) == (webhook_body(), ODD)
    assert changed == "No matching signature found"


def test_the_example_for_subscribers_is_a_delivery():
    """What schemas/README.md shows fits the schema that stands beside it."""
    readme = (Path(__file__).parents[2] / "schemas" / "README.md").read_text()
    example = readme.partition("## Webhook subscribers")[2].partition("```json\n")[2].partition("```")[0]
    Draft202012Validator(webhook_json_schema()).validate(json.loads(example))
