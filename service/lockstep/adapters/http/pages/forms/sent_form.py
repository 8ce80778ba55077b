"""A form that a page of ours was sent: who acts, and what is answered where it cannot be done; on every page the same.

A form that another site's page sent is refused. One that was made long ago, or for something else, changes nothing and
has the page shown again, as has one with a fault: with what was filled in, so that nobody writes it twice.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from lockstep.adapters.http.pages.alert_pages import STALE, AlertPages
from lockstep.adapters.http.pages.forms.alert_forms import FormFault, moment_text
from lockstep.adapters.http.pages.visitor import Visitor, clean_name
from lockstep.adapters.http.refusal import Refusal
from lockstep.errors import BrokerError, CommandError
from lockstep.labels import stable_id
from lockstep.response.command import Way

UNREACHABLE = "The log cannot be reached, so nothing was done. Try again in a moment."


@dataclass(frozen=True)
class SentForm:
    """A form of ours, as it was filled in.

    given: its fields. number: its own, the same however often it is sent. name: who acts; "": nobody has said. way: by
    which they came. at: when it came.
    """

    given: Mapping[str, str]
    number: str
    name: str
    way: Way
    at: str

    @property
    def do(self) -> str:
        """Which button was pressed."""
        return self.given.get("do", "")

    def by(self, did: str) -> str:
        """Who acts. did: what others are to see of it: "ended it". Raises FormFault where nobody has said."""
        if not self.name:
            raise FormFault(f"Say who you are, so that others see who {did}.")
        return self.name

    def head(self, *parts: str, did: str = "did it") -> dict[str, Any]:
        """What stands in every command. parts: what makes it this command: sent twice it is one. Raises FormFault."""
        return {"id": stable_id(self.number, *parts), "by": self.by(did), "way": self.way, "at": self.at}


class ShowAgain(Protocol):
    """Shows the form's page again. given: what was filled in. said: what is wrong with it."""

    async def __call__(self, *, given: Mapping[str, str], said: str, status: int) -> web.Response: ...


async def form_answer(
    alert_pages: AlertPages,
    request: web.BaseRequest,
    visitor: Visitor,
    *,
    about: str,
    do: Callable[[SentForm], Awaitable[web.Response]],
    show: ShowAgain,
    depth: int = 0,
) -> web.Response:
    """The answer to a form that was sent.

    about: what it can change, as its page was made. do: does what it asks for; raises FormFault, CommandError, Refusal
    or BrokerError where it cannot be done. show: the page again. depth: slashes of the page's path below the root.
    """
    given = await alert_pages.form_of(request)
    if given is None or not visitor.can_act:
        return alert_pages.pages.notice("Not from here", STALE, depth=depth, status=403)
    number = alert_pages.visitors.form_id(given.get("form", ""), about)
    if number is None:
        return await show(given=given, said=STALE, status=400)
    name = clean_name(given.get("name", ""))
    at = moment_text(alert_pages.known.clock())
    try:
        answered = await do(SentForm(given, number, name or visitor.name, visitor.way, at))
    except (FormFault, Refusal) as fault:
        return await show(given=given, said=str(fault), status=400)
    except CommandError as fault:
        return await show(given=given, said=f"{fault}.", status=400)
    except BrokerError:
        return await show(given=given, said=UNREACHABLE, status=400)
    if name:
        alert_pages.visitors.remember_name(answered, name)
    return answered
