"""The body of a request as the sender meant it: whole, unpacked, and never larger than is taken."""

import asyncio
import zlib

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from lockstep.adapters.http.refusal import Refusal

ENCODINGS = ("gzip", "x-gzip", "deflate", "identity")
"""Values of Content-Encoding; what is unpacked counts against the limit as well as what came."""

WITHIN_S = 60.0
"""How long a body may take to come whole: one that never does would be waited for as long as its connection stands."""

_GZIP, _ZLIB, _DEFLATE = 31, 15, -15
"""zlib's names for the three frames."""


async def read_body(request: web.BaseRequest, *, most: int, within_s: float = WITHIN_S) -> bytes:
    """The bytes behind the encoding. most: bytes that are taken, packed or not. Raises Refusal.

    within_s: for all of it. The parser says nothing of chunks that are none where they come behind the first ones.
    """
    encoding = request.headers.get("Content-Encoding", "").strip().lower() or "identity"
    if encoding not in ENCODINGS:
        taken = ", ".join(e for e in ENCODINGS if e != "x-gzip")
        raise Refusal(
            415, f"Content-Encoding '{encoding[:100]}' is not taken; send {taken}", headers={"Accept-Encoding": taken}
        )
    if (request.content_length or 0) > most:
        raise _too_large(most)
    await _continue(request)
    body = bytearray()
    try:
        if request.content.is_eof():  # a small body comes with its head, and nothing has to be waited for
            body += request.content.read_nowait()
            if len(body) > most:
                raise _too_large(most)
        else:
            async with asyncio.timeout(within_s):
                async for part in request.content.iter_any():
                    body += part
                    if len(body) > most:
                        raise _too_large(most)
    except TimeoutError as error:
        said = f"the body has not come whole within {within_s:g} s: its length or its chunks are not as announced"
        raise Refusal(408, said) from error
    except (OSError, web.RequestPayloadError, HttpProcessingError) as error:
        # Chunks that are none, or a client that went away; then nobody reads the answer.
        raise Refusal(400, "the body breaks off: its length or its chunks are not as announced") from error
    return bytes(body) if encoding == "identity" else unpacked(bytes(body), encoding, most=most)


def unpacked(packed: bytes, encoding: str, *, most: int) -> bytes:
    """What was packed. Reads no further than `most`, so that a small body cannot fill the memory. Raises Refusal."""
    frame = _GZIP
    if encoding == "deflate":  # RFC 9110 means zlib's frame; some clients send the bare stream
        frame = _ZLIB if packed[:1] and packed[0] & 0x0F == 8 else _DEFLATE
    body = bytearray()
    rest = packed
    try:
        while rest:  # a file of gzip may be several, one behind the other
            stream = zlib.decompressobj(frame)
            body += stream.decompress(rest, most + 1 - len(body))
            if len(body) > most:
                raise _too_large(most)
            if not stream.eof:
                raise Refusal(400, f"the body ends before its {encoding} does")
            rest = stream.unused_data
    except zlib.error as error:
        raise Refusal(400, f"the body is no {encoding}, as Content-Encoding says") from error
    return bytes(body)


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"at most {most:,} bytes are taken, also when they are unpacked; send smaller batches")


async def _continue(request: web.BaseRequest) -> None:
    """A client that asks first whether its body is wanted is told so, when everything before it was right."""
    expected = request.headers.get("Expect", "").strip().lower()
    if not expected or request.version < HttpVersion11:
        return
    if expected != "100-continue":
        raise Refusal(417, "Expect: only 100-continue is known")
    try:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    except OSError as error:
        raise Refusal(400, "the client went away") from error
    request.writer.output_size = 0  # the answer itself has not begun
