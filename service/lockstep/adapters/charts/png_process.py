"""The program that draws: reads SVG documents from its input and writes a PNG for each, until its input ends.

Each is written as its length in four bytes, then its bytes; a length of 0 answers what is no drawing. Letters come from
the files beside this module, never from the machine, so that a picture is the same everywhere. It imports nothing of
the service, so that it starts at once.
"""

import sys
from pathlib import Path

import resvg_py

FONTS = sorted(str(path) for path in (Path(__file__).parent / "fonts").glob("*.ttf"))
ZOOM = 1.6
"""Pixels of the picture for one of the drawing: screens of phones have two or three for each."""


def png(svg: str, *, zoom: float = ZOOM) -> bytes:
    """The picture of an SVG document. Raises ValueError for one that is none."""
    picture: bytes = resvg_py.svg_to_bytes(
        svg_string=svg,
        zoom=zoom,
        skip_system_fonts=True,
        font_files=FONTS,
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
    )
    return picture


def main() -> None:
    """Draw what comes."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while len(head := source.read(4)) == 4:
        svg = source.read(int.from_bytes(head, "big"))
        try:
            picture = png(svg.decode())
        except ValueError:
            picture = b""
        sink.write(len(picture).to_bytes(4, "big") + picture)
        sink.flush()


if __name__ == "__main__":
    main()
