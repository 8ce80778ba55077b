"""How campaigns stand between the teams: what a plan was answered, and whether operations confirm it or object.

Both teams hear each answer once, people as a notice and programs as a document: of the same announcement again only
where the verdict has changed, or its numbers notably have (a revision). A reply is to the answer, and told to both,
too: to confirm a yes, or to object to another answer, says that the campaign runs as it is planned. A new announcement
asks for a new one, and so does another verdict: who said yes to what could be done has not agreed to what cannot.
That a campaign which they have heard of is cancelled is an answer as well, to which nobody replies.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from lockstep.errors import StateError
from lockstep.labels import stable_id
from lockstep.notification import PlanNews
from lockstep.notify.pipeline.hooks import Applied, Happened, Notice, ProgramDocument
from lockstep.notify.programs.campaign_documents import FOR_PEOPLE, AnswerWords, answered_document, replied_document
from lockstep.notify.programs.program_receivers import program_documents
from lockstep.ports import Destination
from lockstep.response.command import AnswerPlan, Command, ReplyToPlan
from lockstep.response.standing import LONGEST_COMMENT, LONGEST_NAME, PlanStanding
from lockstep.shop.plans.plan_words import (
    CANCELLED_TO_DOS,
    PLANNING_TEAM,
    asked_of_both,
    by_text,
    headline,
    is_as_planned,
    reply_headline,
    reply_to_dos,
)
from lockstep.text.figures import clock_text
from lockstep.text.one_line import flat
from lockstep.text.rfc3339 import moment_text
from lockstep.transition import Transition

KEY = b"\x1fplan\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
FORMAT = 1
MOST_CHANGED = 2
"""Of what is other than it was told before so many sentences; the page has all numbers."""
MOST_PLANS = 1_000
"""Of more, the one that was answered longest ago is forgotten."""
CANCELLED = "cancelled"
_VERDICTS = ("yes", "change", "no", CANCELLED)
Own = dict[str, tuple[str, str]]
"""Of `Notice.own`."""


UTC = ZoneInfo("UTC")


class _Untold(msgspec.Struct, array_like=True):
    """A notice that no tick has handed on. own: of `Notice`; {} in a version before this one."""

    headline: str
    text: str
    own: Own = {}


class _Stored(msgspec.Struct):
    standing: PlanStanding
    untold: list[_Untold]
    format: int = FORMAT


class PlanReplies:
    """hooks.Part."""

    def __init__(self, programs: Sequence[Destination] = (), *, zone: ZoneInfo = UTC, most: int = MOST_PLANS) -> None:
        """programs: the webhooks of the teams. zone: the shop's. most: campaigns that are known at once."""
        self._programs, self._zone, self._most = tuple(programs), zone, most
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
            return Applied(False, f"both teams have heard this answer to {command.campaign}")
        if known is None and len(self._plans) >= self._most:
            self._forget_oldest()
        facts = command.facts
        words = msgspec.convert(facts.get(FOR_PEOPLE, {}), AnswerWords)
        standing = PlanStanding(
            campaign=command.campaign,
            number=command.number,
            verdict=command.verdict,
            why=flat(command.why)[:LONGEST_COMMENT],
            answered_at=moment_text(moment),
            revision=command.revision,
            when=words.when,
            proposal=flat(str(facts.get("suggestion", ""))),
            reply_by=str(facts.get("reply_by", "")),
        )
        again, lines = "", list(words.lines) or command.why.split("\n")
        if before is not None and is_same:
            again = "still" if is_verdict_known else "now"
            lines = [*self._since(before, facts, is_verdict_known=is_verdict_known), *lines]
        if before is not None and is_verdict_known:  # what operations said to it stands
            standing = msgspec.structs.replace(
                standing, reply=before.reply, by=before.by, at=before.at, note=before.note
            )
        said = headline(
            standing.campaign,
            standing.verdict,
            when=standing.when,
            cause=words.cause,
            is_open=bool(facts.get("unknown")),
            again=again,
        )
        standing = msgspec.structs.replace(standing, headline=said)
        document = answered_document(
            standing, facts, previous_verdict="" if before is None or not is_same else before.verdict
        )
        # A command is applied once, so its id is that of what people hear.
        documents = program_documents(self._programs, document, command.id, subject=f"campaign/{standing.campaign}")
        return self._keep(standing, _Untold(said, _text(lines), self._asked(standing, facts, words)), documents)

    def _since(self, before: PlanStanding, facts: Mapping[str, object], *, is_verdict_known: bool) -> Iterator[str]:
        """What is other than it was told before; and that who replied to that is asked again."""
        changed = facts.get("changed")
        news = " ".join(map(str, changed[:MOST_CHANGED])) if isinstance(changed, list) else ""
        at = clock_text(before.answered_at, self._zone)
        if is_verdict_known:
            yield f"New since {at}. {news}" if news else f"Its numbers are other than on {at}."
            return
        yield f"It was {_was(before)} on {at}. {news}".strip()
        if before.reply:
            yield f"The answer of {before.by} counts no more, as the numbers are others: operations are asked again."

    def _asked(self, standing: PlanStanding, facts: Mapping[str, object], words: AnswerWords) -> Own:
        """What each team is to do after an answer."""
        if standing.verdict == CANCELLED:
            return _after(CANCELLED_TO_DOS)
        if standing.reply:
            return _after(reply_to_dos(standing, self._zone))
        missing = facts.get("missing")
        marketing, others = asked_of_both(
            standing.verdict,
            by=by_text(standing.reply_by, self._zone),
            proposal=standing.proposal,
            instead=words.instead,
            missing=missing if isinstance(missing, Mapping) else {},
        )
        return {PLANNING_TEAM: (marketing.to_do, marketing.beside), "": (others.to_do, others.beside)}

    def _reply(self, command: ReplyToPlan, moment: float) -> Applied:
        known = self._plans.get(command.campaign)
        if known is None:
            return Applied(False, f"no campaign '{command.campaign[:100]}' was answered yet; try it again in a moment")
        standing = known.standing
        if command.number != standing.number:
            return Applied(False, f"{command.campaign} was announced anew since; look at the new plan first")
        if standing.verdict == CANCELLED:
            return Applied(False, f"{command.campaign} is cancelled: there is nothing to reply")
        if command.seen not in ("", standing.verdict):
            return Applied(False, f"the answer to {command.campaign} is another one now; look at it first")
        note = flat(command.note)[:LONGEST_COMMENT]
        if command.reply == "objected" and not note:
            return Applied(False, "a no says why, so that marketing knows what to do; write it")
        if (command.reply, note) in ((standing.reply, standing.note), (standing.reply, "")):
            return Applied(False, f"{standing.by} has said so already")
        standing = msgspec.structs.replace(
            standing, reply=command.reply, by=command.by[:LONGEST_NAME], at=moment_text(moment), note=note
        )
        said = reply_headline(standing)
        documents = program_documents(
            self._programs,
            replied_document(standing, headline=said),
            command.id,
            subject=f"campaign/{standing.campaign}",
        )
        why = f": {note}" if note else "."
        text = f"{standing.by} said so on {clock_text(standing.at, self._zone)}{why}"
        return self._keep(standing, _Untold(said, text, _after(reply_to_dos(standing, self._zone))), documents)

    def _forget_oldest(self) -> None:
        """Campaigns of years come to a thousand, and the next one is to be answered as well."""
        settled = [plan.standing for plan in self._plans.values() if not plan.untold]
        oldest = min(settled, key=lambda plan: (plan.answered_at, plan.campaign), default=None)
        if oldest is not None:
            del self._plans[oldest.campaign]
            self._dirty.add(oldest.campaign)

    def _keep(self, standing: PlanStanding, untold: _Untold, documents: tuple[ProgramDocument, ...]) -> Applied:
        known = self._plans.get(standing.campaign)
        before = [] if known is None else known.untold
        self._plans[standing.campaign] = _Stored(standing, [*before, untold])
        self._dirty.add(standing.campaign)
        return Applied(True, untold.headline, (standing,), documents=documents)

    def tick(self, moment: float) -> Happened:
        happened = Happened()
        for campaign, stored in self._plans.items():
            for one in stored.untold:
                said = stored.standing
                number = stable_id("plan notice", campaign, said.number, one.headline, said.answered_at, said.at)
                may_reply = said.verdict != CANCELLED
                plan = PlanNews(
                    campaign=campaign,
                    number=said.number,
                    may_reply=may_reply,
                    is_open=may_reply and not said.reply,
                    verdict=said.verdict,
                )
                is_fine = is_as_planned(said.verdict, said.reply) if said.reply else said.verdict in ("yes", CANCELLED)
                severity: Literal["info", "warning"] = "info" if is_fine else "warning"
                happened.notices.append(
                    Notice(number, one.headline, one.text, severity=severity, plan=plan, own=one.own)
                )
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


def _text(lines: Sequence[object]) -> str:
    return "\n".join(filter(None, (flat(str(line)) for line in lines)))[:LONGEST_COMMENT]


def _after(to_dos: tuple[str, str]) -> Own:
    marketing, others = to_dos
    return {PLANNING_TEAM: (marketing, ""), "": (others, "")}


def _was(before: PlanStanding) -> str:
    return {"change": "to be changed"}.get(before.verdict, before.verdict)
