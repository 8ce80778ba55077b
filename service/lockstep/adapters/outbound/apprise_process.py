"""The program that hands one message to apprise: reads it with its address, and writes what became of it.

Apprise waits in threads that nobody can end, and follows what an address says; here all of it ends with the process. It
imports nothing of the service. Input and answer are JSON: `url`, `title`, `body`, `timeout_s`; `outcome` (`sent`,
`failed`, `timeout`, or `refused`: no address that apprise knows) and `status`, of HTTP, where it is known.
"""

import json
import logging
import os
import re
import sys
from typing import Any

_STATUS = re.compile(r"\berror=(\d{3})\b")


def sent(url: str, title: str, body: str, timeout_s: float) -> dict[str, Any]:
    """What became of one message."""
    from apprise import Apprise, AppriseAsset, NotifyFormat, OverflowMode, PersistentStoreMode
    from apprise.result import AppriseResultStatus

    asset = AppriseAsset(
        app_id="Lockstep",
        app_desc="Lockstep",
        async_mode=False,
        http_redirects=False,
        interpret_emojis=False,
        interpret_escapes=False,
        secure_logging=True,
        storage_mode=PersistentStoreMode.MEMORY,
    )
    # As one address: `add` would take several apart.
    place = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if place is None:
        return {"outcome": "refused", "status": None}
    place.overflow_mode = OverflowMode.TRUNCATE
    sender = Apprise(asset=asset)
    sender.add(place)
    result = sender.notify(title=title, body=body, body_format=NotifyFormat.TEXT, timeout=timeout_s)
    if result.status == AppriseResultStatus.SUCCESS:
        return {"outcome": "sent", "status": None}
    status = next((int(match[1]) for entry in result.logs() if (match := _STATUS.search(entry.message))), None)
    outcome = "timeout" if result.status == AppriseResultStatus.TIMEOUT else "failed"
    return {"outcome": outcome, "status": status}


def main() -> None:
    """Send what comes."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints is not taken for an answer
    logging.disable(logging.NOTSET)
    asked = json.loads(sys.stdin.buffer.read())
    answers.write(json.dumps(sent(asked["url"], asked["title"], asked["body"], asked["timeout_s"])))
    answers.flush()
    os._exit(0)  # threads that still wait would keep the process


if __name__ == "__main__":
    main()
