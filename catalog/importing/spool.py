"""Rows that wait until their whole file was looked at, packed so that 50,000 of them fit in a few MiB."""

import zlib
from collections.abc import Iterator, Sequence

import msgspec

from catalog.core.listing_rows import ListingRow
from catalog.importing.staged import StagedRow, StoredRow


class Spool:
    """Batches of staged rows of one type, first in, first out."""

    def __init__(self, row_type: type[ListingRow]) -> None:
        stored = tuple[row_type, int, int]  # type: ignore[valid-type] # one of the six types of rows
        row = tuple[int, str, row_type, stored | None, bytes | None, dict[str, tuple[str, str]]]  # type: ignore[valid-type]
        self._decoder = msgspec.msgpack.Decoder(list[row])
        self._encoder = msgspec.msgpack.Encoder()
        self._packed: list[bytes] = []

    def add(self, rows: Sequence[StagedRow]) -> None:
        """Pack one batch."""
        if rows:
            written = [
                (
                    row.line,
                    row.key,
                    row.row,
                    None if row.current is None else (row.current.row, row.current.owner_id, row.current.id),
                    row.digest,
                    row.waiting,
                )
                for row in rows
            ]
            self._packed.append(zlib.compress(self._encoder.encode(written), level=1))

    def __iter__(self) -> Iterator[list[StagedRow]]:
        for packed in self._packed:
            yield [
                StagedRow(
                    line, key, row, None if current is None else StoredRow(*current), digest, waiting=waiting
                )
                for line, key, row, current, digest, waiting in self._decoder.decode(zlib.decompress(packed))
            ]
