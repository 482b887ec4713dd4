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


class StoredRow(Struct, frozen=True):
    """A row as it is in the database, and the organization that owns it."""

    row: ListingRow
    owner_id: int


class StagedRow(Struct, frozen=True):
    """A row of the file, completed; `current` is what is stored, None where it is new."""

    line: int
    key: str
    row: ListingRow
    current: StoredRow | None

    @property
    def is_changed(self) -> bool:
        return self.current is not None and self.row != self.current.row


def as_json(values: Sequence[Any]) -> str:
    """Rows as one JSON text, for `jsonb_to_recordset`: a whole set in one parameter."""
    return msgspec.json.encode(values).decode()
