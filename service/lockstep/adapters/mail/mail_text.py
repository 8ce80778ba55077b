"""A message to people as plain text."""

from lockstep.adapters.mail.leads import Leads
from lockstep.notification import Item, Message


def text_part(body: Message, leads: Leads | None = None) -> str:
    """The message as plain text. leads: one link for each alert."""
    leads = leads or Leads()
    lines: list[str] = []
    for item in body.items:
        lines += [f"[{item.badge}] {item.headline}"]
        lines += [f"  {item.handled}"] if item.handled else []
        if not item.is_over and item.value_bar:
            lines += [
                f"  {item.value_bar} {item.value} {item.span}",
                f"  {item.usual_bar} {item.usual} {item.usual_is}",
            ]
        for part in item.team_parts:
            lines += [f"  {part.team}: {part.to_do}" if part.team else f"  {part.to_do}"] if part.to_do else []
            lines += [f"    {part.meaning}"] if part.meaning else []
        if page := leads.page(item):
            lines += [f"  {_what_for(item)}: {page}"]
        lines += [f"  {name}: {text}" for name, text in leads.reasons(item)]
        lines += [f"  Rule: {body.about(item)}"]
        lines += [f"  {item.runbook}"] if item.runbook and not item.is_over else []
        lines += [f"  Owner: {item.owner}"] if item.owner and not item.is_over else []
        lines += [f"  Note: {item.note}"] if item.note else []
        lines += [f"  {item.when}", ""]
    lines += body.remarks(shown=len(body.items))
    lines += [f"You get this because: {body.reason}."] if body.reason else []
    return "\n".join(lines).rstrip() + "\n"


def _what_for(item: Item) -> str:
    """What can be done where the item's link leads."""
    if item.campaign is not None:
        return "Look, confirm or object" if item.campaign.may_reply else "Look"
    return "Look" if item.is_over else "Look, acknowledge"
