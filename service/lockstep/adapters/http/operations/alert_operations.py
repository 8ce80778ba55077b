"""/v1/alerts: what is pending, firing or ended, what happened to one, its chart, and what people do about it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web
from pydantic import Field

from lockstep.adapters.alert_board import AlertBoard
from lockstep.adapters.explain_answer import labels_from
from lockstep.adapters.http.caller import Role, path_value
from lockstep.adapters.http.openapi import NO_TOKEN, TEXT, Operation, answer, answers, error, list_of, object_of
from lockstep.adapters.http.operations.alert_charts import AlertCharts, ChartQuery
from lockstep.adapters.http.operations.alert_lookup import AlertLookup
from lockstep.adapters.http.operations.giving import KEY_PARAMETER, CommandForm, Giver, UntilForm, answered, responses
from lockstep.adapters.http.operations.silenced import Silenced
from lockstep.adapters.http.paging import NEXT, Page, page_of
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.typed_requests import Form, body_of, query_of
from lockstep.adapters.response_board import Event, ResponseBoard
from lockstep.errors import RuleError
from lockstep.response.command import Acknowledge, AddNote, Answer, Assign, Close, Command, Snooze, TakeBack
from lockstep.response.decision import Decision
from lockstep.response.standing import LONGEST_COMMENT, LONGEST_NAME
from lockstep.transition import Transition

States = Literal["pending", "firing", "resolved", "acknowledged", "silenced", "all"]

ALERT = object_of(
    "An alert: its last transition, as `alert.schema.json` has `data`, and what people did",
    {
        "alert_id": {**TEXT, "description": "For ever the same: a rule on these labels"},
        "episode_id": {**TEXT, "description": "From its first pending or firing instant to its end"},
        "rule": {**TEXT, "description": "The rule's name"},
        "labels": {"type": "object", "additionalProperties": TEXT, "description": "What it is about"},
        "state": {"enum": ["pending", "firing", "resolved", "inactive"], "description": "Where it stands"},
        "severity": {"enum": ["info", "warning", "critical"], "description": "How bad it is"},
        "since": {**TEXT, "format": "date-time", "description": "When the episode began"},
        "handling": {
            "anyOf": [{"$ref": "#/components/schemas/Handling"}, {"type": "null"}],
            "description": "What people did about this episode; null while nobody did anything",
        },
        "silenced_by": list_of("Ids of silences that match it now, for a team at least", TEXT),
    },
)
ALERTS = object_of(
    "A page of alerts, those that began first at its head",
    {"alerts": list_of("The alerts", {"$ref": "#/components/schemas/Alert"}), "next": NEXT},
)
HAPPENED: dict[str, Any] = {
    "type": "object",
    "description": "One thing that happened: `kind` says whether a transition, a decision or the answer to a command",
    "properties": {"kind": {"enum": ["transition", "decision", "answer"], "description": "What it is"}},
    "required": ["kind"],
}


class AlertsQuery(Page):
    """Which alerts."""

    rule: str = Field("", max_length=200, description="Of this rule alone")
    state: States | None = Field(
        None,
        description="`pending`, `firing`, `resolved` (within a day), `all`, or of the open ones those that are "
        "`acknowledged` or `silenced`; without: all that are open",
    )
    severity: Literal["info", "warning", "critical"] | None = Field(None, description="Of this severity alone")
    label: list[str] = Field([], max_length=20, description="`sku=A-1`; may stand several times, all are meant")


class EpisodeQuery(Form):
    """Of which episode."""

    episode: str = Field("", max_length=100, description="Of this episode alone; without: of all that are known")


class ExplainQuery(Form):
    """What is to be explained."""

    what: str = Field(
        min_length=1, max_length=200, description="A rule's name, or the id of an alert, an episode or a transition"
    )
    label: list[str] = Field([], max_length=20, description="`sku=A-1`; may stand several times")


class AlertCommandForm(CommandForm):
    """A command about an alert."""

    episode: str = Field("", max_length=100, description="The episode that was seen; without: the one that is open now")


class AcknowledgeForm(AlertCommandForm, UntilForm):
    """Somebody has it."""

    note: str = Field("", max_length=LONGEST_COMMENT, description="What to say with it")


class AssignForm(AlertCommandForm):
    """Whose it is."""

    to: str = Field(max_length=LONGEST_NAME, description="The name of a person; empty: nobody's")


class NoteForm(AlertCommandForm):
    """Something to know."""

    text: str = Field(min_length=1, max_length=LONGEST_COMMENT, description="For the timeline and later messages")


class SnoozeForm(AlertCommandForm, UntilForm):
    """Nothing is said for a while; `until` or `for` has to be there."""


class CloseForm(AlertCommandForm):
    """It is over for people."""

    note: str = Field("", max_length=LONGEST_COMMENT, description="What to say with it")


def _command(name: str, summary: str, form: type[CommandForm]) -> Operation:
    return Operation(
        "POST",
        f"/v1/alerts/{{id}}/{name}",
        summary,
        responses(s404="No such alert"),
        parameters=[KEY_PARAMETER],
        form=form,
        role=Role.RESPONDER,
    )


class AlertOperations:
    """Alerts, and what people do about them."""

    def __init__(
        self,
        board: AlertBoard,
        responses: ResponseBoard,
        *,
        giver: Giver,
        charts: AlertCharts,
        lookup: AlertLookup,
        teams_of: Callable[[str], Sequence[str]],
        explain: Callable[[str, dict[str, str]], dict[str, Any]],
        zone: ZoneInfo,
    ) -> None:
        """teams_of: whom a rule's alerts concern. explain: (rule or id, labels) → the answer of /v1/explain; raises
        RuleError for what is not there. zone: of the shop."""
        self._lookup, self._teams_of = lookup, teams_of
        self._board, self._responses, self._giver = board, responses, giver
        self._charts, self._explained, self._zone = charts, explain, zone

    # ---- what there is --------------------------------------------------------------------------------------------

    @answers(
        Operation(
            "GET",
            "/v1/alerts",
            "What is pending or firing now, since when, with its numbers, and who has it",
            {
                200: answer("A page of alerts", {"$ref": "#/components/schemas/Alerts"}),
                400: error("No such state, label or page"),
                401: NO_TOKEN,
            },
            query=AlertsQuery,
        )
    )
    async def _alerts(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, AlertsQuery)
        try:
            labels = labels_from(query.label)
        except RuleError as error:
            raise Refusal(400, f"label: {error}") from error
        silenced = self._silenced()
        every = query.state in ("all", "resolved")
        alerts = [
            t
            for t in (self._board.alerts(every=True) if every else self._board.open())
            if (not query.rule or t.rule == query.rule)
            and (query.severity is None or t.severity == query.severity)
            and labels.items() <= t.labels.items()
            and self._is_in(query.state, t, silenced)
        ]
        shown, following = page_of(alerts, query, _place)
        return web.json_response({"alerts": [self._shown(t, silenced) for t in shown], "next": following})

    @answers(
        Operation(
            "GET",
            "/v1/alerts/{id}",
            "One alert with all that happened to it: what changed, who was told and why, what people did",
            {
                200: answer(
                    "The alert, its timeline and where its chart is",
                    {
                        "allOf": [
                            {"$ref": "#/components/schemas/Alert"},
                            object_of(
                                "With what happened",
                                {
                                    "timeline": list_of("Oldest first", HAPPENED),
                                    "chart": {**TEXT, "description": "The path of its chart as SVG; `.png` as PNG"},
                                },
                            ),
                        ]
                    },
                ),
                400: error("Something else was asked"),
                401: NO_TOKEN,
                404: error("No such alert"),
            },
            query=EpisodeQuery,
        )
    )
    async def _alert(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, EpisodeQuery)
        alert = await self._lookup.of(path_value(request, "id"))
        timeline = self._responses.timeline(alert.alert_id, query.episode)
        more = {
            "timeline": [_happened(event) for event in timeline],
            "chart": f"/v1/alerts/{alert.alert_id}/chart.svg",
        }
        return web.json_response({**self._shown(alert, self._silenced()), **more})

    @answers(
        Operation(
            "GET",
            "/v1/alerts/{id}/chart.svg",
            "What was measured around the last change that has a chart",
            {
                200: {"description": "The drawing", "content": {"image/svg+xml": {"schema": TEXT}}},
                400: error("Another theme"),
                401: NO_TOKEN,
                404: error("No such alert, or there is nothing to show"),
                503: error("The broker does not answer"),
            },
            query=ChartQuery,
        )
    )
    async def _chart_svg(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, ChartQuery)
        return await self._charts.svg(await self._transitions(path_value(request, "id")), query)

    @answers(
        Operation(
            "GET",
            "/v1/alerts/{id}/chart.png",
            "The same as a picture",
            {
                200: {"description": "The picture", "content": {"image/png": {"schema": TEXT}}},
                400: error("Another theme"),
                401: NO_TOKEN,
                404: error("No such alert, or there is nothing to show"),
                503: error("The broker does not answer, or it could not be drawn in time"),
            },
            query=ChartQuery,
        )
    )
    async def _chart_png(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, ChartQuery)
        return await self._charts.png(await self._transitions(path_value(request, "id")), query)

    @answers(
        Operation(
            "GET",
            "/v1/explain",
            "Why a rule fires or does not, for the groups that this worker judges",
            {
                200: answer("The verdict with every number that it read, and where the alert stands"),
                400: error("Nothing was asked for"),
                401: NO_TOKEN,
                404: error("No such rule, label or id"),
            },
            query=ExplainQuery,
        )
    )
    async def _explain(self, request: web.BaseRequest) -> web.Response:
        if not request.query.get("what"):
            raise Refusal(400, "what? write ?what=RULE&label=sku=A-1")
        query = query_of(request, ExplainQuery)
        try:
            answer = self._explained(query.what, labels_from(query.label))
        except RuleError as error:
            raise Refusal(404, str(error)) from error
        return web.json_response(answer)

    # ---- what people do -------------------------------------------------------------------------------------------

    @answers(_command("acknowledge", "Somebody has it: nothing repeats or escalates", AcknowledgeForm))
    async def _acknowledge(self, request: web.BaseRequest) -> web.Response:
        alert, form = await self._lookup.of(path_value(request, "id")), await body_of(request, AcknowledgeForm)
        until = form.ends(self._giver.clock())
        return await self._apply(request, form, alert, partial(Acknowledge, until=until, note=form.note))

    @answers(_command("take-back", "Nobody has it any more, and it is neither snoozed nor closed", AlertCommandForm))
    async def _take_back(self, request: web.BaseRequest) -> web.Response:
        alert, form = await self._lookup.of(path_value(request, "id")), await body_of(request, AlertCommandForm)
        return await self._apply(request, form, alert, TakeBack)

    @answers(_command("assign", "It is somebody's from now on", AssignForm))
    async def _assign(self, request: web.BaseRequest) -> web.Response:
        alert, form = await self._lookup.of(path_value(request, "id")), await body_of(request, AssignForm)
        return await self._apply(request, form, alert, partial(Assign, to=form.to))

    @answers(_command("note", "Something to know about it", NoteForm))
    async def _note(self, request: web.BaseRequest) -> web.Response:
        alert, form = await self._lookup.of(path_value(request, "id")), await body_of(request, NoteForm)
        return await self._apply(request, form, alert, partial(AddNote, text=form.text))

    @answers(_command("snooze", "Nothing more is said of it until then, unless it gets worse", SnoozeForm))
    async def _snooze(self, request: web.BaseRequest) -> web.Response:
        alert, form = await self._lookup.of(path_value(request, "id")), await body_of(request, SnoozeForm)
        until = form.ends(self._giver.clock())
        if until is None:
            raise Refusal(400, 'until when? say {"for": "1h"} or `until`')
        return await self._apply(request, form, alert, partial(Snooze, until=until))

    @answers(_command("close", "It is over for people, until it gets worse or begins anew", CloseForm))
    async def _close(self, request: web.BaseRequest) -> web.Response:
        alert, form = await self._lookup.of(path_value(request, "id")), await body_of(request, CloseForm)
        return await self._apply(request, form, alert, partial(Close, note=form.note))

    # ---- inside ---------------------------------------------------------------------------------------------------

    async def _transitions(self, number: str) -> list[Transition]:
        """Those of the alert with this id, newest first."""
        alert = await self._lookup.of(number)
        return [*reversed(self._responses.transitions(alert.alert_id))] or [alert]

    def _silenced(self) -> Silenced:
        return Silenced(self._responses.silences(), self._giver.clock(), self._zone, self._teams_of)

    def _is_in(self, state: States | None, t: Transition, silenced: Silenced) -> bool:
        match state:
            case None | "all":
                return True
            case "acknowledged":
                handling = self._responses.handling(t.alert_id)
                return handling is not None and handling.episode_id == t.episode_id and bool(handling.acknowledged_by)
            case "silenced":
                return bool(silenced.by(t))
        return state_of(t) == state

    def _shown(self, t: Transition, silenced: Silenced) -> dict[str, Any]:
        handling = self._responses.handling(t.alert_id)
        if handling is not None and handling.episode_id != t.episode_id:
            handling = None  # of an episode before
        return {
            **msgspec.to_builtins(t),
            "state": state_of(t),
            "since": t.started_at,
            "handling": msgspec.to_builtins(handling),
            "silenced_by": [silence.id for silence in silenced.by(t)],
        }

    async def _apply(
        self, request: web.BaseRequest, form: AlertCommandForm, alert: Transition, command: Callable[..., Command]
    ) -> web.Response:
        """What somebody does about an alert. command: which, but for the alert and who gives it."""
        about = partial(command, alert_id=alert.alert_id, episode_id=form.episode)
        given = await self._giver.applied(request, form, about)
        return answered(given, handling=self._responses.handling(alert.alert_id))


_STATES: Mapping[str, str] = {"severity": "firing", "cancelled": "inactive"}


def state_of(transition: Transition) -> str:
    """The state that a transition leads to."""
    return _STATES.get(transition.state.value, transition.state.value)


def _place(t: Transition) -> tuple[str, str, str, str]:
    # Without the Z: 12:00:00.5Z comes before 12:00:00Z as text.
    return (
        t.started_at.removesuffix("Z"),
        t.rule,
        "\x1f".join(f"{n}={v}" for n, v in sorted(t.labels.items())),
        t.alert_id,
    )


def _happened(event: Event) -> dict[str, Any]:
    kind = {Transition: "transition", Decision: "decision", Answer: "answer"}[type(event)]
    return {**msgspec.to_builtins(event), "kind": kind}
