"""One reader of events as they are written: one a line, an array, or one over several lines; plain, UTF-16 or gzip.

`send`, `backtest`, `suggest`, `explain` and POST /v1/events read with it, so that a file means the same everywhere.
"""

import codecs
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from gzip import GzipFile
from itertools import islice
from typing import Any, BinaryIO

import msgspec

from lockstep.errors import EventError
from lockstep.event import LARGEST_EVENT, not_json

LARGEST_ARRAY = 256 << 20
"""Bytes of an array of events, which is held whole; events one a line may be any number."""
LOOKED_AT = 64 << 10
"""Bytes that are looked through for an event where a file does not begin with one."""

_READ_AHEAD = 1 << 20
UNREADABLE = (OSError, EOFError, zlib.error, UnicodeError)
"""What reading a stream of bytes raises."""
_NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks → what they begin."""

_PACKED = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "unpack it; `lockstep convert` makes events of a workbook"),
    (b"BZh", "packed with bzip2", "unpack it, or pack it with gzip"),
    (b"\xfd7zXZ", "packed with xz", "unpack it, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "unpack it, or pack it with gzip"),
    (b"PAR1", "a Parquet file", "write its rows as JSON, one event a line"),
    (b"SQLite format 3", "an SQLite database", "name a broker with --broker sqlite:///FILE"),
    (b"%PDF", "a PDF document", "export the data as JSON"),
)  # fmt: skip
"""How files begin that hold no events as text → what they are, and the way out."""

_ONE_A_LINE = "write CloudEvents as JSON, one a line"
_ROWS = "turn its rows into events: `lockstep convert FILE` (see `Your own history` in rules/README.md)"


class EventText:
    """The events in a stream of bytes. name: of the file, for places and errors; largest: bytes when unpacked.

    Raises EventError, here and while it is read, for what cannot be read at all; whether a line is an event, its reader
    decides.
    """

    def __init__(self, stream: BinaryIO, name: str, *, largest: int | None = None) -> None:
        self._name = name
        self._whole: list[bytes] | None = None
        self._lines_before = 0
        try:
            self._stream = utf8_stream(stream, largest)
            self._recognise()
        except UNREADABLE as error:
            raise self._unreadable(error) from error

    def portions(self, at_once: int) -> Iterator[tuple[Sequence[int], Sequence[bytes]]]:
        """(numbers of lines or elements from 1, what stands there), many at a time, without empty lines."""
        if self._whole is not None:
            for start in range(0, len(self._whole), at_once):
                part = self._whole[start : start + at_once]
                yield range(start + 1, start + 1 + len(part)), part
            return
        number = self._lines_before
        try:
            while lines := list(islice(self._stream, at_once)):
                values = list(map(bytes.strip, lines))
                numbers: Sequence[int] = range(number + 1, number + 1 + len(values))
                if not all(values):
                    kept = [(n, v) for n, v in zip(numbers, values, strict=True) if v]
                    numbers, values = [n for n, _ in kept], [v for _, v in kept]
                yield numbers, values
                number += len(lines)
        except UNREADABLE as error:
            raise self._unreadable(error) from error

    def place(self, number: int) -> str:
        """Where a line or an element stands: `events.ndjson:3`, or `events.json: element 3`."""
        return f"{self._name}:{number}" if self._whole is None else f"{self._name}: element {number}"

    def _recognise(self) -> None:
        self._skip_empty_lines()
        first = self._stream.peek(1)[:1]
        if first == b"[":
            self._recognise_array()
        elif first == b"{":
            self._recognise_one_over_lines()
        elif first:
            head = self._stream.read(LOOKED_AT)
            if not any(line.lstrip().startswith(b"{") for line in head.splitlines()):
                what, way_out = _looks_like(head)
                raise EventError("json", f"{self._name}: no events: it is {what}; {way_out}")
            self._stream = _prefixed(head, self._stream)

    def _skip_empty_lines(self) -> None:
        while chunk := self._stream.peek(1):
            kept = chunk.lstrip()
            empty = self._stream.read(len(chunk) - len(kept))
            self._lines_before += empty.count(b"\n")
            if kept:
                return

    def _recognise_array(self) -> None:
        text = self._stream.read(LARGEST_ARRAY + 1)
        if len(text) > LARGEST_ARRAY:
            raise EventError("json", f"{self._name}: an array of more than {LARGEST_ARRAY:,} bytes; {_ONE_A_LINE}")
        try:
            elements = msgspec.json.decode(text, type=list[msgspec.Raw])
        except _NOT_JSON as error:
            first, _, rest = text.partition(b"\n")
            if rest.strip() and _is_json(first):
                self._stream = _prefixed(text, self._stream)  # lines, the first of which is no event
                return
            raise EventError("json", f"{self._name}: not a JSON array: {_place_in(text, error)}") from error
        self._whole = [_on_one_line(bytes(element)) for element in elements]

    def _recognise_one_over_lines(self) -> None:
        text = self._stream.readline(LARGEST_EVENT)
        if not _is_json(text):
            text += self._stream.read(LARGEST_EVENT + 1 - len(text))
            if len(text) <= LARGEST_EVENT and _is_json(text):
                self._whole = [_on_one_line(text)]
                return
        self._stream = _prefixed(text, self._stream)

    def _unreadable(self, error: Exception) -> EventError:
        why = str(error)
        if isinstance(error, UnicodeError):
            why = "it begins as UTF-16 or UTF-32, but holds bytes that are none; save it as UTF-8"
        elif isinstance(error, zlib.error):
            why = "what is packed is damaged"
        return EventError("file", f"{self._name}: cannot be read to its end: {why}")


def events_in(raw: bytes, *, largest: int) -> list[bytes]:
    """The events in a body, as `EventText` reads them. largest: bytes when unpacked. Raises EventError."""
    bare = raw.strip()
    if not bare:
        raise EventError("json", "the body is empty; send an event as JSON")
    if bare.startswith(b"{") and not bare.startswith(b"{\0") and b"\n" not in bare:
        return [bare]  # one event on one line, in UTF-8: most bodies are that, and need no streams
    text = EventText(io.BytesIO(raw), "the body", largest=largest)
    return [value for _, values in text.portions(8_192) for value in values]


# ---- bytes -----------------------------------------------------------------------------------------------------------


class _Prefixed(io.RawIOBase):
    """What was read ahead of a stream, then the stream; no more than `largest` bytes."""

    def __init__(self, head: bytes, stream: Any, largest: int | None = None) -> None:
        self._head, self._stream, self._left = head, stream, largest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        if self._head:
            part, self._head = self._head[:size], self._head[size:]
            buffer[: len(part)] = part
            count = len(part)
        else:
            # Not `readinto`, which waits for as much as fits: a pipe is read as it comes.
            count = self._stream.readinto1(buffer)
        if self._left is not None:
            self._left -= count
            if self._left < 0:
                raise OSError("it is too large when it is unpacked")
        return int(count)


class _Recoded(io.RawIOBase):
    """A stream of UTF-16 or UTF-32 as UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            chunk = self._stream.read(_READ_AHEAD)
            self._ready = self._decoder.decode(chunk, final=not chunk).encode()
            if not chunk:
                break
        part, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def _prefixed(head: bytes, stream: Any, largest: int | None = None) -> io.BufferedReader:
    return io.BufferedReader(_Prefixed(head, stream, largest), _READ_AHEAD)


def read_ahead(stream: Any, size: int) -> tuple[bytes, io.BufferedReader]:
    """The first bytes of a stream, at most so many, and the stream from its first byte on."""
    head = stream.read(size)
    return head, _prefixed(head, stream)


def utf8_stream(stream: Any, largest: int | None = None) -> io.BufferedReader:
    """A stream as UTF-8 without a mark, whatever it is packed (gzip) and encoded as.

    largest: bytes when it is unpacked. Raises what reading it raises: see UNREADABLE.
    """
    head = stream.read(4)
    plain = _prefixed(head, stream)
    if head.startswith(b"\x1f\x8b"):
        unpacked = GzipFile(fileobj=plain)
        head = unpacked.read(4)
        plain = _prefixed(head, unpacked, largest)
    for mark, encoding in _ENCODINGS:
        if head.startswith(mark):
            plain.read(len(mark))
            return plain if encoding == "utf-8" else io.BufferedReader(_Recoded(plain, encoding), _READ_AHEAD)
    if len(head) > 1 and head[1:2] == b"\0" != head[:1]:
        return io.BufferedReader(_Recoded(plain, "utf-16-le"), _READ_AHEAD)
    if len(head) > 1 and head[:1] == b"\0" != head[1:2]:
        return io.BufferedReader(_Recoded(plain, "utf-16-be"), _READ_AHEAD)
    return plain


# ---- JSON ------------------------------------------------------------------------------------------------------------


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except _NOT_JSON:
        return False
    return True


def _on_one_line(value: bytes) -> bytes:
    return msgspec.json.format(value, indent=-1) if b"\n" in value else value.strip()


def _place_in(text: bytes, error: Exception) -> str:
    """What is wrong, with the line in place of the byte."""
    said = not_json(error)
    at = re.search(r" \(byte ([0-9]+)\)$", said)
    if at is None:
        return said
    line = text.count(b"\n", 0, int(at[1])) + 1
    return f"{said[: at.start()]} (line {line})"


def packed_as(head: bytes) -> tuple[str, str] | None:
    """What a file is that begins so and holds no text, and the way out; None for text."""
    return next(((what, way_out) for begin, what, way_out in _PACKED if head.startswith(begin)), None)


def _looks_like(head: bytes) -> tuple[str, str]:
    """What a file is that begins with no event, and the way out."""
    packed = packed_as(head)
    if packed is not None:
        return packed
    if head.lstrip()[:1] == b"<":
        return "XML or HTML", "export the data as JSON"
    lines = [line for line in head.splitlines() if line.strip()]
    for separator, name in ((b",", "a CSV table"), (b";", "a CSV table"), (b"\t", "a table with tabs")):
        if lines[0].count(separator) and all(line.count(separator) for line in lines[1:3]):
            return name, _ROWS
    return "no JSON", _ONE_A_LINE
