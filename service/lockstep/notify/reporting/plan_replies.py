"""How campaigns stand between the teams: what a plan was answered, and whether operations confirm it or object.

Both teams hear each answer once, people as a notice and programs as a document: of the same announcement again only
where the verdict has changed, or its numbers notably have (a revision). A reply is told to both, too; a new
announcement asks for a new one. That a campaign which they have heard of is cancelled is an answer as well, to which
nobody replies.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from lockstep.errors import StateError
from lockstep.labels import stable_id
from lockstep.notification import PlanNews
from lockstep.notify.pipeline.hooks import Applied, Happened, Notice, ProgramDocument
from lockstep.notify.programs.campaign_documents import answered_document, replied_document
from lockstep.notify.programs.program_receivers import program_documents
from lockstep.ports import Destination
from lockstep.response.command import AnswerPlan, Command, ReplyToPlan
from lockstep.response.standing import LONGEST_COMMENT, LONGEST_NAME, PlanStanding
from lockstep.text.one_line import flat
from lockstep.text.rfc3339 import moment_text
from lockstep.transition import Transition

KEY = b"\x1fplan\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
FORMAT = 1
MOST_PLANS = 1_000
"""Of more, the one that was answered longest ago is forgotten."""
_SAID = {"confirmed": "confirmed", "objected": "objected to"}
CANCELLED = "cancelled"
_VERDICTS = {
    "yes": "can be done",
    "change": "needs a change",
    "no": "cannot be done as it is planned",
    CANCELLED: "is cancelled",
}


class _Stored(msgspec.Struct):
    """untold: notices that no tick has handed on: (headline, text)."""

    standing: PlanStanding
    untold: list[tuple[str, str]]
    format: int = FORMAT


class PlanReplies:
    """hooks.Part."""

    def __init__(self, programs: Sequence[Destination] = (), *, most: int = MOST_PLANS) -> None:
        """programs: the webhooks of the teams. most: campaigns that are known at once."""
        self._programs, self._most = tuple(programs), most
        self._plans: dict[str, _Stored] = {}
        self._dirty: set[str] = set()

    def hear(self, transition: Transition) -> None:
        """A campaign is planned whatever fires."""

    def apply(self, command: Command, moment: float) -> Applied | None:
        match command:
            case AnswerPlan():
                return self._answer(command, moment)
            case ReplyToPlan():
                return self._reply(command, moment)
            case _:
                return None

    def _answer(self, command: AnswerPlan, moment: float) -> Applied:
        known = self._plans.get(command.campaign)
        before = None if known is None else known.standing
        if command.verdict not in _VERDICTS:
            return Applied(False, "an answer is yes, change, no or cancelled")
        if before is not None and command.number < before.number:
            return Applied(False, f"{command.campaign} was announced anew since")
        is_same = before is not None and before.number == command.number
        if before is not None and is_same and command.revision < before.revision:
            return Applied(False, f"both teams have heard newer numbers of {command.campaign}")
        is_verdict_known = before is not None and is_same and before.verdict == command.verdict
        if before is not None and is_verdict_known and command.revision == before.revision:
            return Applied(False, f"both teams have heard that {command.campaign} {_VERDICTS[command.verdict]}")
        if known is None and len(self._plans) >= self._most:
            self._forget_oldest()
        standing = PlanStanding(
            campaign=command.campaign,
            number=command.number,
            verdict=command.verdict,
            why=flat(command.why)[:LONGEST_COMMENT],
            answered_at=moment_text(moment),
            revision=command.revision,
        )
        now, other, previous_verdict = "", "", ""
        if before is not None and is_same:  # what operations said to it stands
            now, previous_verdict = "now ", before.verdict
            if is_verdict_known:
                now, other = "still ", ", with other numbers"
            standing = msgspec.structs.replace(
                standing, reply=before.reply, by=before.by, at=before.at, note=before.note
            )
        as_known = ", as far as is known" if standing.verdict == "yes" and command.facts.get("unknown") else ""
        headline = f"Campaign {standing.campaign} {now}{_VERDICTS[standing.verdict]}{as_known}{other}"
        document = answered_document(standing, command.facts, previous_verdict=previous_verdict)
        lines = [flat(line) for line in command.why[:LONGEST_COMMENT].split("\n")]
        # A command is applied once, so its id is that of what is told.
        documents = program_documents(self._programs, document, command.id, subject=f"campaign/{standing.campaign}")
        return self._keep(standing, headline, "\n".join(lines), documents)

    def _reply(self, command: ReplyToPlan, moment: float) -> Applied:
        known = self._plans.get(command.campaign)
        if known is None:
            return Applied(False, f"no campaign '{command.campaign[:100]}' was answered yet; try it again in a moment")
        standing = known.standing
        if command.number != standing.number:
            return Applied(False, f"{command.campaign} was announced anew since; look at the new plan first")
        if standing.verdict == CANCELLED:
            return Applied(False, f"{command.campaign} is cancelled: there is nothing to reply")
        note = flat(command.note)[:LONGEST_COMMENT]
        if command.reply == "objected" and not note:
            return Applied(False, "an objection says why, so that marketing can change the plan; write it")
        if (command.reply, note) in ((standing.reply, standing.note), (standing.reply, "")):
            return Applied(False, f"{standing.by} has {_SAID[standing.reply]} {command.campaign} already")
        standing = msgspec.structs.replace(
            standing, reply=command.reply, by=command.by[:LONGEST_NAME], at=moment_text(moment), note=note
        )
        headline = f"{standing.by} {_SAID[standing.reply]} campaign {standing.campaign}"
        then = {
            "confirmed": "Operations are ready for it as it is planned.",
            "objected": "Marketing: change the plan or speak with operations before it starts.",
        }[command.reply]
        documents = program_documents(
            self._programs, replied_document(standing), command.id, subject=f"campaign/{standing.campaign}"
        )
        text = f"{then}\n{standing.by} says: {note}" if note else then
        return self._keep(standing, headline, text, documents)

    def _forget_oldest(self) -> None:
        """Campaigns of years come to a thousand, and the next one is to be answered as well."""
        settled = [plan.standing for plan in self._plans.values() if not plan.untold]
        oldest = min(settled, key=lambda plan: (plan.answered_at, plan.campaign), default=None)
        if oldest is not None:
            del self._plans[oldest.campaign]
            self._dirty.add(oldest.campaign)

    def _keep(
        self, standing: PlanStanding, headline: str, text: str, documents: tuple[ProgramDocument, ...]
    ) -> Applied:
        known = self._plans.get(standing.campaign)
        untold = [] if known is None else known.untold
        self._plans[standing.campaign] = _Stored(standing, [*untold, (headline, text)])
        self._dirty.add(standing.campaign)
        return Applied(True, headline, (standing,), documents=documents)

    def tick(self, moment: float) -> Happened:
        happened = Happened()
        for campaign, stored in self._plans.items():
            for headline, text in stored.untold:
                said = stored.standing
                number = stable_id("plan notice", campaign, said.number, headline, said.answered_at, said.at)
                may_reply = said.verdict != CANCELLED
                is_open = may_reply and not said.reply
                plan = PlanNews(campaign=campaign, number=said.number, may_reply=may_reply, is_open=is_open)
                is_fine = (said.reply or said.verdict) in ("confirmed", "yes")
                severity: Literal["info", "warning"] = "info" if is_fine else "warning"
                happened.notices.append(Notice(number, headline, text, severity=severity, plan=plan))
            if stored.untold:
                stored.untold = []
                self._dirty.add(campaign)
        return happened

    def cut(self) -> dict[bytes, bytes | None]:
        entries: dict[bytes, bytes | None] = {
            KEY + campaign.encode(): msgspec.json.encode(self._plans[campaign]) if campaign in self._plans else None
            for campaign in self._dirty
        }
        self._dirty.clear()
        return entries

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        for key, value in entries.items():
            if key.startswith(KEY):
                stored = msgspec.json.decode(value, type=_Stored)
                if stored.format != FORMAT:
                    said = f"a campaign of format {stored.format}, this version reads {FORMAT}"
                    raise StateError(f"lockstep.notify-state: {said}")
                self._plans[stored.standing.campaign] = stored
