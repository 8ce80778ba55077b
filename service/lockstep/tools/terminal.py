"""What is printed: text is text. What a name holds is no markup, no emoji and no order to the terminal; a style is a
`rich.text.Text` of ours."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text


def readable(text: str) -> str:
    """The text on one line, with nothing in it that a terminal would act upon or an encoder refuse."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return " " if character in "\t\n\r" else character.encode("unicode_escape").decode("ascii")


class Terminal(Console):
    """The one console: `[red]x[/]` and `ndjson:100:` in a rule, label or path are shown as they are written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                # Lines are the table's; everything else that cannot be seen would be obeyed by the terminal.
                text = "\n".join(readable(line) for line in segment.text.split("\n"))
                yield Segment(text, segment.style, segment.control)


def styled(*parts: str | tuple[str, str]) -> Text:
    """Pieces of text, each plain or with its style: `styled(("lockstep:", "red"), " no such file")`."""
    return Text.assemble(*parts)
