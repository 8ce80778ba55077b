"""Who may ask what: the Bearer token of a request, its caller and their role. Without any token, loopback alone."""

import hmac
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from lockstep.adapters.http.caller import LOCAL, NOBODY, Caller, Role
from lockstep.adapters.http.openapi import Operation
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.token_book import TokenBook, caller_of_token, digest_of
from lockstep.errors import SettingsError
from lockstep.settings import Settings

ADMIN = Caller("admin", Role.ADMIN)
"""Whoever has LOCKSTEP_API_TOKEN."""


def check_exposure(settings: Settings) -> None:
    """Raises SettingsError when the server would be open to others without a token."""
    if settings.api_token is not None or settings.http_host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(settings.http_host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise SettingsError(
            f"LOCKSTEP_HTTP_HOST: {settings.http_host} is open to others; "
            "set LOCKSTEP_API_TOKEN, or listen on 127.0.0.1"
        )


@dataclass(frozen=True)
class Login:
    """Somebody who has given a token. digest: SHA-256 of it, so that another token of the name is another login."""

    caller: Caller
    digest: str


class Access:
    """Knows the tokens, and says who has sent one."""

    def __init__(self, settings: Settings, tokens: TokenBook) -> None:
        check_exposure(settings)
        self._token = settings.api_token
        self._tokens = tokens

    def caller(self, request: web.BaseRequest, operation: Operation | None) -> Caller:
        """Who asks. operation: what for; None where there is none, which is said only to those who have a token.

        Raises Refusal, as RFC 6750 says: 401 without a token or with one that is none, 403 where the role is not
        enough. An open operation is refused to nobody.
        """
        try:
            caller = self._known(request)
        except Refusal:
            if operation is not None and operation.is_open:
                return NOBODY
            raise
        if operation is not None and not operation.is_open and caller.role < operation.role:
            said = f'Bearer error="insufficient_scope", scope="{operation.role.title}"'
            raise Refusal(
                403,
                f"{caller.name} is {caller.role.title}, and this takes {operation.role.title}; "
                f"use another token, or have one made: lockstep token add NAME --role {operation.role.title}",
                headers={"WWW-Authenticate": said},
            )
        return caller

    @property
    def has_tokens(self) -> bool:
        """Whether there is any token, as far as is known."""
        return self._token is not None or bool(self._tokens.tokens())

    def caller_with(self, token: str) -> Caller | None:
        """Whose a token is; None: nobody's, as far as is known."""
        if self._token is not None:
            # Bytes that are no text arrive as lone surrogates.
            sent, right = token.encode("utf-8", "surrogateescape"), self._token.get_secret_value().encode()
            if hmac.compare_digest(sent, right):
                return ADMIN
        return self._tokens.caller(token) if self._tokens.is_known else None

    def login(self, token: str) -> Login | None:
        """Whose a token is, for a session that outlives the request; None: nobody's."""
        caller = self.caller_with(token) if token else None
        return None if caller is None else Login(caller, digest_of(token))

    def logins(self, name: str) -> list[Login]:
        """The tokens of that name that are good now."""
        logins = []
        if self._token is not None and name == ADMIN.name:
            logins.append(Login(ADMIN, digest_of(self._token.get_secret_value())))
        stored = self._tokens.named(name) if self._tokens.is_known else None
        if stored is not None:
            logins.append(Login(caller_of_token(stored), stored.digest))
        return logins

    def _known(self, request: web.BaseRequest) -> Caller:
        """Raises Refusal where a token is needed and the request carries none that is known."""
        header = request.headers.get("Authorization")
        scheme, _, given = (header or "").partition(" ")
        token = given.strip()
        caller = self.caller_with(token) if scheme.lower() == "bearer" else None
        if caller is not None:
            return caller
        if not self._tokens.is_known:
            # Nobody is let in by mistake while nobody knows which tokens there are.
            if self._token is None:
                raise Refusal(
                    503, "the broker has not answered yet, and it has the tokens", headers={"Retry-After": "1"}
                )
        elif self._token is None and not self._tokens.tokens():
            host = request.headers.get("Host")
            if host is None or _is_here(host):
                return LOCAL
            # Through a proxy everybody would be on this machine; and a foreign page may have its own name lead here.
            raise Refusal(
                401,
                "without a token this is answered as 127.0.0.1 or localhost alone; set LOCKSTEP_API_TOKEN to ask by "
                "another name, or through a proxy",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if header is None:
            raise Refusal(401, "a Bearer token is needed", headers={"WWW-Authenticate": "Bearer"})
        raise Refusal(
            401,
            "another Bearer token is needed; write `Authorization: Bearer TOKEN`",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )


def _is_here(host: str) -> bool:
    """Whether a Host header names this machine's loopback."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
