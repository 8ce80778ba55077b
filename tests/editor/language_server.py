"""A YAML language server over standard input and output, as an editor talks to it."""

import hashlib
import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ANSWER_S = 60.0
"""How long an answer may take on a busy machine."""


def installed() -> Path:
    """The server's script, installed once for each lock file. Raises LookupError where that cannot be done."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise LookupError("no node and npm on this machine")
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = ROOT / ".venv" / f"editor-{lock}"
    script = folder / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    if not script.exists():
        mine = folder.with_name(f"{folder.name}.{os.getpid()}")
        mine.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, mine)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=mine, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            raise LookupError(f"npm could not install it: {done.stderr.strip()[-300:]}")
        try:
            mine.rename(folder)  # whole or not at all, also when two sessions install it at once
        except OSError:
            shutil.rmtree(mine)
    return script


class LanguageServer:
    """Requests and what comes back. Notifications and the server's own questions are handled as an editor would."""

    def __init__(self, script: Path) -> None:
        self._process = subprocess.Popen(
            ["node", str(script), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._came: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._number = 0
        self._diagnostics: dict[str, list[dict[str, Any]]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        capabilities = {
            "textDocument": {
                "completion": {"completionItem": {"documentationFormat": ["markdown"], "snippetSupport": True}},
                "hover": {"contentFormat": ["markdown"]},
                "publishDiagnostics": {},
            },
            "workspace": {"configuration": True},
        }
        self.ask("initialize", processId=os.getpid(), rootUri=ROOT.as_uri(), capabilities=capabilities)
        self._send({"method": "initialized", "params": {}})

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def ask(self, method: str, **params: Any) -> Any:
        """The result of a request."""
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._next()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def open(self, name: str, text: str) -> str:
        """Open a text as a file of the repository; returns its URI."""
        uri = (ROOT / name).as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return uri

    def diagnostics(self, uri: str) -> list[dict[str, Any]]:
        """What the editor underlines in a file that was opened."""
        while uri not in self._diagnostics:
            self._next()
        return self._diagnostics[uri]

    # ---- the wire -------------------------------------------------------------------------------------------------

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while header := stream.readline():
            length = 0
            while header.strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                header = stream.readline()
            self._came.put(json.loads(stream.read(length)))
        self._came.put(None)

    def _next(self) -> dict[str, Any]:
        message = self._came.get(timeout=ANSWER_S)
        assert message is not None, "the language server has ended"
        if "method" in message and "id" in message:  # a question of the server: settings, or may it register
            wanted = message["params"].get("items", []) if message["method"] == "workspace/configuration" else None
            answer = None if wanted is None else [_setting(item.get("section")) for item in wanted]
            self._send({"id": message["id"], "result": answer})
        elif message.get("method") == "textDocument/publishDiagnostics":
            params = message["params"]
            self._diagnostics[params["uri"]] = params["diagnostics"]
        return message


def _setting(section: str | None) -> dict[str, Any]:
    yaml = {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}
    return yaml if section == "yaml" else {}
