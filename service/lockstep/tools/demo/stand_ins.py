"""Stand-ins for the places that messages go to, on loopback: a mail server, a Slack, and somebody's webhook endpoint.

They keep what they get in a folder, so that it can be looked at afterwards.
"""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

HOST = "127.0.0.1"
CHANNEL_ID = "C0000SHOP"


@dataclass
class Mailbox:
    """Every mail, in the order of arrival."""

    folder: Path
    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 # aiosmtpd's name for it
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append(mail)
        name = f"{len(self.mails):03}-{envelope.rcpt_tos[0].partition('@')[0]}"
        (self.folder / f"{name}.eml").write_bytes(envelope.content)
        page = mail.get_body(("html",))
        if page is not None:
            (self.folder / f"{name}.html").write_text(_with_pictures(page.get_content(), mail), encoding="utf-8")
        return "250 kept"


def _with_pictures(page: str, mail: EmailMessage) -> str:
    """The page of a mail with its pictures in it, as a browser knows no parts of mails."""
    for part in mail.walk():
        name = str(part.get("Content-ID", "")).strip("<>")
        if name and part.get_content_maintype() == "image":
            picture = base64.b64encode(part.get_content()).decode()
            page = page.replace(f"cid:{name}", f"data:{part.get_content_type()};base64,{picture}")
    return page


@asynccontextmanager
async def mail_server(folder: Path) -> AsyncIterator[Mailbox]:
    """A mail server that delivers into a folder, as .eml and, to look at in a browser, as .html."""
    from aiosmtpd.smtp import SMTP

    box = Mailbox(_made(folder))
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(box, hostname="demo.invalid", enable_SMTPUTF8=True), HOST, 0
    )
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()


@dataclass
class Slack:
    """Every message that was posted, with the `ts` that it got, as it was edited since.

    replies: those that went into a thread. charts: files that were shared, by the `ts` of their thread. edits: how
    often a message was edited. responses: what became of messages whose buttons were pressed.
    """

    token: str
    folder: Path
    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    charts: dict[str, Path] = field(default_factory=dict)
    refused: int = 0
    edits: int = 0
    responses: list[dict[str, Any]] = field(default_factory=list)
    _uploaded: int = 0

    @property
    def replies(self) -> int:
        return sum(1 for message in self.messages if message.get("thread_ts"))

    async def post(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            self.refused += 1
            return web.json_response({"ok": False, "error": "invalid_auth"})
        message = await request.json() if request.content_type == "application/json" else dict(await request.post())
        message["ts"] = f"{1_300_000_000 + len(self.messages)}.000100"
        self.messages.append(message)
        self._keep()
        return web.json_response({"ok": True, "channel": CHANNEL_ID, "ts": message["ts"], "message": {}})

    async def update(self, request: web.Request) -> web.Response:
        """Put something in the place of what a message says."""
        given = await request.json()
        for message in self.messages:
            if message["ts"] == given["ts"]:
                message.update({name: given[name] for name in ("text", "blocks", "attachments") if name in given})
                self.edits += 1
                self._keep()
                return web.json_response({"ok": True, "channel": message["channel"], "ts": message["ts"]})
        return web.json_response({"ok": False, "error": "message_not_found"})

    async def history(self, request: web.Request) -> web.Response:
        """Messages of the channel, or the answers in a thread: the newest first."""
        given = {**request.query, **(await request.post())}
        oldest, latest = float(str(given.get("oldest", 0))), float(str(given.get("latest", 1e12)))
        thread = given.get("ts")
        shown = [
            message
            for message in reversed(self.messages)
            if oldest <= float(message["ts"]) <= latest and message.get("thread_ts") == thread
        ]
        return web.json_response({"ok": True, "messages": shown[:100]})

    async def channels(self, request: web.Request) -> web.Response:
        """The one channel that there is."""
        return web.json_response({"ok": True, "channels": [{"id": CHANNEL_ID, "name": "shop"}]})

    async def respond(self, request: web.Request) -> web.Response:
        """What becomes of a message whose button was pressed."""
        self.responses.append(await request.json())
        return web.Response(text="ok")

    def _keep(self) -> None:
        (self.folder / "messages.json").write_text(json.dumps(self.messages, indent=1), encoding="utf-8")

    async def give_place(self, request: web.Request) -> web.Response:
        """Say where the bytes of a file may go."""
        self._uploaded += 1
        name = f"chart-{self._uploaded:03}"
        place = str(request.url.origin() / "upload" / name)
        return web.json_response({"ok": True, "upload_url": place, "file_id": name})

    async def take_bytes(self, request: web.Request) -> web.Response:
        """Keep the bytes of a file."""
        (self.folder / f"{Path(request.match_info['name']).name}.png").write_bytes(await request.read())
        return web.Response(text="OK")

    async def share(self, request: web.Request) -> web.Response:
        """Put a file into a thread."""
        (file,) = json.loads(request.query["files"])
        self.charts[request.query["thread_ts"]] = self.folder / f"{file['id']}.png"
        return web.json_response({"ok": True, "files": [file]})


@asynccontextmanager
async def slack_server(folder: Path, *, token: str) -> AsyncIterator[Slack]:
    """A Slack that knows how messages are posted, edited and looked up, the three calls of a file, and one token."""
    slack = Slack(token, _made(folder))
    paths = {
        "/api/chat.postMessage": slack.post,
        "/api/chat.update": slack.update,
        "/api/conversations.history": slack.history,
        "/api/conversations.replies": slack.history,
        "/api/conversations.list": slack.channels,
        "/respond": slack.respond,
        "/api/files.getUploadURLExternal": slack.give_place,
        "/upload/{name}": slack.take_bytes,
        "/api/files.completeUploadExternal": slack.share,
    }
    async with _served(paths) as url:
        slack.url = f"{url}/api/"
        yield slack


@dataclass
class Hook:
    """Every webhook whose signature was right, once per id. on_alert: told of each at once."""

    secret: str
    folder: Path
    on_alert: Callable[[dict[str, Any]], None]
    url: str = ""
    received: dict[str, dict[str, Any]] = field(default_factory=dict)
    repeated: int = 0
    forged: int = 0

    async def post(self, request: web.Request) -> web.Response:
        raw = await request.read()
        if not self._is_signed(raw, request.headers):
            self.forged += 1
            return web.Response(status=400, text="the signature is not right")
        name = request.headers["webhook-id"]
        if name in self.received:
            self.repeated += 1
            return web.Response(status=204)
        body = json.loads(raw)
        self.received[name] = body
        (self.folder / f"{len(self.received):03}-{body['type']}.json").write_bytes(raw)
        self.on_alert(body)
        return web.Response(status=204)

    def _is_signed(self, raw: bytes, headers: Mapping[str, str]) -> bool:
        """Whether one of its signatures is ours. Its time is that of the shop's clock, which lives in other years: a
        receiver of the present also refuses what is more than five minutes old, as `Webhook.verify` does."""
        try:
            name, at = headers["webhook-id"], datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
            signature = Webhook(self.secret).sign(name, at, raw.decode())
        except (KeyError, ValueError):
            return False
        given = headers.get("webhook-signature", "").split()
        return any(hmac.compare_digest(one.encode(), signature.encode()) for one in given)


@asynccontextmanager
async def hook_server(folder: Path, *, secret: str, on_alert: Callable[[dict[str, Any]], None]) -> AsyncIterator[Hook]:
    """A subscriber that checks signatures with the library that Standard Webhooks publishes.

    folder: for the bodies. secret: of the signatures. on_alert: told of each body whose signature is right, once an id.
    """
    hook = Hook(secret, _made(folder), on_alert)
    async with _served({"/lockstep": hook.post}) as url:
        hook.url = f"{url}/lockstep"
        yield hook


@asynccontextmanager
async def _served(
    handlers: Mapping[str, Callable[[web.Request], Awaitable[web.StreamResponse]]],
) -> AsyncIterator[str]:
    """handlers: path → who answers there."""
    app = web.Application()
    for path, handler in handlers.items():
        app.router.add_route("*", path, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
