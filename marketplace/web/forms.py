"""What a browser's form brought: texts by field, cleaned once, and uploads. And errors back as sentences by field."""

import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from typing import Final
from uuid import UUID, uuid4

import msgspec
from litestar.datastructures import UploadFile

from catalog.core.import_rows import RowError
from marketplace.deps import AnyRequest
from marketplace.web.i18n import LANG, gettext

LIST_SEPARATOR: Final = "; "
NUMBER_DIGITS_MAX: Final = 19
"""Digits that are read as a number at all; bigint has no more."""
HIDDEN_FIELDS: Final = frozenset({"_csrf_token"})
_LINE_BREAKS = re.compile(r"\r\n?|\n")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Upload(msgspec.Struct, frozen=True):
    """A file that came with the form."""

    name: str
    content: bytes


class Form(msgspec.Struct, frozen=True):
    """Texts by field (several values of one field joined by `; `) and uploads by field."""

    texts: dict[str, str]
    uploads: dict[str, Upload]

    def text(self, name: str) -> str:
        """What was typed, trimmed; empty where the field did not come."""
        return self.texts.get(name, "").strip()

    def optional(self, name: str) -> str | None:
        """What was typed, or None."""
        return self.text(name) or None

    def is_checked(self, name: str) -> bool:
        """Whether a box was checked."""
        return self.text(name) == "yes"

    def uuid(self, name: str) -> UUID:
        """The id that the form was shown with, so that a second press of its button is the same thing."""
        try:
            return UUID(self.text(name))
        except ValueError:
            return uuid4()

    def uuids(self, name: str) -> list[UUID]:
        """The ids of the boxes that were ticked; what is none is left out."""
        found = []
        for text in self.text(name).split(LIST_SEPARATOR.strip()):
            with suppress(ValueError):
                found.append(UUID(text.strip()))
        return found

    def whole(self, name: str, least: int, most: int) -> int | None:
        """A whole number within bounds, or None."""
        text = self.text(name)
        is_number = text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX
        return int(text) if is_number and least <= int(text) <= most else None


async def read_form(request: AnyRequest) -> Form:
    """Read the posted form: NFC, no control characters, Unix line ends."""
    texts: dict[str, str] = {}
    uploads: dict[str, Upload] = {}
    for name, value in (await request.form()).multi_items():
        if isinstance(value, UploadFile):
            if value.filename:
                uploads[name] = Upload(value.filename, await value.read())
        elif name not in HIDDEN_FIELDS:
            text = clean_text(str(value))
            texts[name] = f"{texts[name]}{LIST_SEPARATOR}{text}" if name in texts else text
    return Form(texts, uploads)


def clean_text(text: str) -> str:
    """Text as it is kept: NFC, line ends as `\\n`, without what PostgreSQL and files cannot hold."""
    return _FORBIDDEN.sub("", _LINE_BREAKS.sub("\n", unicodedata.normalize("NFC", text)))


def as_list(lines: str) -> str:
    """What was typed line by line, as a cell holds it: items separated by `; `."""
    return LIST_SEPARATOR.join(line.strip() for line in lines.split("\n") if line.strip())


def as_lines(cell: str) -> str:
    """A cell's items, one a line."""
    return "\n".join(item.strip() for item in cell.split(";") if item.strip())


def field_errors(errors: Iterable[RowError]) -> dict[str, str]:
    """What is wrong, by field: the first of each, in the language of the page."""
    found: dict[str, str] = {}
    for error in errors:
        expected = error.expected if LANG.get() == "en" else error.expected_ko or error.expected
        found.setdefault(error.column or "form", gettext("필요한 값: %(expected)s") % {"expected": expected})
    return found
