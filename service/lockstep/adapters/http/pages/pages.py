"""Renders pages: templates with everything escaped, and headers that let nothing of other hosts in."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from lockstep.adapters.http.pages.visitor import Visitor
from lockstep.text.days import day_text

_HERE = Path(__file__).parent
PLACES = (
    ("today", "Today"),
    ("", "Alerts"),
    ("campaigns", "Campaigns"),
    ("actions", "Actions"),
)
"""(path, name) of the pages that have all alerts; as many as a phone shows on one line."""
MORE_PLACES = (
    ("reports", "Reports"),
    ("oncall", "On call"),
    ("silences", "Silences"),
    ("timeline", "Timeline"),
)
"""The others, behind `More`."""

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LIVE_HEADERS = {**HEADERS, "Content-Security-Policy": f"{_POLICY}; script-src 'self'; connect-src 'self'"}
"""Of a page that is kept up to date by a script of ours, which may ask nobody but us."""
SVG_HEADERS = {**HEADERS, "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
"""Of a picture, which brings its own sheet and can do nothing else."""


ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#17324d"/>'
    '<path d="M3 10l3-4 3 3 4-5" fill="none" stroke="#fff" stroke-width="2" stroke-linejoin="round"/></svg>'
)


class Pages:
    """The templates, read once."""

    def __init__(self) -> None:
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        self._templates.filters["day"] = lambda day: day_text(date.fromisoformat(day))
        self.style = (_HERE / "style.css").read_text(encoding="utf-8")
        self.script = (_HERE / "live.js").read_text(encoding="utf-8")

    def text(self, name: str, values: Mapping[str, Any], *, depth: int, visitor: Visitor | None, here: str = "") -> str:
        """A page as HTML. depth: slashes of its path below the root, as everything is addressed from it. here: the
        name of its place among PLACES and MORE_PLACES."""
        ways = {
            "root": _root(depth),
            "places": PLACES,
            "more_places": MORE_PLACES,
            "here": here,
            "can_see_all": visitor is not None and visitor.can_see_all,
            "visitor": visitor,
        }
        return self._templates.get_template(f"{name}.html").render({**ways, **values})

    def parts(self, name: str, values: Mapping[str, Any], *, depth: int) -> dict[str, str]:
        """What a page is made of, by name: its blocks `part_NAME`, each rendered alone."""
        template = self._templates.get_template(f"{name}.html")
        context = template.new_context({"root": _root(depth), **values})
        blocks = {block: body for block, body in template.blocks.items() if block.startswith(_PART)}
        return {block.removeprefix(_PART): "".join(body(context)) for block, body in blocks.items()}

    def page(
        self,
        name: str,
        values: Mapping[str, Any],
        *,
        depth: int,
        visitor: Visitor | None = None,
        here: str = "",
        status: int = 200,
        headers: Mapping[str, str] = HEADERS,
    ) -> web.Response:
        """The answer with a page."""
        text = self.text(name, values, depth=depth, visitor=visitor, here=here)
        return web.Response(text=text, content_type="text/html", headers=headers, status=status)

    def notice(self, title: str, text: str, *, depth: int, status: int) -> web.Response:
        """A page that says one thing."""
        return self.page("notice", {"title": title, "text": text}, depth=depth, status=status)


_PART = "part_"
"""How blocks begin that are sent alone, too."""


def _root(depth: int) -> str:
    return "../" * depth or "./"


def seen_at(location: str) -> web.Response:
    """Look there now, with a GET: what a form did is not done again when the page is loaded again."""
    return web.Response(status=303, headers={**HEADERS, "Location": location})
