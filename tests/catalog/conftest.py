"""A small market for the catalog's tests: four organizations, and rows with valid defaults."""

from collections.abc import Mapping
from typing import Any

import asyncpg
import msgspec
import pytest

from catalog.core.import_rows import RawTable, read_table, write_csv
from catalog.core.listing_rows import ImportKind
from catalog.core.viewer import Viewer
from catalog.importing import ImportReport, apply_import
from catalog.reference_data import load_spec_definitions

Cells = dict[str, str]

DEFAULTS: Mapping[ImportKind, Cells] = {
    "vendors": {"code": "gamma", "name_ko": "감마", "name_en": "Gamma"},
    "products": {
        "code": "cobot-10",
        "maker": "Acme Robotics",
        "maker_ko": "아크메로보틱스",
        "maker_country": "KR",
        "model": "C10",
        "category": "robot",
        "subcategory": "collaborative robot",
        "name_ko": "협동로봇 C10",
        "name_en": "Cobot C10",
        "verification": "fictional",
    },
    "package-models": {
        "code": "weld-cell",
        "vendor": "alpha",
        "name_ko": "용접 셀",
        "name_en": "Welding cell",
        "package_type": "individual_build",
        "level_from": "1",
        "level_to": "3",
        "industries": "welding; metal",
        "summary_ko": "용접 자동화",
        "summary_en": "Automates welding",
        "lead_time_days": "60",
        "warranty_months": "12",
        "components": "robot:cobot-10:2",
    },
    "offers": {
        "code": "weld-offer",
        "vendor": "alpha",
        "package_model": "weld-cell",
        "list_unit_price_krw": "50000000",
        "tiers": "3:48000000; 10:45000000",
        "capacity": "20",
        "lead_time_days": "60",
    },
    "service-centers": {
        "code": "acme-hanoi",
        "maker": "Acme Robotics",
        "name_ko": "하노이 서비스센터",
        "name_en": "Hanoi service center",
        "roles": "service",
        "status": "operating",
        "country": "VN",
        "verification": "maker",
        "source_title": "Acme site list",
    },
    "demands": {
        "id": "7d3c7e2e-31b5-4b6c-8f53-0d1d5a0f9a01",
        "factory": "mill",
        "category": "robot",
        "quantity_min": "1",
        "quantity_max": "4",
    },
}


class Market(msgspec.Struct, frozen=True):
    """The organizations of the small market, and how to bring rows into it."""

    conn: asyncpg.Connection
    coordinator: Viewer
    alpha: Viewer
    beta: Viewer
    mill: Viewer

    def row(self, kind: ImportKind, **changes: str) -> Cells:
        return {**DEFAULTS[kind], **{name.replace("__", "."): text for name, text in changes.items()}}

    def table(self, *rows: Cells) -> RawTable:
        columns = dict.fromkeys(name for row in rows for name in row)
        return read_table(write_csv(columns, rows), suffix=".csv")

    async def bring(
        self, kind: ImportKind, *rows: Cells, viewer: Viewer | None = None, **options: Any
    ) -> ImportReport:
        """Import the rows (or the default row) as the coordinator, or as `viewer`."""
        table = self.table(*(rows or (self.row(kind),)))
        async with self.conn.transaction():
            return await apply_import(
                self.conn, kind=kind, table=table, viewer=viewer or self.coordinator, **options
            )

    async def fill(self) -> None:
        """One of everything: a product, a package model with it, an offer, a site."""
        for kind in ("products", "package-models", "offers", "service-centers"):
            report = await self.bring(kind)
            assert (report.new, report.errors) == (1, ())

    async def dirty(self) -> list[tuple[str, str]]:
        """(kind, code) of what is marked dirty; marks are taken away."""
        rows = await self.conn.fetch(
            """
            WITH gone AS (DELETE FROM search_dirty RETURNING kind, doc_id)
            SELECT g.kind, coalesce(p.code, m.code, c.code, v.code, g.doc_id::text) AS code FROM gone g
            LEFT JOIN products p ON g.kind = 'product' AND p.id = g.doc_id
            LEFT JOIN package_models m ON g.kind = 'package_model' AND m.id = g.doc_id
            LEFT JOIN service_centers c ON g.kind = 'service_center' AND c.id = g.doc_id
            LEFT JOIN organizations v ON g.kind = 'vendor' AND v.id = g.doc_id
            ORDER BY 1, 2
            """
        )
        return [(row["kind"], row["code"]) for row in rows]

    async def counts(self) -> dict[str, int]:
        """How many rows every table of listings has; a refusal leaves them as they were."""
        tables = (
            "makers", "products", "product_specs", "package_models", "package_versions", "bom_lines", "offers",
            "price_tiers", "offer_invitations", "service_centers", "demands", "organizations", "search_dirty",
        )  # fmt: skip
        return {name: await self.conn.fetchval(f"SELECT count(*) FROM {name}") for name in tables}


@pytest.fixture
async def market(conn: asyncpg.Connection) -> Market:
    viewers: dict[str, Viewer] = {}
    for code, kind in (
        ("allies", "coordinator"),
        ("alpha", "vendor"),
        ("beta", "vendor"),
        ("mill", "factory"),
    ):
        viewers[code] = Viewer(
            await conn.fetchval(
                "INSERT INTO organizations (code, kind, name_ko, name_en) VALUES ($1, $2, $1, $1) RETURNING id",
                code,
                kind,
            ),
            kind,
        )
    await load_spec_definitions(conn)
    await conn.execute("DELETE FROM search_dirty")
    return Market(conn, viewers["allies"], viewers["alpha"], viewers["beta"], viewers["mill"])
