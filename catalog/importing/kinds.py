"""The six kinds of rows and what each one's module does; the only place that lists them."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

import asyncpg
from msgspec import Struct

from catalog.core.import_rows import RowError
from catalog.core.listing_rows import ImportKind
from catalog.core.viewer import OrganizationKind
from catalog.importing import demands, offers, package_models, products, service_centers, vendors
from catalog.importing.staged import Organization, Seen, StagedRow, StoredRow


class Read(Protocol):
    """Rows as stored, by key: those of `keys` and of `owner_ids`; None means any."""

    def __call__(
        self, conn: asyncpg.Connection, *, keys: Sequence[str] | None, owner_ids: Sequence[int] | None
    ) -> Awaitable[dict[str, StoredRow]]: ...


class Resolve(Protocol):
    """Fill in what a row leaves to the catalog, such as an offer's current package version."""

    def __call__(
        self, conn: asyncpg.Connection, *, rows: Sequence[StagedRow]
    ) -> Awaitable[list[StagedRow]]: ...


class Check(Protocol):
    """Errors that show only beside other rows of the catalog."""

    def __call__(
        self, conn: asyncpg.Connection, *, rows: Sequence[StagedRow], importer: Organization, seen: Seen
    ) -> Awaitable[list[RowError]]: ...


class CountMissing(Protocol):
    """How many live rows of these owners the file does not name, and the first of their keys."""

    def __call__(
        self, conn: asyncpg.Connection, *, keys: Sequence[str], owner_ids: Sequence[int] | None
    ) -> Awaitable[tuple[int, tuple[str, ...]]]: ...


class Lock(Protocol):
    """Let nobody else change these rows until the end of the transaction."""

    def __call__(self, conn: asyncpg.Connection, *, keys: Sequence[str]) -> Awaitable[None]: ...


class ReadDigests(Protocol):
    """What was last imported into rows of these keys, as a hash, and who owns them."""

    def __call__(
        self, conn: asyncpg.Connection, *, keys: Sequence[str]
    ) -> Awaitable[dict[str, tuple[bytes, int]]]: ...


class Digests(Struct, frozen=True):
    """How a kind remembers the words of its rows."""

    read: ReadDigests
    write: "Write"


class Write(Protocol):
    """Insert and update these rows as sets; a row that is equal already is not touched."""

    def __call__(self, conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> Awaitable[None]: ...


class KindRows(Struct, frozen=True):
    """Everything the import and export of one kind need to know."""

    read: Read
    check: Check
    write: Write
    count_missing: CountMissing
    writers: tuple[OrganizationKind, ...]
    owner_kinds: tuple[OrganizationKind, ...]
    resolve: Resolve
    lock: Lock
    digests: Digests | None = None


async def as_they_are(conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> list[StagedRow]:
    del conn
    return list(rows)


async def nothing_to_lock(conn: asyncpg.Connection, *, keys: Sequence[str]) -> None:
    """Rows of this kind are written by imports only, which wait for each other."""
    del conn, keys


_LISTERS: tuple[OrganizationKind, ...] = ("vendor", "partner", "coordinator")

KINDS: Mapping[ImportKind, KindRows] = {
    "vendors": KindRows(
        vendors.read,
        vendors.check,
        vendors.write,
        vendors.count_missing,
        ("coordinator",),
        (),
        as_they_are,
        nothing_to_lock,
    ),
    "products": KindRows(
        products.read,
        products.check,
        products.write,
        products.count_missing,
        _LISTERS,
        _LISTERS,
        as_they_are,
        products.lock,
        Digests(products.read_digests, products.write_digests),
    ),
    "package-models": KindRows(
        package_models.read,
        package_models.check,
        package_models.write,
        package_models.count_missing,
        ("vendor", "coordinator"),
        ("vendor",),
        as_they_are,
        nothing_to_lock,
    ),
    "offers": KindRows(
        offers.read,
        offers.check,
        offers.write,
        offers.count_missing,
        ("vendor", "coordinator"),
        ("vendor",),
        offers.resolve,
        nothing_to_lock,
    ),
    "service-centers": KindRows(
        service_centers.read,
        service_centers.check,
        service_centers.write,
        service_centers.count_missing,
        _LISTERS,
        _LISTERS,
        service_centers.resolve,
        nothing_to_lock,
    ),
    "demands": KindRows(
        demands.read,
        demands.check,
        demands.write,
        demands.count_missing,
        ("factory", "coordinator"),
        ("factory",),
        as_they_are,
        nothing_to_lock,
    ),
}
