"""A small picture and a short tone for the examples, drawn here so that nothing is loaded. Pure."""

import base64
import struct
import zlib
from functools import cache
from math import hypot, pi, sin

WIDTH, HEIGHT = 240, 150
RATE = 8000
SUN, HILLS = (214, 73, 51), ((64, 122, 82), (47, 98, 66), (34, 76, 52))


@cache
def picture(hills: int, across: float) -> str:
    """A PNG as a `data:` address: a sun at `across` of the width, over so many hills."""
    rows = b"".join(b"\0" + _line(y, hills, across) for y in range(HEIGHT))
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return _address("image/png", b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks))


def _line(y: int, hills: int, across: float) -> bytes:
    return b"".join(bytes(_colour(x, y, hills, across)) for x in range(WIDTH))


def _colour(x: int, y: int, hills: int, across: float) -> tuple[int, int, int]:
    for hill in reversed(range(hills)):
        top = 92 + 18 * hill + 15 * sin(2 * pi * (x / WIDTH * (1 + hill / 2) + hill / 3))
        if y > top:
            return HILLS[hill]
    if hypot(x - across * WIDTH, y - 55) < 26:
        return SUN
    return (250 - y // 8, 224 - y // 6, 196 - y // 12)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@cache
def tone(hertz: int) -> str:
    """A quarter of a second of sound as a `data:` address, 8-bit mono."""
    count = RATE // 4
    wave = bytes(128 + round(60 * sin(2 * pi * hertz * place / RATE)) for place in range(count))
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE, 1, 8)
    data = struct.pack("<4sI", b"data", count) + wave
    whole = struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data), b"WAVE") + form + data
    return _address("audio/wav", whole)


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
