"""What is or may be a secret in a text of a file is not shown: reports of faults end in logs of build servers.

Masked is: the value of a key such as `secret` or `token` (also over the lines below it), the user and password of a
URL and everything behind its host, and what has the shape of a token. `*` stands for each character, so that places in
a line stay what they are.
"""

import re
from collections.abc import Iterable

KEYS = ("secret", "token", "password", "passwd", "passphrase", "pwd", "api_key", "apikey", "authorization", "bearer",
        "private_key", "signing_key", "credentials")  # fmt: skip
"""Keys whose value is a secret, also as the end of a longer one: `smtp_password`."""

_KEY = rf"(?i:(?:\b|_|-)(?:{'|'.join(KEYS)})[\"']?)"
_NAME = r"[\"']?[A-Z][A-Z0-9_]{0,39}[\"']?"
_NAMED = rf"\{{\s*[\"']?secret[\"']?\s*:\s*{_NAME}\s*\}}"
"""A secret by its name, which is how it should be."""
_VALUE = re.compile(
    rf"({_KEY}\s*(?::\s+|:(?=[\"'{{])|=))"
    rf"(?:(?P<named>{_NAMED}|{_NAME}\s*\}})"
    r"|(?P<value>\{[^}]*|\"(?:[^\"\\]|\\.)*|'[^']*|[^\s{\"'&,}\]#](?:[^,}\]&\"']|(?<=\w)[\"'](?=\w))*))"
)
_OPENS = re.compile(rf"^(?P<indent>[\s-]*)[\"']?[\w-]*{_KEY}\s*:\s*(?:[|>][-+0-9]*)?\s*(?:#.*)?$")
_IS_NAMED = re.compile(rf"\s*[\"']?secret[\"']?\s*:\s*{_NAME}\s*(?:#.*)?")
_URL = re.compile(r"([a-z][a-z0-9+.-]*://)([^\s/?#'\"]*@)?([^\s/?#'\"@,}]*)([/?#][^\s'\",}]*)?", re.IGNORECASE)
_USER = re.compile(r"([^\s:'\"/{,]+:(?!//))([^\s@'\"]+)(@)")
_TOKEN = re.compile(
    r"\b(?:whsec_|xox[a-z]-|xapp-|xwfp-|sk_(?:live|test)_|rk_(?:live|test)_|gh[pousr]_|github_pat_|glpat-|AKIA|eyJ|SG\.)"
    r"[A-Za-z0-9_\-+/=.]{4,}|\bBearer +\S+"
    r"|(?<![\w./-])(?=(?:[A-Za-z+/_-]*[0-9]){4})(?=[A-Za-z0-9+/_-]*[A-Z])(?=[A-Za-z0-9+/_-]*[a-z])"
    r"[A-Za-z0-9+/_-]{32,}={0,2}"
)


def masked(text: str) -> str:
    """A line or a message without what is or may be a secret, as long as before."""
    text = _VALUE.sub(_masked_value, text)
    text = _URL.sub(lambda m: m[1] + _stars(m[2] or "", keep="@") + m[3] + _stars(m[4] or "", keep="/?#&="), text)
    text = _USER.sub(lambda m: m[1] + "*" * len(m[2]) + m[3], text)
    return _TOKEN.sub(lambda m: "*" * len(m[0]), text)


def masked_lines(lines: Iterable[str]) -> list[str]:
    """The lines of a file; of a secret that begins below its key, these lines are masked whole."""
    shown: list[str] = []
    below: int | None = None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if below is not None and line.strip() and indent <= below:
            below = None
        if below is not None:
            shown.append(line if _IS_NAMED.fullmatch(line) else " " * indent + "*" * len(line[indent:]))
            continue
        opens = _OPENS.match(line)
        if opens is not None:
            below = len(opens["indent"])
        shown.append(masked(line))
    return shown


def _masked_value(match: re.Match[str]) -> str:
    value = match["value"]
    if value is None:
        return match[0]
    quote = value[0] if value[0] in "\"'{" else ""
    return match[1] + quote + "*" * len(value[len(quote) :])


def _stars(text: str, *, keep: str) -> str:
    """Stars for all characters of a text but these."""
    return re.sub(f"[^{re.escape(keep)}]", "*", text)
