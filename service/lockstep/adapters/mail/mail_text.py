"""A message to people as plain text."""

from collections.abc import Iterator

from lockstep.adapters.mail.leads import Leads
from lockstep.notification import Item, Message


def text_part(body: Message, leads: Leads | None = None) -> str:
    """The message as plain text. leads: one link for each alert."""
    leads = leads or Leads()
    lines = [] if body.count == 1 else [*filter(None, [body.lead, body.same]), ""]
    for place, item in enumerate(body.items):
        is_whole, with_to_do = body.count == 1, place < body.to_do_of
        lines += [*(_said(body, item, leads) if is_whole else _short(item, leads, with_to_do=with_to_do)), ""]
    if body.overview:
        lines += [f"See all {body.count:,}: {body.overview}", ""]
    lines += body.remarks(shown=len(body.items))
    return "\n".join(lines).rstrip() + "\n"


def _said(body: Message, item: Item, leads: Leads) -> Iterator[str]:
    """All that is said of one alert."""
    whose = f" For {item.audience}." if item.audience else ""
    yield f"[{item.badge}]{whose}"
    yield item.headline
    if item.handled:
        yield f"  {item.handled}"
    for part in item.team_parts:
        if part.to_do:
            yield f"  {part.team}: {part.to_do}" if part.team else f"  {part.to_do}"
        if part.meaning:
            yield f"    {part.meaning}"
    if not item.is_over and item.value_bar:
        yield f"  {item.value_bar} {item.value} {item.span}"
        yield f"  {item.usual_bar} {item.usual} {item.usual_is}"
    if item.because:
        yield f"  {item.because}"
    if page := leads.page(item):
        yield f"  {_what_for(item)}: {page}"
    owner, runbook = ("", "") if item.is_over else (item.owner, item.runbook)
    small = (("Steps", runbook), ("Owner", owner), ("More", leads.more(item)), ("Note", item.note))
    yield f"  {'; '.join(filter(None, [item.when, body.about(item)]))}"
    yield from (f"  {name}: {text}" for name, text in small if text)


def _short(item: Item, leads: Leads, *, with_to_do: bool) -> Iterator[str]:
    """One of several: what it is, and what to do."""
    yield f"[{item.badge}] {item.headline}"
    if said := item.handled or (with_to_do and item.in_short):
        yield f"  {said}"
    if page := leads.page(item):
        yield f"  {_what_for(item)}: {page}"


def _what_for(item: Item) -> str:
    """What can be done where the item's link leads."""
    if item.campaign is not None:
        is_asked = item.campaign.may_reply and item.campaign.is_open
        return "Answer yes or no" if is_asked else "See the campaign"
    return "See details" if item.is_over or item.handled else "I'm on it, or see details"
