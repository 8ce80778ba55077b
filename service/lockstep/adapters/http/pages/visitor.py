"""Who visits a page, and what proves that a form was filled in on a page of ours.

A link that came in a message, a login with a token, or this machine's own loopback lets somebody in; who they say they
are is kept in a signed cookie.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from lockstep.adapters.http.access import Access, Login
from lockstep.adapters.http.caller import LOCAL, NOBODY, Role, caller_of
from lockstep.adapters.links import LinkFault, Signer
from lockstep.response.command import Way
from lockstep.response.standing import LONGEST_NAME
from lockstep.text.one_line import flat
from lockstep.text.time_units import DAY_S

NAME_COOKIE, SESSION_COOKIE = "lockstep_name", "lockstep_session"
_PLAIN_COOKIE = "lockstep_token"
"""In which an earlier version kept the token itself; it is taken away, and read no more."""
NAME_S, SESSION_S = 365 * DAY_S, 7 * DAY_S
"""How long a browser keeps who somebody is, and that they have given a token."""
CLOCKS_APART_S = 300.0
"""How far the clocks of two workers may be apart."""
FORM_S = DAY_S / 2
"""How long a page that was opened can be acted on."""

_UNNAMED = ("admin", LOCAL.name)
"""Names of callers that say nothing of who it is."""


@dataclass(frozen=True)
class Visitor:
    """Somebody who looks at a page.

    name: who acts; "": they are asked. known_by: `cookie`, `link` or `token`; "" without a name. can_act: whether they
    may do more than look. way: by which they came, as the audit says it. can_see_all: whether all alerts are theirs to
    see, and not one alone.
    """

    name: str
    known_by: str
    can_act: bool
    way: Way
    can_see_all: bool


class Visitors:
    """Knows visitors by their links, cookies and tokens, and signs the forms that they get."""

    def __init__(
        self,
        signer: Signer,
        *,
        public_url: str | None,
        access: Access,
        clock: Callable[[], datetime],
    ) -> None:
        """access: knows whose a token is."""
        self._signer, self._access, self._clock = signer, access, clock
        self._public = urlsplit(public_url or "")
        self._is_https = self._public.scheme == "https"

    def by_link(self, request: web.BaseRequest, who: str, *, can_act: bool) -> Visitor:
        """Who came by a link. who: whom it was sent to; a cookie that names somebody wins."""
        name = self.name_of(request)
        known_by = "cookie" if name else "link" if who else ""
        return Visitor(name or who, known_by, can_act, "link", can_see_all=False)

    def by_login(self, request: web.BaseRequest) -> Visitor | None:
        """Who asks with a token, by header or cookie, or from this machine; None: somebody has to log in."""
        caller = caller_of(request)
        if caller.role is Role.NOBODY:
            login = self._login_of_session(request)
            caller = NOBODY if login is None else login.caller
        if caller.role < Role.VIEWER:
            return None
        name = self.name_of(request)
        own = "" if caller.name in _UNNAMED else caller.name
        known_by = "cookie" if name else "token" if own else ""
        return Visitor(name or own, known_by, caller.role >= Role.RESPONDER, "page", can_see_all=True)

    def login(self, token: str) -> Login | None:
        """Whose a token is, where somebody may look with it."""
        login = self._access.login(token)
        return login if login is not None and login.caller.role >= Role.VIEWER else None

    def has_session(self, request: web.BaseRequest) -> bool:
        """Whether a browser keeps that somebody has given a token, be it still good or not."""
        return SESSION_COOKIE in request.cookies

    def _login_of_session(self, request: web.BaseRequest) -> Login | None:
        """Who has given a token that is good still; None: nobody, or the token was taken back or is another one."""
        try:
            said = self._signer.read("session", request.cookies.get(SESSION_COOKIE, ""))
            made_at, name, mark = msgspec.convert(said, tuple[int, str, str])
        except (LinkFault, msgspec.ValidationError):
            return None
        if not -CLOCKS_APART_S <= self._clock().timestamp() - made_at <= SESSION_S:
            return None
        return next((one for one in self._access.logins(name) if self._mark(one) == mark), None)

    def _mark(self, login: Login) -> str:
        """What binds a session to its token, so that it ends with that; who reads a cookie cannot guess the token."""
        return self._signer.mark("session-token", login.digest)

    def name_of(self, request: web.BaseRequest) -> str:
        """Who somebody has said to be in this browser; "" where nobody has."""
        try:
            value = self._signer.read("name", request.cookies.get(NAME_COOKIE, ""))
        except LinkFault:
            return ""
        return clean_name(value) if isinstance(value, str) else ""

    def remember_name(self, response: web.Response, name: str) -> None:
        """Have the browser keep who somebody is."""
        self._keep(response, NAME_COOKIE, self._signer.signed("name", name), NAME_S)

    def remember_login(self, response: web.StreamResponse, login: Login) -> None:
        """Have the browser keep that somebody has given a token, and not the token itself."""
        session = self._signer.signed("session", [int(self._clock().timestamp()), login.caller.name, self._mark(login)])
        self._keep(response, SESSION_COOKIE, session, SESSION_S)
        response.del_cookie(_PLAIN_COOKIE, path="/")

    def renew_login(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Have the browser keep it for as long again, where somebody has given a token that is good still."""
        login = self._login_of_session(request)
        if login is not None:
            self.remember_login(response, login)

    def forget_login(self, response: web.Response) -> None:
        for name in (SESSION_COOKIE, _PLAIN_COOKIE):
            response.del_cookie(name, path="/")

    def _keep(self, response: web.StreamResponse, name: str, value: str, seconds: float) -> None:
        response.set_cookie(
            name, value, max_age=int(seconds), path="/", httponly=True, samesite="Lax", secure=self._is_https
        )

    # ---- forms ----------------------------------------------------------------------------------------------------

    def form(self, about: str) -> str:
        """What a form carries that is made now. about: what it can change; a form for another does nothing there."""
        return self._signer.signed("form", [int(self._clock().timestamp()), about, secrets.token_hex(10)])

    def form_id(self, text: str, about: str) -> str | None:
        """The id of a form that we made about this, the same however often it is sent; None for any other one."""
        try:
            made_at, made_about, number = msgspec.convert(self._signer.read("form", text), tuple[int, str, str])
        except (LinkFault, msgspec.ValidationError):
            return None
        is_fresh = self._clock().timestamp() - made_at <= FORM_S
        return f"form-{number}" if made_about == about and is_fresh else None


def is_foreign(request: web.BaseRequest) -> bool:
    """Whether a browser says that another site's page sent this."""
    return request.headers.get("Sec-Fetch-Site", "") in ("cross-site", "same-site")


def clean_name(text: Any) -> str:
    """A name on one line, of at most so many characters as are kept."""
    return flat(str(text))[:LONGEST_NAME].strip()
