"""The pages of alerts: `/`, one alert by login or by link, its picture, and the login."""

import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, quote

import structlog
from aiohttp import web

from lockstep.adapters.charts.board import found_in_time
from lockstep.adapters.charts.drawing import DARK, LIGHT, standalone
from lockstep.adapters.charts.pictures import DrawnPictures
from lockstep.adapters.command_door import CommandDoor
from lockstep.adapters.http.body import read_body
from lockstep.adapters.http.caller import path_value
from lockstep.adapters.http.openapi import page
from lockstep.adapters.http.operations.silenced import Silenced
from lockstep.adapters.http.pages.board_view import board_view
from lockstep.adapters.http.pages.forms.alert_forms import LARGEST_FORM, SNOOZES, FormFault, command_of
from lockstep.adapters.http.pages.known import Known
from lockstep.adapters.http.pages.pages import HEADERS, ICON, SVG_HEADERS, Pages, seen_at
from lockstep.adapters.http.pages.visitor import Visitor, Visitors, clean_name, is_foreign
from lockstep.adapters.http.refusal import PageRefusal
from lockstep.adapters.links import Link, LinkFault, Purpose, SignedLinks
from lockstep.errors import BrokerError, CommandUnanswered
from lockstep.response.command import Command
from lockstep.transition import Transition

log = structlog.get_logger("lockstep.pages")

WITHIN_S = 5.0
"""How long a page waits until what somebody did stands; then it says that it is on its way."""
ANSWER_S = 2.0
"""How long the page that is shown then waits for the answer, which another worker may know first."""

_PLACE = re.compile(
    r"(alerts/[A-Za-z0-9_-]{1,64}|silences|oncall|actions|campaigns|reports(/[a-z]{1,10}/[0-9TZ-]{1,20})?|today|timeline)?"
)
STALE = "This page was opened long ago, or was made for something else. Look again, then press the button once more."


class AlertPages:
    """What people see of alerts, and do about them."""

    def __init__(
        self,
        known: Known,
        *,
        pages: Pages,
        visitors: Visitors,
        links: SignedLinks,
        door: CommandDoor,
        pictures: DrawnPictures | None,
        first_steps: Callable[[], str | None],
        has_tokens: Callable[[], bool],
        within_s: float = WITHIN_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        """pictures: who draws PNGs; None: nobody. first_steps: the page of a service that watches nothing yet; None
        where it does. has_tokens: whether there is any token to log in with."""
        self.known, self.pages, self.visitors, self._links = known, pages, visitors, links
        self._door, self._pictures = door, pictures
        self._first_steps, self._has_tokens = first_steps, has_tokens
        self._within_s, self._answer_s = within_s, answer_s

    # ---- the board --------------------------------------------------------------------------------------------------

    @page(
        "GET",
        "/",
        "A page for people: what fires, who has it, what is kept quiet; what to do first where nothing is watched",
    )
    async def _board(self, request: web.BaseRequest) -> web.Response:
        first = self._first_steps()
        if first is not None:
            return web.Response(text=first, content_type="text/html")
        visitor = self.logged_in(request)
        now, responses = self.known.clock(), self.known.responses
        view = board_view(
            self.known.board.latest_of_each(),
            self.known.rules(),
            self.known.writer,
            handling=responses.handling,
            decisions=responses.decisions,
            silenced=Silenced(responses.silences(), now, self.known.writer.zone).whole,
            now=now,
            team=request.query.get("team", ""),
        )
        values = {"view": view, "form": self.visitors.form("login"), "has_token": self.visitors.has_session(request)}
        return self.pages.page("board", values, depth=0, visitor=visitor, here="Alerts")

    @page("GET", "/style.css", "How pages look")
    async def _style(self, request: web.BaseRequest) -> web.Response:
        headers = {"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"}
        return web.Response(text=self.pages.style, content_type="text/css", headers=headers)

    @page("GET", "/icon.svg", "The sign of a browser's tab")
    async def _icon(self, request: web.BaseRequest) -> web.Response:
        return web.Response(
            text=ICON, content_type="image/svg+xml", headers={**SVG_HEADERS, "Cache-Control": "max-age=86400"}
        )

    # ---- one alert --------------------------------------------------------------------------------------------------

    @page("GET", "/alerts/{id}", "The page of an alert")
    async def _alert(self, request: web.BaseRequest) -> web.Response:
        alert_id = path_value(request, "id")
        return await self._show(request, self.logged_in(request, to=f"alerts/{alert_id}"), alert_id, "")

    @page("POST", "/alerts/{id}", "Acknowledge, assign, note, snooze, close, or take it back, by a form of the page")
    async def _act_on_alert(self, request: web.BaseRequest) -> web.Response:
        alert_id = path_value(request, "id")
        return await self._act(request, self.logged_in(request, to=f"alerts/{alert_id}"), alert_id, "")

    @page("GET", "/act/{token}", "The same, by the link of a message")
    async def _alert_by_link(self, request: web.BaseRequest) -> web.Response:
        link = self.link(request, Purpose.ACT)
        visitor = self.visitors.by_link(request, link.who, can_act=True)
        return await self._show(request, visitor, link.about, link.episode_id)

    @page("POST", "/act/{token}", "The same, as the link's recipient")
    async def _act_by_link(self, request: web.BaseRequest) -> web.Response:
        link = self.link(request, Purpose.ACT)
        visitor = self.visitors.by_link(request, link.who, can_act=True)
        return await self._act(request, visitor, link.about, link.episode_id)

    @page("GET", "/look/{token}", "The same, for who may only look")
    async def _look(self, request: web.BaseRequest) -> web.Response:
        link = self.link(request, Purpose.LOOK)
        visitor = self.visitors.by_link(request, "", can_act=False)
        return await self._show(request, visitor, link.about, link.episode_id)

    def link(self, request: web.BaseRequest, purpose: Purpose) -> Link:
        """What the path's link says. Raises PageRefusal with the page that says what is wrong with it."""
        try:
            return self._links.read(purpose, path_value(request, "token"))
        except LinkFault as fault:
            text = f"{str(fault)[:1].upper()}{str(fault)[1:]}."
            page_of_fault = self.pages.notice("This link does not work", text, depth=1, status=404)
            raise PageRefusal(page_of_fault) from fault

    async def _show(
        self,
        request: web.BaseRequest,
        visitor: Visitor,
        alert_id: str,
        episode_id: str,
        *,
        said: str = "",
        status: int = 200,
    ) -> web.Response:
        try:
            transitions = await self.known.transitions(alert_id, episode_id)
        except BrokerError:
            return self._unreachable()
        if not transitions:
            text = "It ended long ago. A newer message has a newer link."
            return self.pages.notice("This alert is not known here", text, depth=1, status=404)
        view = self.known.view(transitions)
        values = {
            "view": view,
            "longest": max(len(view.item.value_bar), len(view.item.usual_bar), 1),
            **await self.said(request, said, status),
            "form": self.visitors.form(_about(transitions)),
            "snoozes": [(name, words) for name, (words, _) in SNOOZES.items()],
            "chart": await self.known.chart(transitions, self._chart_place),
            "look": self._look_place(transitions) if visitor.can_act else "",
            "campaign": self._campaign_place(transitions[-1], visitor),
        }
        return self.pages.page("alert", values, depth=1, visitor=visitor, status=status)

    def _chart_place(self, transition_id: str) -> str:
        return f"../{Purpose.CHART}/{self._links.token(Purpose.CHART, transition_id)}"

    def _look_place(self, transitions: list[Transition]) -> str:
        last = transitions[-1]
        return f"../{Purpose.LOOK}/{self._links.token(Purpose.LOOK, last.alert_id, last.episode_id)}"

    def _campaign_place(self, transition: Transition, visitor: Visitor) -> str:
        """Where the campaign that an alert is about is seen; "" where it is about none that is planned. Who came by a
        link may only look."""
        plan = self.known.plans().get(transition.labels.get("campaign", ""))
        if plan is None:
            return ""
        if visitor.can_see_all:
            return f"../campaigns#c-{quote(plan.campaign)}"
        return f"../{Purpose.REPLY}/{self._links.token(Purpose.REPLY, plan.campaign, str(plan.number))}"

    async def said(self, request: web.BaseRequest, said: str, status: int) -> dict[str, object]:
        """What a page says above all else, as `frame.html` has it: what is wrong with what it was sent, or what became
        of what was just done, where the address says that something was.

        said, status: of the page; "" where it has nothing to say by itself.
        """
        is_refused = status != 200
        if not said and (done := request.query.get("done", "")):
            said, is_refused = await self._outcome(done[:100])
        return {"said": said, "said_refused": is_refused}

    async def _outcome(self, command_id: str) -> tuple[str, bool]:
        """(what became of a command, whether it was refused or is not known to be done)."""
        try:
            answer = await self.known.responses.wait_for(command_id, within_s=self._answer_s)
        except BrokerError:
            answer = None
        if answer is None:
            return "It is on its way: no worker has applied it yet. Look again in a moment.", True
        if answer.applied:
            return answer.why or "Done.", False
        return f"Not done: {answer.why}", True

    async def _act(self, request: web.BaseRequest, visitor: Visitor, alert_id: str, episode_id: str) -> web.Response:
        if not visitor.can_act:
            text = "Your token lets you look; ask for one of a responder."
            return self.pages.notice("Not with this token", text, depth=1, status=403)
        given = await self.form_of(request)
        if given is None:
            return self.pages.notice("Not from here", STALE, depth=1, status=403)
        try:
            transitions = await self.known.transitions(alert_id, episode_id)
        except BrokerError:
            return self._unreachable()
        if not transitions:
            return await self._show(request, visitor, alert_id, episode_id)
        form_id = self.visitors.form_id(given.get("form", ""), _about(transitions))
        if form_id is None:
            return await self._show(request, visitor, alert_id, episode_id, said=STALE, status=400)
        name = clean_name(given.get("name", ""))
        by = name or visitor.name
        if not by:
            said = "Say who you are, so that others see who has it."
            return await self._show(request, visitor, alert_id, episode_id, said=said, status=400)
        last = transitions[-1]
        answered: web.Response
        if given.get("do") == "name":
            answered = seen_at("?")
        else:
            try:
                command = command_of(
                    given,
                    form_id,
                    alert_id,
                    last.episode_id,
                    by=by,
                    way=visitor.way,
                    now=self.known.clock(),
                )
            except FormFault as fault:
                return await self._show(request, visitor, alert_id, episode_id, said=str(fault), status=400)
            answered = await self.give(request, command)
        if name:
            self.visitors.remember_name(answered, name)
        return answered

    async def give(self, request: web.BaseRequest, command: Command) -> web.Response:
        """Have a command done, and lead to the page that says what became of it."""
        log.info(
            "somebody acts on a page",
            kind=type(command).__name__,
            by=command.by,
            way=command.way,
            remote=request.remote,
            agent=request.headers.get("User-Agent", "")[:200],
        )
        try:
            await self._door.give(command, within_s=self._within_s)
        except CommandUnanswered:
            pass  # the page says that it is on its way
        except BrokerError:
            return self._unreachable()
        return seen_at(f"?done={quote(command.id)}")

    def _unreachable(self) -> web.Response:
        text = "The log cannot be reached, so nothing was done. Try again in a moment."
        return self.pages.notice("Not now", text, depth=1, status=503)

    async def form_of(self, request: web.BaseRequest) -> Mapping[str, str] | None:
        """The fields of a form that was sent; None where another site's page sent it. Raises Refusal for one that is
        too large."""
        return self.fields_of(request, await read_body(request, most=LARGEST_FORM))

    @staticmethod
    def fields_of(request: web.BaseRequest, raw: bytes) -> Mapping[str, str] | None:
        """The same of a body that was read: of each field the last one that says something."""
        if is_foreign(request):
            return None
        fields: dict[str, str] = {}
        try:
            pairs = parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50)
        except ValueError:
            return {}
        for name, value in pairs:
            if value or name not in fields:
                fields[name] = value
        return fields

    # ---- pictures ---------------------------------------------------------------------------------------------------

    @page("GET", "/chart/{token}", "The picture of a change, as PNG, or as SVG for a page in light or in dark")
    async def _chart(self, request: web.BaseRequest) -> web.Response:
        link = self.link(request, Purpose.CHART)
        is_dark = request.query.get("in") == "dark"
        if request.query.get("as") == "svg" and self.known.charts is not None:
            chart = await found_in_time(self.known.charts, link.about, wait_s=0.0)
            if chart is not None:
                svg = standalone(chart, self.known.writer.zone, DARK if is_dark else LIGHT)
                return web.Response(text=svg, content_type="image/svg+xml", headers=SVG_HEADERS)
        elif self._pictures is not None:
            picture = await self._pictures.drawn(link.about)
            if picture is not None:
                png = (picture.dark if is_dark else None) or picture.light
                return web.Response(body=png, content_type="image/png", headers=HEADERS)
        return self.pages.notice("No picture", "There is none of this change any more.", depth=1, status=404)

    # ---- login ------------------------------------------------------------------------------------------------------

    def logged_in(self, request: web.BaseRequest, *, to: str = "") -> Visitor:
        """Who asks. to: where they go on after a login, below the root. Raises PageRefusal with the login."""
        visitor = self.visitors.by_login(request)
        if visitor is None:
            raise PageRefusal(self._login_page(request, to=to))
        return visitor

    def _login_page(self, request: web.BaseRequest, *, to: str = "", said: str = "") -> web.Response:
        """The page that asks for a token. to: where to go on then, below the root."""
        values = {
            "said": said,
            "has_tokens": self._has_tokens(),
            "form": self.visitors.form("login"),
            "to": to if _PLACE.fullmatch(to) else "",
            "visitor_name": self.visitors.name_of(request),
        }
        # Of the path as it was sent: a slash within an id is none of its own.
        depth = request.rel_url.raw_path.count("/") - 1
        return self.pages.page("login", values, depth=depth, status=401)

    @page("GET", "/login", "Where a token is given for a browser to keep")
    async def _ask_login(self, request: web.BaseRequest) -> web.Response:
        return self._login_page(request)

    @page("POST", "/login", "Give a token")
    async def _log_in(self, request: web.BaseRequest) -> web.Response:
        given = await self._login_form(request)
        if given is None:
            return self._login_page(request, said=STALE)
        token, to = given.get("token", "").strip(), given.get("to", "")
        to = to if _PLACE.fullmatch(to) else ""
        login = self.visitors.login(token)
        if login is None:
            log.warning("a login was refused", remote=request.remote)
            return self._login_page(request, to=to, said="This is no token of this service.")
        answered = seen_at(f"./{to}")
        self.visitors.remember_login(answered, login)
        if name := clean_name(given.get("name", "")):
            self.visitors.remember_name(answered, name)
        return answered

    async def _login_form(self, request: web.BaseRequest) -> Mapping[str, str] | None:
        """The fields of a form of ours that logs in or out; None: it is no such form, or was made long ago."""
        given = await self.form_of(request)
        is_ours = given is not None and self.visitors.form_id(given.get("form", ""), "login") is not None
        return given if is_ours else None

    @page("POST", "/logout", "Have the browser forget the token")
    async def _log_out(self, request: web.BaseRequest) -> web.Response:
        if await self._login_form(request) is None:
            return self._login_page(request, said=STALE)
        answered = seen_at("./")
        self.visitors.forget_login(answered)
        return answered


def _about(transitions: list[Transition]) -> str:
    """What a form of an episode's page is for."""
    return f"alert/{transitions[-1].alert_id}/{transitions[-1].episode_id}"
