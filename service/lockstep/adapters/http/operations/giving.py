"""Commands that come by HTTP: who gives one, under which id, and what is answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import uuid4

import msgspec
from aiohttp import web
from pydantic import AfterValidator, AwareDatetime, Field, field_validator

from lockstep.adapters.command_door import WITHIN_S, CommandDoor
from lockstep.adapters.http.caller import caller_of
from lockstep.adapters.http.openapi import NO_ROLE, NO_TOKEN, TEXT, answer, error, object_of
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.typed_requests import Form
from lockstep.adapters.response_board import ResponseBoard
from lockstep.errors import BrokerError, CommandUnanswered
from lockstep.event.contract import YEARS, is_in_years
from lockstep.labels import stable_id
from lockstep.response.command import Answer, Command, Deed
from lockstep.response.standing import LONGEST_NAME
from lockstep.rule.language.quantity import duration_s
from lockstep.text.rfc3339 import rfc3339_of

IDEMPOTENCY_KEY = "Idempotency-Key"
LONGEST_KEY = 200
THROUGH = " through "
"""Between a person's name and that of the token by which they ask."""
_INSTANTS = ("at", "until", "starts", "ends", "created_at")


def _storable(moment: datetime) -> datetime:
    if not is_in_years(moment):
        raise ValueError(f"must lie between the years {YEARS[0]} and {YEARS[1]}")
    return moment


Instant = Annotated[AwareDatetime, AfterValidator(_storable)]
"""An instant with its zone that can be written in any other zone, too; of the years of events."""


class CommandForm(Form):
    """What every command may say."""

    by: str = Field(
        "", max_length=LONGEST_NAME, description="Who does it, where a token is a program's: `by` through its name"
    )

    @field_validator("by")
    @classmethod
    def _printable(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("must be a name on one line")
        return value


class UntilForm(CommandForm):
    """A command that holds for a while."""

    until: Instant | None = Field(None, description="Until when: an instant with its zone, RFC 3339")
    lasting: str | None = Field(None, alias="for", description="How long from now: `90m`, `2h`, `1d`")

    @field_validator("lasting")
    @classmethod
    def _a_duration(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                seconds = duration_s(value)
            except ValueError as error:
                raise ValueError(str(error).removesuffix(" [LS104]")) from error
            if seconds <= 0:
                raise ValueError("must be longer than nothing")
        return value

    def ends(self, now: datetime) -> str | None:
        """When it ends, as commands have it; None where nothing is said. Raises Refusal where both are said."""
        if self.until is not None and self.lasting is not None:
            raise Refusal(400, "say `until` or `for`, not both")
        if self.lasting is not None:
            return rfc3339_of(now + timedelta(seconds=duration_s(self.lasting)))
        return None if self.until is None else rfc3339_of(self.until)


@dataclass(frozen=True)
class Given:
    """What stands in every command: see `response.command`."""

    id: str
    by: str
    way: Literal["api"]
    at: str
    request: str = ""

    @property
    def head(self) -> Mapping[str, Any]:
        """As keywords of a command."""
        return {"id": self.id, "by": self.by, "way": self.way, "at": self.at, "request": self.request}


KEY_PARAMETER = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "description": "A word of the client's own: the same request with the same word again is applied once, and gets "
    "the answer of the first",
    "schema": {**TEXT, "maxLength": LONGEST_KEY},
}
ANSWERED = object_of(
    "What became of a command",
    {
        "command": {**TEXT, "description": "Its id, as on `lockstep.audit`"},
        "applied": {"const": True, "description": "What is refused is answered 409"},
        "why": {**TEXT, "description": "What it changed, in words"},
        "by": {**TEXT, "description": "Who did it, as the audit has it"},
        "decided_at": {**TEXT, "format": "date-time", "description": "When"},
    },
)


def responses(**more: str) -> dict[int, dict[str, Any]]:
    """Of an operation that gives a command. more: further statuses as `s404`, with what they mean."""
    return {
        200: answer(
            "It is applied, and later questions to this worker see it", {"$ref": "#/components/schemas/Answered"}
        ),
        400: error("Which field is wrong"),
        401: NO_TOKEN,
        403: NO_ROLE,
        408: error("The body has not come whole within a minute"),
        409: error("It was refused: `detail` says why, as the audit does"),
        413: error("More than is taken"),
        415: error("No JSON, or packed in another way", Accept_Encoding="What is taken"),
        422: error("The idempotency key came with another request before"),
        503: error("Nobody has answered yet: it is kept and will be applied", Retry_After="Seconds"),
        **{int(status[1:]): error(description) for status, description in more.items()},
    }


class Giver:
    """Gives the commands of requests."""

    def __init__(self, door: CommandDoor, board: ResponseBoard, clock: Callable[[], datetime]) -> None:
        self._door, self._board, self.clock = door, board, clock

    def head(self, request: web.BaseRequest, form: CommandForm) -> Given:
        """Who gives a command, and under which id. Raises Refusal for a key that is none."""
        now = self.clock()
        caller = caller_of(request)
        by = (
            caller.name
            if not form.by
            else f"{form.by[: LONGEST_NAME - len(THROUGH + caller.name)]}{THROUGH}{caller.name}"
        )
        if form.by and caller.name in ("local", form.by):
            by = form.by
        key = request.headers.get(IDEMPOTENCY_KEY)
        if key is not None and (not 0 < len(key) <= LONGEST_KEY or not key.isprintable()):
            raise Refusal(400, f"{IDEMPOTENCY_KEY}: 1 to {LONGEST_KEY} printable characters are meant")
        if key is None:
            return Given(uuid4().hex, by[:LONGEST_NAME], "api", rfc3339_of(now))
        asked = stable_id("request", request.method, request.path, form.model_dump_json())
        return Given(stable_id("api command", caller.name, key), by[:LONGEST_NAME], "api", rfc3339_of(now), asked)

    def repeated(self, command: Command | Deed) -> Answer | None:
        """The answer of the first, where the same was asked for before. Raises Refusal where it was something else."""
        known = self._board.answer(command.id)
        if known is not None:
            _check_is_same(known, command)
        return known

    async def done(self, deed: Deed) -> Answer:
        """What was just done without notify, as the audit has it. Raises Refusal where that is not read in time."""
        try:
            answer = await self._board.wait_for(deed.id, within_s=WITHIN_S)
        except BrokerError as error:
            raise Refusal(503, str(error), headers={"Retry-After": "5"}) from error
        if answer is None:
            raise Refusal(503, "it is done, and has not been read back yet", more={"command": deed.id})
        return answer

    async def give(self, command: Command) -> Answer:
        """Raises Refusal where it is refused, was another one before, or nobody answers."""
        self.repeated(command)
        try:
            given = await self._door.give(command)
        except CommandUnanswered as error:
            raise Refusal(503, str(error), headers={"Retry-After": "5"}, more={"command": command.id}) from error
        except BrokerError as error:
            raise Refusal(503, str(error), headers={"Retry-After": "5"}) from error
        _check_is_same(given, command)  # of two that come at one time the first on the log is done
        if not given.applied:
            raise Refusal(409, given.why, more={"command": given.id})
        return given

    async def applied(self, request: web.BaseRequest, form: CommandForm, command: Callable[..., Command]) -> Answer:
        """The same of a request's command. command: makes it of what stands in every one. Raises Refusal."""
        return await self.give(command(**self.head(request, form).head))


def answered(given: Answer, **more: Any) -> web.Response:
    """The answer to a command that was applied. more: what stands by it."""
    said = {
        "command": given.id,
        "applied": given.applied,
        "why": given.why,
        "by": given.command.by,
        "decided_at": given.decided_at,
    }
    return web.json_response({**said, **{name: msgspec.to_builtins(value) for name, value in more.items()}})


def _check_is_same(known: Answer, command: Command | Deed) -> None:
    """Raises Refusal where an answer is that of a command which asked for something else.

    What was asked for is compared, not the command: `for: 2h` is another instant each time. Commands of a version
    before this one do not say what was asked for; of those the instants are left out.
    """
    if known.command.request and command.request:
        is_same = known.command.request == command.request
    else:
        is_same = _timeless(msgspec.to_builtins(known.command)) == _timeless(msgspec.to_builtins(command))
    if not is_same:
        raise Refusal(422, f"{IDEMPOTENCY_KEY}: it came with another request before; take a new one for each change")


def _timeless(said: Any) -> Any:
    if not isinstance(said, dict):
        return said
    return {name: _timeless(value) for name, value in said.items() if name not in (*_INSTANTS, "request")}
