"""What a picture is, by its own first bytes: the name and the declared type of an upload prove nothing. Pure.

PNG (ISO/IEC 15948), JPEG (ISO/IEC 10918-1) and WebP (RFC 9649). SVG is a document with scripts and is not taken.
"""

import struct
from typing import Literal

from msgspec import Struct

from catalog.core.cells import Wording

ImageType = Literal["image/jpeg", "image/png", "image/webp"]
IMAGE_BYTES_MAX = 5 * 2**20
SIDE_MAX = 8_000
PIXELS_MAX = 40_000_000

_START_OF_FRAME = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})


class ImageFacts(Struct, frozen=True):
    """Type and size in pixels, as the picture itself says."""

    media_type: ImageType
    width: int
    height: int


class UnfitImage(ValueError):
    """A file that is no picture that pages show; `expected` says what would be."""

    def __init__(self, expected: Wording) -> None:
        self.expected = expected
        super().__init__(expected.en)


def inspect_image(content: bytes) -> ImageFacts:
    """The facts of a picture. Raises UnfitImage for another format, a broken one, or too large a one."""
    if len(content) > IMAGE_BYTES_MAX:
        mebibytes = IMAGE_BYTES_MAX // 2**20
        raise UnfitImage(Wording(f"a picture of at most {mebibytes} MiB", f"{mebibytes} MiB 이내의 사진"))
    facts = _png(content) or _jpeg(content) or _webp(content)
    if facts is None:
        raise UnfitImage(Wording("a PNG, JPEG or WebP picture", "PNG, JPEG, WebP 사진"))
    if not (1 <= facts.width <= SIDE_MAX and 1 <= facts.height <= SIDE_MAX):
        raise UnfitImage(Wording(f"at most {SIDE_MAX:,} pixels a side", f"한 변 {SIDE_MAX:,}픽셀 이내"))
    if facts.width * facts.height > PIXELS_MAX:
        raise UnfitImage(Wording(f"at most {PIXELS_MAX:,} pixels", f"전체 {PIXELS_MAX:,}픽셀 이내"))
    return facts


def _png(content: bytes) -> ImageFacts | None:
    if (
        content[:8] != b"\x89PNG\r\n\x1a\n"
        or content[12:16] != b"IHDR"
        or not content.endswith(b"IEND\xaeB`\x82")
    ):
        return None
    return ImageFacts("image/png", *struct.unpack(">II", content[16:24]))


def _jpeg(content: bytes) -> ImageFacts | None:
    if content[:3] != b"\xff\xd8\xff" or b"\xff\xd9" not in content[-64:]:
        return None
    place = 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        (length,) = struct.unpack(">H", content[place + 2 : place + 4])
        if marker in _START_OF_FRAME:
            height, width = struct.unpack(">HH", content[place + 5 : place + 9])
            return ImageFacts("image/jpeg", width, height)
        place += 2 + length
    return None


def _webp(content: bytes) -> ImageFacts | None:
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP" or len(content) < 30:
        return None
    if int.from_bytes(content[4:8], "little") + 8 > len(content):
        return None
    match content[12:16]:
        case b"VP8X":
            width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
        case b"VP8 " if content[23:26] == b"\x9d\x01\x2a":
            width, height = (side & 0x3FFF for side in struct.unpack("<HH", content[26:30]))
        case b"VP8L" if content[20] == 0x2F:
            bits = int.from_bytes(content[21:25], "little")
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case _:
            return None
    return ImageFacts("image/webp", width, height)
