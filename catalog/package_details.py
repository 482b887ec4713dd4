"""A package's versions and what its current one says beside the bill of materials, for its page."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from catalog.core.product import Category
from catalog.core.viewer import Viewer
from catalog.errors import InvalidText, PackageModelNotFound
from catalog.events import Actor, record_event

REFERENCE_NAME_LENGTH_MAX = 200


class PackageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of a version; won without VAT. A field that its package type does not ask for is empty."""

    return_terms_ko: str = ""
    return_terms_en: str = ""
    monthly_fee_krw: int | None = None
    contract_months_min: int | None = None
    data_location: str | None = None
    exit_terms_ko: str = ""
    exit_terms_en: str = ""
    saved_kwh_per_year: int | None = None
    fems_code: str | None = None
    fems_ko: str | None = None
    fems_en: str | None = None
    ess_code: str | None = None
    ess_ko: str | None = None
    ess_en: str | None = None
    courses_ko: list[str] = []
    courses_en: list[str] = []


class AlternativeProduct(msgspec.Struct, frozen=True, kw_only=True):
    """A product that may be delivered instead of the component on line `line_no`."""

    line_no: int
    code: str
    name_ko: str
    name_en: str
    maker_ko: str
    maker_en: str
    maker_country: str


class ReferenceFactory(msgspec.Struct, frozen=True, kw_only=True):
    """A factory where a version of the package runs; `may_visit` = it receives visitors."""

    id: UUID
    version: int
    name_ko: str
    name_en: str
    region: str | None
    industry: str | None
    installed_year: int
    may_visit: bool


class VersionLine(msgspec.Struct, frozen=True, kw_only=True):
    """A component of a version; `code` None = its lister does not show it to this viewer."""

    slot: Category
    quantity: int
    code: str | None = None
    name_ko: str | None = None
    name_en: str | None = None


class VersionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a package, and how many offers and rounds stand on it."""

    version: int
    is_current: bool
    created_at: datetime
    level_from: int
    level_to: int
    lead_time_days: int
    warranty_months: int
    spare_parts_years: int
    offer_count: int
    lines: tuple[VersionLine, ...]


async def read_facts(conn: asyncpg.Connection, *, version_id: int) -> PackageFacts:
    """The facts of a version; a version without any has empty ones."""
    found = await list_facts(conn, version_ids=[version_id])
    return found.get(version_id, PackageFacts())


async def list_facts(conn: asyncpg.Connection, *, version_ids: Sequence[int]) -> dict[int, PackageFacts]:
    """The facts of versions by their id; a version without any is left out."""
    rows = await conn.fetch(
        """
        SELECT f.package_version_id, f.return_terms_ko, f.return_terms_en, f.monthly_fee_krw, f.contract_months_min,
               f.data_location, f.exit_terms_ko, f.exit_terms_en, f.saved_kwh_per_year, fems.code AS fems_code,
               fems.name_ko AS fems_ko, fems.name_en AS fems_en, ess.code AS ess_code, ess.name_ko AS ess_ko,
               ess.name_en AS ess_en, f.courses_ko, f.courses_en
        FROM package_facts f
        LEFT JOIN products fems ON fems.id = f.fems_product_id
        LEFT JOIN products ess ON ess.id = f.ess_product_id
        WHERE f.package_version_id = ANY ($1::bigint[])
        """,
        version_ids,
    )
    return {
        row["package_version_id"]: PackageFacts(
            **{name: row[name] for name in PackageFacts.__struct_fields__}
        )
        for row in rows
    }


async def list_alternatives(
    conn: asyncpg.Connection, *, version_id: int, viewer: Viewer
) -> dict[int, list[AlternativeProduct]]:
    """The alternatives of a version by line, as far as this viewer may see them."""
    rows = await conn.fetch(
        """
        SELECT a.line_no, p.code, p.name_ko, p.name_en, k.name_ko AS maker_ko, k.name AS maker_en,
               k.country AS maker_country
        FROM bom_alternatives a
        JOIN products p ON p.id = a.product_id
        JOIN makers k ON k.id = p.maker_id
        JOIN organizations v ON v.id = p.vendor_id
        WHERE a.package_version_id = $1
          AND (p.state = 'published' AND v.state = 'active'
               AND (p.visibility = 'public' OR p.visibility = 'members' AND $2::bigint IS NOT NULL)
               OR p.vendor_id = $2 OR $3)
        ORDER BY a.line_no, p.code
        """,
        version_id,
        viewer.organization_id,
        viewer.is_coordinator,
    )
    found: dict[int, list[AlternativeProduct]] = {}
    for row in rows:
        found.setdefault(row["line_no"], []).append(AlternativeProduct(**dict(row)))
    return found


async def list_versions(conn: asyncpg.Connection, *, package_id: int, viewer: Viewer) -> list[VersionEntry]:
    """Every version of a package, the newest first. The caller has read the package with the viewer's eyes."""
    rows = await conn.fetch(
        """
        SELECT json_build_object(
            'version', n.version, 'is_current', n.is_current, 'created_at', n.created_at, 'level_from', n.level_from,
            'level_to', n.level_to, 'lead_time_days', n.lead_time_days, 'warranty_months', n.warranty_months,
            'spare_parts_years', n.spare_parts_years,
            'offer_count', (SELECT count(*) FROM offers o WHERE o.package_version_id = n.id AND o.state = 'published'),
            'lines', coalesce((
                SELECT json_agg(CASE WHEN p.state <> 'draft' AND (p.visibility = 'public'
                                          OR p.visibility = 'members' AND $2::bigint IS NOT NULL)
                                       OR p.vendor_id = $2 OR $3
                    THEN json_build_object('slot', b.slot, 'quantity', b.quantity, 'code', p.code,
                                           'name_ko', p.name_ko, 'name_en', p.name_en)
                    ELSE json_build_object('slot', b.slot, 'quantity', b.quantity) END ORDER BY b.line_no)
                FROM bom_lines b JOIN products p ON p.id = b.product_id
                WHERE b.package_version_id = n.id), '[]'::json))::text
        FROM package_versions n WHERE n.package_model_id = $1
        ORDER BY n.version DESC LIMIT 100
        """,
        package_id,
        viewer.organization_id,
        viewer.is_coordinator,
    )
    return [msgspec.json.decode(row[0], type=VersionEntry) for row in rows]


async def list_references(conn: asyncpg.Connection, *, package_id: int) -> list[ReferenceFactory]:
    """The reference factories of a package, the newest first."""
    rows = await conn.fetch(
        """
        SELECT id, version, name_ko, name_en, region, industry, installed_year, may_visit
        FROM reference_factories WHERE package_model_id = $1 AND removed_at IS NULL
        ORDER BY installed_year DESC, created_at DESC LIMIT 50
        """,
        package_id,
    )
    return [ReferenceFactory(**dict(row)) for row in rows]


async def add_reference(
    conn: asyncpg.Connection,
    *,
    reference_id: UUID,
    code: str,
    version: int,
    name_ko: str,
    name_en: str,
    region: str | None,
    industry: str | None,
    installed_year: int,
    may_visit: bool,
    actor: Actor,
) -> None:
    """A vendor names a factory where a version of its own package runs. The same id twice is one.

    Raises PackageModelNotFound, also for another vendor's package or a version that never was; InvalidText.
    """
    if not 1 <= len(name_ko.strip()) <= REFERENCE_NAME_LENGTH_MAX:
        raise InvalidText("/name_ko", length_max=REFERENCE_NAME_LENGTH_MAX)

    known = await conn.fetchval(
        """
        SELECT m.id FROM package_models m JOIN package_versions n ON n.package_model_id = m.id
        WHERE m.code = $1 AND m.vendor_id = $2 AND n.version = $3
        """,
        code,
        actor.organization_id,
        version,
    )
    if known is None:
        raise PackageModelNotFound(code)
    inserted = await conn.fetchval(
        """
        INSERT INTO reference_factories
            (id, package_model_id, version, name_ko, name_en, region, industry, installed_year, may_visit)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (id) DO NOTHING RETURNING id
        """,
        reference_id,
        known,
        version,
        name_ko.strip(),
        name_en.strip(),
        region,
        industry,
        installed_year,
        may_visit,
    )
    if inserted is not None:
        await record_event(
            conn,
            kind="package.reference_added",
            subject="package-models",
            subject_id=code,
            actor=actor,
            name_ko=name_ko.strip(),
            version=version,
        )


async def remove_reference(conn: asyncpg.Connection, *, code: str, reference_id: UUID, actor: Actor) -> None:
    """Take a reference factory of an own package off its page. Raises PackageModelNotFound."""
    removed = await conn.fetchval(
        """
        UPDATE reference_factories r SET removed_at = clock_timestamp() FROM package_models m
        WHERE m.id = r.package_model_id AND m.code = $1 AND m.vendor_id = $2 AND r.id = $3 AND r.removed_at IS NULL
        RETURNING r.id
        """,
        code,
        actor.organization_id,
        reference_id,
    )
    if removed is None:
        raise PackageModelNotFound(code)
    await record_event(
        conn,
        kind="package.reference_removed",
        subject="package-models",
        subject_id=code,
        actor=actor,
        reference=str(reference_id),
    )
