"""A message to people as the HTML of a mail: tables and inline styles, light and dark."""

from collections.abc import Mapping, Sequence
from html import escape

from lockstep.adapters.mail.leads import Leads
from lockstep.notification import MOST_TO_DO, Item, Message, TeamPart
from lockstep.shop.plans.plan_words import reply_words
from lockstep.text.one_line import flat

_COLOURS = {"critical": "#b42318", "warning": "#b54708", "info": "#175cd3", "over": "#067647", "usual": "#667085"}
_USUAL, _GREY, _SOFT, _LINE = "#98a2b3", "#667085", "#475467", "#e4e7ec"
_MEANING = f"font-size:14px;line-height:1.5;color:{_SOFT}"

_MINE = "I'm on it"

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
    """The message: what happened, what each team is to do, the few numbers behind it; of several a line each, worst
    first.

    Tables and inline styles: that is what every mail client shows. Those that have a dark mode and can be asked for it
    take the colours of `_DARK_MODE`; what they would make of the light ones themselves is often unreadable.

    pictures: what an item's chart is called → where it is found in light, where in dark ("" for nowhere), and what it
    shows. leads: where its buttons lead.
    """
    leads = leads or Leads()
    if body.count == 1:
        items = "".join(_card(body, item, (pictures or {}).get(str(item.chart)), leads) for item in body.items)
    else:
        items = _several(body, leads)
    remarks = [escape(text) for text in body.remarks(shown=len(body.items))]
    if leads.mutes:
        remarks.append(_mutes(leads.mutes))
    foot = "".join(
        f'<p class="grey" style="margin:0 4px 10px;font-size:13px;color:{_GREY}">{text}</p>' for text in remarks
    )
    # The first line of a mail is what its list shows behind the subject.
    preview = (body.items[0].in_short if body.count == 1 else " ".join(item.line + "." for item in body.items))[:140]
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
        f'style="max-width:600px"><tr><td align="left">{items}{foot}</td></tr></table></td></tr></table>'
        "</body></html>"
    )


def _card(body: Message, item: Item, picture: tuple[str, str, str] | None, leads: Leads) -> str:
    tone = _tone(item)
    colour = _COLOURS[tone]
    whose = f' <span class="grey" style="font-size:13px;color:{_GREY}">for {escape(item.audience)}</span>'
    rows = [
        _row(f"{_pill(item)}{whose if item.audience else ''}", "16px 20px 6px"),
        _row(f'<b style="font-size:20px;line-height:1.3">{escape(item.title)}</b>', "0 20px 4px"),
    ]
    if item.handled:
        rows.append(_row(f'<b style="font-size:16px">{escape(item.handled)}</b>', "6px 20px 2px"))
    rows += [_row(_team(part), "8px 20px 0") for part in item.team_parts]
    if not item.is_over and item.value_bar:
        longest = max(len(item.value_bar), len(item.usual_bar))
        value = _bar(item.value_bar, longest, tone, colour, item.value, item.span)
        usual = _bar(item.usual_bar, longest, "usual", _USUAL, item.usual, item.usual_is)
        rows.append(
            _row(
                f'<table role="presentation" width="100%" cellpadding="0" cellspacing="0">{value}{usual}</table>',
                "10px 20px 0",
            )
        )
    if item.because:
        grey = f"font-size:13px;color:{_GREY}"
        rows.append(_row(f'<span class="grey" style="{grey}">{escape(item.because)}</span>', "8px 20px 0"))
    if page := leads.page(item):
        rows.append(_row(_buttons(item, page, colour, tone), "16px 20px 2px"))
    if picture is not None:
        rows.append(_row(_chart(*picture), "14px 20px 0"))
    grey = f"font-size:12px;line-height:1.6;color:{_GREY}"
    rows.append(_row(f'<span class="grey" style="{grey}">{_foot(body, item, leads)}</span>', "12px 20px 16px"))
    return _table(rows, tone)


def _foot(body: Message, item: Item, leads: Leads) -> str:
    """What one may look up: since when, of which rule, whose that is; where more is said."""
    owner, runbook = (item.owner, item.runbook) if not item.is_over else ("", "")
    first = [item.when, body.about(item), f"Owner: {owner}" if owner else ""]
    lines = [" &middot; ".join(escape(text) for text in first if text)]
    lines.append(_link(runbook, "What to do, step by step") if runbook else "")
    lines += [f"{name}: {_link(text)}" for name, text in (("More", leads.more(item)), ("Note", item.note)) if text]
    return "<br>".join(filter(None, lines))


def _table(rows: Sequence[str], tone: str = "") -> str:
    edge = f";border-left:5px solid {_COLOURS[tone]}" if tone else ""
    return (
        f'<table role="presentation" class="card{f" {tone}-edge" if tone else ""}" width="100%" cellpadding="0" '
        f'cellspacing="0" style="background:#ffffff;border:1px solid {_LINE}{edge};margin:0 0 14px">'
        f"{''.join(rows)}</table>"
    )


def _pill(item: Item) -> str:
    """How severe it is, in its colour."""
    tone, word = _tone(item), f"{item.badge[:1].upper()}{item.badge[1:]}"
    return (
        f'<span class="{tone}" style="display:inline-block;padding:2px 9px;border-radius:9px;'
        f'background:{_COLOURS[tone]};color:#ffffff;font-size:12px;font-weight:bold">{escape(word)}</span>'
    )


def _soft(text: str) -> str:
    return f'<span class="soft" dir="auto" style="{_MEANING}">{escape(text)}</span>'


def _team(part: TeamPart) -> str:
    """What to do stands out; below it what it means in the other team's numbers, or why."""
    name = f'<b class="grey" style="font-size:13px;color:{_GREY}">{escape(part.team)}</b>' if part.team else ""
    tag, size = ("b", 17) if part.stands_out else ("span", 15)
    to_do = f'<{tag} dir="auto" style="font-size:{size}px;line-height:1.4">{escape(part.to_do)}</{tag}>'
    return "<br>".join(
        [*filter(None, [name]), *([to_do] if part.to_do else []), *([_soft(part.meaning)] if part.meaning else [])]
    )


def _several(body: Message, leads: Leads) -> str:
    """How many there are and how bad; the worst with what to do, and of many the others with a line each."""
    said, lines = body.items[: body.to_do_of], body.items[body.to_do_of :]
    audience = dict.fromkeys(item.audience for item in body.items if item.audience)
    head = f'<b style="font-size:20px;line-height:1.3">{escape(body.lead)}</b>'
    if len(audience) == 1:
        head += f'<br><span class="grey" style="font-size:13px;color:{_GREY}">for {escape(next(iter(audience)))}</span>'
    rows = [_row(head, "16px 20px 6px")]
    if body.same:
        rows.append(_row(f'<b style="font-size:17px;line-height:1.4">{escape(body.same)}</b>', "8px 20px 4px"))
    rows += [_row(_short(item, leads), "10px 20px 4px") for item in said]
    if body.overview:
        style = f"border:1px solid {_USUAL};color:#175cd3"
        rows.append(_row(_button(f"See all {body.count:,}", body.overview, style, "link"), "14px 20px 6px"))
    rows += [_row(_one_line(item, leads, with_pill=not body.same), "4px 20px") for item in lines]
    return _table([*rows, _row("", "0 0 10px")], _tone(body.items[0]))


def _short(item: Item, leads: Leads) -> str:
    """One of several: what it is, and what to do."""
    title = f'<b style="font-size:16px;line-height:1.4">{escape(item.title)}</b>'
    lines = [f"{_pill(item)} {title}"]
    if item.handled:
        lines.append(f'<span style="font-size:15px">{escape(item.handled)}</span>')
    else:
        for part in item.team_parts:
            if part.to_do:
                name = f"<b>{escape(part.team)}:</b> " if part.team else ""
                style = "font-size:15px;line-height:1.4"
                lines.append(f'<span dir="auto" style="{style}">{name}{escape(part.to_do)}</span>')
    if page := leads.page(item):
        is_mine = not (item.is_over or item.handled or item.campaign)
        words = [(_MINE, f"{page}#act")] if is_mine else []
        links = (
            f'<a class="link" href="{escape(to)}" style="font-size:15px;color:#175cd3">{word}</a>'
            for word, to in [*words, ("See details", page)]
        )
        lines.append(" &ensp; ".join(links))
    return "<br>".join(lines)


def _one_line(item: Item, leads: Leads, *, with_pill: bool) -> str:
    """One of very many."""
    led = f'<span style="font-size:14px;line-height:1.6">{_led(item, leads)}</span>'
    return f"{_pill(item)} {led}" if with_pill else led


def _led(item: Item, leads: Leads) -> str:
    """Its title, which leads to its page."""
    title, page = escape(item.title), leads.page(item)
    return f'<a class="link" href="{escape(page)}" style="color:#175cd3">{title}</a>' if page else title


def _tone(item: Item) -> str:
    """Which colour it has."""
    if item.is_taken or item.is_unknown:
        return "usual"
    return "over" if item.is_over else item.severity if item.severity in _COLOURS else "warning"


def _buttons(item: Item, page: str, colour: str, tone: str) -> str:
    """What can be done with one tap: say that one is on it, where nobody is yet and it goes on, or reply to a campaign
    that nobody has replied to; else look."""
    filled = f"background:{colour};color:#ffffff"
    outlined = f"border:1px solid {_USUAL};color:#175cd3"
    looks = []
    if item.campaign is not None:
        if item.campaign.may_reply and item.campaign.is_open:
            yes, no = reply_words(item.campaign.verdict)
            looks += [(yes, f"{page}#yes", filled, tone), (no, f"{page}#no", outlined, "link")]
        else:
            looks.append(("See the campaign", page, outlined, "link"))
    else:
        if not item.is_over and not item.handled:
            looks.append((_MINE, f"{page}#act", filled, tone))
        looks.append(("See details", page, outlined, "link"))
    return "".join(_button(word, to, style, name) for word, to, style, name in looks)


def _button(word: str, to: str, style: str, name: str) -> str:
    shape = (
        "display:inline-block;padding:11px 18px;border-radius:8px;font-size:15px;font-weight:bold;margin:0 8px 8px 0"
    )
    return f'<a href="{escape(to)}" class="{name}" style="{shape};text-decoration:none;{style}">{escape(word)}</a>'


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
    """Where the recipient says of which rule they want to hear no more. mutes: rule → the address of its page, of the
    worst where there are very many."""
    if len(mutes) == 1:
        return "".join(_link(address, f"Mute {rule} for me") for rule, address in mutes.items())
    return f"Mute for me: {' &middot; '.join(_link(address, rule) for rule, address in [*mutes.items()][:MOST_TO_DO])}"


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
