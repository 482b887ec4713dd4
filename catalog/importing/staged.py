"""A row of a file beside the row that is stored under the same key."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from catalog.core.listing_rows import ListingRow


class Organization(Struct, frozen=True):
    """Who imports, or owns a row."""

    id: int
    code: str
    kind: str


class MakerFacts(Struct, frozen=True, gc=False):
    """What rows say about a maker: English name (the key), Korean name, home country."""

    name: str
    name_ko: str
    country: str


class Seen:
    """What the earlier rows of the same file said about things that several rows share."""

    def __init__(self) -> None:
        self.makers: dict[str, MakerFacts] = {}
        self.models: dict[str, str] = {}


class StoredRow(Struct, frozen=True, gc=False):
    """A row as it is in the database, and the organization that owns it; `id` where writing needs it."""

    row: ListingRow
    owner_id: int
    id: int = 0


class StagedRow(Struct, frozen=True, gc=False):
    """A row of the file, completed; `current` is what is stored, None where it is new.

    `digest` is a hash of the words of the file's row, where the kind keeps one. `waiting` are the changes that
    are not in `row` because a coordinator decides them: column → (before, after).
    """

    line: int
    key: str
    row: ListingRow
    current: StoredRow | None
    digest: bytes | None = None
    guesses: frozenset[str] = frozenset()
    waiting: dict[str, tuple[str, str]] = {}

    @property
    def is_changed(self) -> bool:
        return self.current is not None and self.row != self.current.row


def as_json(values: Sequence[Any]) -> str:
    """Rows as one JSON text, for `jsonb_to_recordset`: a whole set in one parameter."""
    return msgspec.json.encode(values).decode()


def packed(values: list[str] | list[str | None]) -> str:
    """A column of many rows as one text, for the database's `unpacked`: a list costs ten times as much to send.

    Cells hold no control characters, so U+001F between values and U+001E for null are never part of one.
    """
    if None in values:
        values = ["\x1e" if value is None else value for value in values]
    return "\x1f" + "\x1f".join(values) if values else ""  # type: ignore[arg-type] # None was replaced


def missing_of(row: Any) -> tuple[int, tuple[str, ...]]:
    """The answer of a query for how many rows a file does not name, and the first of their keys."""
    return int(row[0]), tuple(row[1])
