"""A message to people as the HTML of a mail: tables and inline styles, light and dark."""

from collections.abc import Mapping, Sequence
from html import escape

from lockstep.adapters.mail.leads import Leads
from lockstep.notification import Item, Message, TeamPart
from lockstep.text.one_line import flat

_COLOURS = {"critical": "#b42318", "warning": "#b54708", "info": "#175cd3", "over": "#067647"}
_USUAL, _GREY, _SOFT, _LINE = "#98a2b3", "#667085", "#475467", "#e4e7ec"
_MEANING = f"font-size:14px;line-height:1.5;color:{_SOFT}"

MOST_WHOLE, WHOLE_OF_MANY = 5, 3
"""So many items are shown with all that there is to say; of more so many of them, and of the others a line each."""

_DARK_COLOURS = {"critical": "#d92d20", "warning": "#c4440f", "info": "#1570ef", "over": "#0a7d49", "usual": "#61646c"}
_DARK_MODE = (
    ":root{color-scheme:light dark;supported-color-schemes:light dark}"
    "@media (prefers-color-scheme:dark){"
    ".page{background:#0c111d!important;color:#f5f5f6!important}"
    ".card{background:#161b26!important;border-color:#333741!important}"
    ".grey{color:#94969c!important}.soft{color:#cecfd2!important;border-color:#333741!important}"
    ".link{color:#84adff!important}"
    ".chart-light{display:none!important}.chart-dark{display:block!important;max-height:none!important}"
    + "".join(f".{tone}{{background:{colour}!important}}" for tone, colour in _DARK_COLOURS.items())
    + "".join(f".{tone}-edge{{border-left-color:{colour}!important}}" for tone, colour in _DARK_COLOURS.items())
    + "}"
)
"""A sheet beside the inline styles, which has to outdo them."""


def html_part(
    body: Message, pictures: Mapping[str, tuple[str, str, str]] | None = None, leads: Leads | None = None
) -> str:
    """The message as one table an item: what happened, value against usual as bars, each team's part.

    Tables and inline styles: that is what every mail client shows. Those that have a dark mode and can be asked for it
    take the colours of `_DARK_MODE`; what they would make of the light ones themselves is often unreadable.

    pictures: what an item's chart is called → where it is found in light, where in dark ("" for nowhere), and what it
    shows. leads: where its buttons lead.
    """
    leads = leads or Leads()
    whole = body.items if len(body.items) <= MOST_WHOLE else body.items[:WHOLE_OF_MANY]
    items = "".join(_card(body, item, (pictures or {}).get(str(item.chart)), leads) for item in whole)
    head, lines = "", body.items[len(whole) :]
    if lines:
        head = _head(body)
        items += _lines(lines, leads)
    remarks = [escape(text) for text in body.remarks(shown=len(body.items))]
    if body.overview:
        remarks = [text.replace(escape(body.overview), _link(body.overview)) for text in remarks]
    if body.reason and not lines:
        remarks.append(f"You get this because: {escape(body.reason)}.")
    if leads.mutes:
        remarks.append(_mutes(leads.mutes))
    foot = "".join(
        f'<p class="grey" style="margin:0 4px 10px;font-size:13px;color:{_GREY}">{text}</p>' for text in remarks
    )
    # The first line of a mail is what its list shows behind the subject.
    preview = "; ".join(f"{item.badge}: {item.headline}" for item in body.items)[:140]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        f"<title>{escape(flat(body.subject))}</title><style>{_DARK_MODE}</style></head>"
        '<body class="page" style="margin:0;padding:0;background:#f2f4f7;color:#101828;'
        'font-family:-apple-system,Segoe UI,Helvetica,Arial,sans-serif">'
        f'<div style="display:none;max-height:0;overflow:hidden">{escape(preview)}</div>'
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center" '
        'style="padding:20px 10px"><table role="presentation" width="100%" cellpadding="0" cellspacing="0" '
        f'style="max-width:600px"><tr><td align="left">{head}{items}{foot}</td></tr></table></td></tr></table>'
        "</body></html>"
    )


def _card(body: Message, item: Item, picture: tuple[str, str, str] | None, leads: Leads) -> str:
    over, tone = item.is_over, _tone(item)
    colour = _COLOURS[tone]
    rows = [
        _row(
            f'<span class="{tone}" style="display:inline-block;padding:2px 9px;border-radius:9px;background:{colour};'
            f'color:#ffffff;font-size:12px;font-weight:bold">{escape(item.badge)}</span>',
            "16px 20px 6px",
        ),
        _row(f'<b style="font-size:19px;line-height:1.3">{escape(item.title)}</b>', "0 20px 10px"),
    ]
    if item.handled:
        rows.append(_row(f'<b style="font-size:15px">{escape(item.handled)}</b>', "0 20px 8px"))
    if not over and item.value_bar:
        longest = max(len(item.value_bar), len(item.usual_bar))
        value = _bar(item.value_bar, longest, tone, colour, item.value, item.span)
        usual = _bar(item.usual_bar, longest, "usual", _USUAL, item.usual, item.usual_is)
        rows.append(
            _row(
                f'<table role="presentation" width="100%" cellpadding="0" cellspacing="0">{value}{usual}</table>',
                "2px 20px 6px",
            )
        )
    rows += [_row(_team(part), "8px 20px 0") for part in item.team_parts]
    if page := leads.page(item):
        rows.append(_row(_buttons(item, page, colour, tone), "16px 20px 2px"))
    if picture is not None:
        rows.append(_row(_chart(*picture), "14px 20px 0"))
    if why := leads.reasons(item):
        said = "<br>".join(f"<b>{escape(name)}</b>&ensp;{_link(text)}" for name, text in why)
        rows.append(
            _row(
                f'<div class="soft" style="border-top:1px solid {_LINE};padding-top:10px;font-size:13px;'
                f'line-height:1.5;color:{_SOFT};word-break:break-word">{said}</div>',
                "12px 20px 0",
            )
        )
    foot = f"{escape(body.about(item))}<br>{escape(item.when)}"
    if item.owner and not over:
        foot = f"Owner: {escape(item.owner)}<br>{foot}"
    if item.runbook and not over:
        foot = f"{_link(item.runbook)}<br>{foot}"
    if item.note:
        foot += f"<br>Note: {escape(item.note)}"
    rows.append(
        _row(f'<span class="grey" style="font-size:12px;line-height:1.6;color:{_GREY}">{foot}</span>', "12px 20px 16px")
    )
    return (
        f'<table role="presentation" class="card {tone}-edge" width="100%" cellpadding="0" cellspacing="0" '
        f'style="background:#ffffff;border:1px solid {_LINE};border-left:5px solid {colour};margin:0 0 14px">'
        f"{''.join(rows)}</table>"
    )


def _team(part: TeamPart) -> str:
    """What to do stands out; below it what it means in the other team's numbers, or why."""
    name = f'<b class="grey" style="font-size:13px;color:{_GREY}">{escape(part.team)}</b>' if part.team else ""
    tag, size = ("b", 16) if part.stands_out else ("span", 15)
    to_do = f'<{tag} dir="auto" style="font-size:{size}px;line-height:1.4">{escape(part.to_do)}</{tag}>'
    meaning = f'<span class="soft" dir="auto" style="{_MEANING}">{escape(part.meaning)}</span>'
    return "<br>".join([*filter(None, [name]), *([to_do] if part.to_do else []), *([meaning] if part.meaning else [])])


def _head(body: Message) -> str:
    """Above very many alerts: how many there are, and why they come together."""
    count = len(body.items) + body.more
    why = f"You get this because: {escape(body.reason)}." if body.reason else ""
    return (
        f'<p style="margin:0 4px 4px;font-size:20px"><b>{count:,} alerts</b></p>'
        f'<p class="soft" style="margin:0 4px 14px;font-size:14px;line-height:1.5;color:{_SOFT}">{why}</p>'
    )


def _lines(items: Sequence[Item], leads: Leads) -> str:
    """Each alert as a line that leads to its page: what is less severe than those above, of very many."""
    rows = []
    for item in items:
        tone = _tone(item)
        title, said_of = escape(item.title), "; ".join(text for text in (item.handled, item.when) if text)
        page = leads.page(item)
        said = f'<a class="link" href="{escape(page)}" style="color:#175cd3">{title}</a>' if page else title
        rows.append(
            _row(
                f'<span class="{tone}" style="display:inline-block;padding:1px 8px;border-radius:9px;'
                f'background:{_COLOURS[tone]};color:#ffffff;font-size:12px;font-weight:bold">{escape(item.badge)}</span>'
                f' <span style="font-size:15px;line-height:1.5">{said}</span><br>'
                f'<span class="grey" style="font-size:12px;color:{_GREY}">{escape(said_of)}</span>',
                "10px 20px",
            )
        )
    return (
        '<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" '
        f'style="background:#ffffff;border:1px solid {_LINE};margin:0 0 14px">{"".join(rows)}</table>'
    )


def _tone(item: Item) -> str:
    """Which colour it has."""
    return "over" if item.is_over else item.severity if item.severity in _COLOURS else "warning"


def _buttons(item: Item, page: str, colour: str, tone: str) -> str:
    """What can be done with one tap: acknowledge, where nobody has it yet and it goes on, or reply to a campaign that
    nobody has replied to; else look."""
    filled = f"background:{colour};color:#ffffff"
    outlined = f"border:1px solid {_USUAL};color:#175cd3"
    looks = []
    if item.campaign is not None:
        if item.campaign.may_reply and item.campaign.is_open:
            looks.append(("Confirm or object", f"{page}#reply", filled, tone))
        looks.append(("See the campaign", page, outlined, "link"))
    else:
        if not item.is_over and not item.handled:
            looks.append(("Acknowledge", f"{page}#act", filled, tone))
        looks.append(("See the alert", page, outlined, "link"))
    shape = (
        "display:inline-block;padding:11px 18px;border-radius:8px;font-size:15px;font-weight:bold;margin:0 8px 8px 0"
    )
    return "".join(
        f'<a href="{escape(to)}" class="{name}" style="{shape};text-decoration:none;{style}">{word}</a>'
        for word, to, style, name in looks
    )


def _chart(light: str, dark: str, alt: str) -> str:
    """The chart for the reader's colours; what knows no dark mode shows the light one, Outlook's desktop too."""
    style = "width:100%;max-width:600px;height:auto;border:0"
    image = f'<img src="{light}" alt="{escape(alt)}" width="556" class="chart-light" style="display:block;{style}">'
    if not dark:
        return image
    return (
        f'{image}<!--[if !mso]><!--><img src="{dark}" alt="{escape(alt)}" width="556" class="chart-dark" '
        f'style="display:none;max-height:0;{style}"><!--<![endif]-->'
    )


def _mutes(mutes: Mapping[str, str]) -> str:
    """Where the recipient says of which rule they want to hear no more. mutes: rule → the address of its page."""
    if len(mutes) == 1:
        return "".join(_link(address, f"Mute {rule} for me") for rule, address in mutes.items())
    return f"Mute for me: {' &middot; '.join(_link(address, rule) for rule, address in mutes.items())}"


def _row(content: str, padding: str) -> str:
    # A label may be one word of any length; it must not make the mail wider than the screen.
    return f'<tr><td style="padding:{padding};word-break:break-word">{content}</td></tr>'


def _bar(bar: str, longest: int, tone: str, colour: str, number: str, name: str) -> str:
    """One bar as a cell whose width is its share, its number behind it."""
    share = round(60 * len(bar) / longest)
    # Not the cell itself: it is as high as the words beside it, which take two lines on a phone.
    style = f"background:{colour};font-size:1px;line-height:14px;height:14px"
    cell = f'<td width="{share}%"><div class="{tone}" style="{style}">&nbsp;</div></td>'
    says = f'<b>{escape(number)}</b> <span class="grey" style="color:{_GREY}">{escape(name)}</span>'
    return (
        '<tr><td style="padding:2px 0"><table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr>'
        f'{cell if share else ""}<td style="padding-left:{8 if share else 0}px;font-size:14px">{says}</td>'
        "</tr></table></td></tr>"
    )


def _link(url: str, text: str = "") -> str:
    if not url.startswith(("https://", "http://")):
        return escape(url)
    return f'<a class="link" href="{escape(url)}" style="color:#175cd3">{escape(text or url)}</a>'
