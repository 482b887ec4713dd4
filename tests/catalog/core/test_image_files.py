"""Pictures are known by their own bytes."""

import pytest
from archives import a_png

from catalog.core.image_files import IMAGE_BYTES_MAX, ImageFacts, UnfitImage, inspect_image

JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF"
    + b"\0" * 10
    + b"\xff\xc0\x00\x11\x08\x00\x04\x00\x05\x03"
    + b"\0" * 9
    + b"\xff\xd9"
)
WEBP = b"RIFF" + (22).to_bytes(4, "little") + b"WEBPVP8X" + b"\0" * 8 + b"\x06\0\0" + b"\x07\0\0"


def test_each_format_says_its_size() -> None:
    assert inspect_image(a_png()) == ImageFacts("image/png", 3, 2)
    assert inspect_image(JPEG) == ImageFacts("image/jpeg", 5, 4)
    assert inspect_image(WEBP) == ImageFacts("image/webp", 7, 8)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"GIF89a" + b"\0" * 50,
        b"<html>" + a_png(),
        a_png()[:-6],
        JPEG[:-2],
        a_png(0, 1),
        a_png(8_001, 1),
        a_png(8_000, 8_000),
        a_png() + b"\0" * IMAGE_BYTES_MAX,
        b"\xff\xd8\xff\xe0" + b"\xff" * 60 + b"\xff\xd9",
    ],
)
def test_what_is_no_picture_within_the_limits_is_refused(content: bytes) -> None:
    with pytest.raises(UnfitImage):
        inspect_image(content)
