"""The six kinds of rows and what each one's module does; the only place that lists them."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

import asyncpg
from msgspec import Struct

from catalog.core.import_rows import RowError
from catalog.core.listing_rows import ImportKind
from catalog.core.viewer import OrganizationKind
from catalog.importing import demands, offers, package_models, products, service_centers, vendors
from catalog.importing.staged import Organization, StagedRow, StoredRow


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
        self, conn: asyncpg.Connection, *, rows: Sequence[StagedRow], importer: Organization
    ) -> Awaitable[list[RowError]]: ...


class CountMissing(Protocol):
    """How many live rows of these owners the file does not name."""

    def __call__(
        self, conn: asyncpg.Connection, *, keys: Sequence[str], owner_ids: Sequence[int] | None
    ) -> Awaitable[int]: ...


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


async def as_they_are(conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> list[StagedRow]:
    del conn
    return list(rows)


_LISTERS: tuple[OrganizationKind, ...] = ("vendor", "partner", "coordinator")

KINDS: Mapping[ImportKind, KindRows] = {
    "vendors": KindRows(
        vendors.read, vendors.check, vendors.write, vendors.count_missing, ("coordinator",), (), as_they_are
    ),
    "products": KindRows(
        products.read,
        products.check,
        products.write,
        products.count_missing,
        _LISTERS,
        _LISTERS,
        as_they_are,
    ),
    "package-models": KindRows(
        package_models.read,
        package_models.check,
        package_models.write,
        package_models.count_missing,
        ("vendor", "coordinator"),
        ("vendor",),
        as_they_are,
    ),
    "offers": KindRows(
        offers.read,
        offers.check,
        offers.write,
        offers.count_missing,
        ("vendor", "coordinator"),
        ("vendor",),
        offers.resolve,
    ),
    "service-centers": KindRows(
        service_centers.read,
        service_centers.check,
        service_centers.write,
        service_centers.count_missing,
        _LISTERS,
        _LISTERS,
        service_centers.resolve,
    ),
    "demands": KindRows(
        demands.read,
        demands.check,
        demands.write,
        demands.count_missing,
        ("factory", "coordinator"),
        ("factory",),
        as_they_are,
    ),
}
