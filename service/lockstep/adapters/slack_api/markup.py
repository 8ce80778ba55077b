"""Text for Slack: what people and events say is shown as it is, and only our own addresses are links."""

import re

_NOTHING = "\u200b"
"""A zero-width space: nothing to see, and what it stands in is no markup."""
_DELIMITER = re.compile(r"(?<![^\W_])[*_~]|[*_~](?![^\W_])|`")
_LOOKALIKES = {"*": "∗", "_": "\u02cd", "~": "∼", "`": "ˋ"}
_EMOJI = re.compile(r":(?!\d\d(?:-\d\d)?:\d)(?=[\w+'-]+:)")
"""The beginning of `:tada:` or `:100:`, not of the minutes in `12:00:30` or `06:00-22:00`."""
_QUOTE = re.compile(r"^(?=&gt;)", re.MULTILINE)


def escaped(text: str) -> str:
    """Text that Slack shows as it is: no mention, no link of somebody's making, no formatting, no emoji, no quote.

    `*`, `_` and `~` within a word mean nothing to Slack and are kept, so that a sku may be copied; elsewhere signs
    stand in that look like them.
    """
    text = _DELIMITER.sub(lambda delimiter: _LOOKALIKES[delimiter[0]], text)
    text = _EMOJI.sub(f":{_NOTHING}", text)
    for plain, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", f"@{_NOTHING}")):
        text = text.replace(plain, safe)
    return _QUOTE.sub(_NOTHING, text)


def linked(text: str, name: str = "") -> str:
    """An address of ours as a link, anything else as text. name: what the link is shown as; "": the address."""
    if not text.startswith(("https://", "http://")):
        return escaped(name or text)
    for plain, safe in (("&", "&amp;"), ("<", "%3C"), (">", "%3E"), ("|", "%7C"), (" ", "%20")):
        text = text.replace(plain, safe)
    return f"<{text}|{escaped(name).replace('|', '∣')}>" if name else f"<{text}>"


def cut(text: str, longest: int) -> str:
    """Escaped text of at most that many characters; cut before it is escaped, so that no escape is cut in two."""
    length = len(text)
    while len(escaped(text[:length])) > longest:
        length -= 1 + (len(escaped(text[:length])) - longest) // 5
    return escaped(text) if length == len(text) else escaped(text[: max(0, length - 1)]) + "…"
