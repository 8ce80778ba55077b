"""An account as Markdown, for a document that two teams go through together. Nothing that a label says is markup."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from lockstep.adapters.timeline.account import Account
from lockstep.text.figures import time_text
from lockstep.text.one_line import flat

_MARKS = re.compile(r"([\\`*_\[\]|#~!>])")


def escaped(text: str) -> str:
    """Text on one line that Markdown shows as it stands, also in a table, and that HTML inside of it cannot leave."""
    return _MARKS.sub(r"\\\1", flat(text).replace("&", "&amp;").replace("<", "&lt;")).replace("://", ":\u200b//")


def as_markdown(review: Account) -> str:
    """The account: who knew since when, then every line."""
    zone = ZoneInfo(review.zone)
    lines = [f"# Timeline: {escaped(review.title)}", "", _stretch(review, zone), ""]
    lines += [f"> {escaped(remark)}\n" for remark in review.remarks]
    if review.heard:
        lines += ["## Who knew since when", "", "| who | when | how | after it began |", "|---|---|---|---|"]
        lines += [
            f"| {escaped(h.who)} | {_clock(h.at, zone)} | {h.how} | {escaped(h.after) or 'at once'} |"
            for h in review.heard
        ]
        lines.append("")
    lines += ["## What happened", ""]
    if not review.entries:
        lines += ["Nothing is known of this stretch of time."]
    else:
        lines += ["| when | what |", "|---|---|"]
        for entry in review.entries:
            happened = f" (happened {_clock(entry.happened_at, zone)})" if entry.happened_at else ""
            lines.append(f"| {_clock(entry.at, zone)} | {escaped(entry.what)}{happened} |")
    return "\n".join(lines) + "\n"


def _stretch(review: Account, zone: ZoneInfo) -> str:
    starts = time_text(review.starts, zone) if review.starts else "the beginning"
    ends = time_text(review.ends, zone) if review.ends else "now"
    return f"From {starts} to {ends}. Times are of {review.zone}; each is when something became known here."


def _clock(at: str, zone: ZoneInfo) -> str:
    """`Tue 24 Nov 09:30:12`."""
    local = datetime.fromisoformat(at).astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %H:%M:%S}"
