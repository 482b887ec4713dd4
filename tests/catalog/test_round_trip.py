"""Everything of a catalog goes into files and comes back the same, into this market and into an empty one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.core import import_rows
from catalog.core.import_rows import read_batches
from catalog.core.listing_columns import COLUMNS
from catalog.core.listing_rows import (
    IMPORT_KINDS,
    PACKAGE_FACTS,
    ImportKind,
    OfferRow,
    PackageModelRow,
    ProductRow,
)
from catalog.exporting import EXPORT_SUFFIXES, export_rows, write_export
from catalog.importing import apply_import

KINDS: tuple[ImportKind, ...] = (
    "vendors",
    "products",
    "package-models",
    "offers",
    "service-centers",
    "demands",
)
NASTY = (
    "=1+1",
    "+82-2",
    "-5",
    "@cmd",
    "'=x",
    "a,b",
    'say "yes"',
    "줄\n바꿈",
    "007",
    "카페",
    "🤖 로봇",
    "a ; b",
    "\t탭",
)
TEXT = st.one_of(
    st.sampled_from(NASTY), st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
)
CLEAN = TEXT.map(import_rows.clean_cell).filter(
    lambda text: bool(text) and not import_rows._FORBIDDEN.search(text)
)
ITEMS = st.lists(CLEAN.map(lambda text: text.replace(";", "").strip()).filter(bool), max_size=2).map(
    "; ".join
)
MAYBE = st.just("") | CLEAN
NUMBER = st.just("") | st.integers(1, 60).map(str)


@st.composite
def catalogs(draw: st.DrawFn) -> dict[ImportKind, dict[str, str]]:
    """One row of each kind with everything that it can say."""
    package_type = draw(st.sampled_from(["individual_build", "cloud", "clean_energy"]))
    facts = dict.fromkeys(PACKAGE_FACTS, "")
    facts |= {name: draw(MAYBE) for name in ("return_terms_ko", "return_terms_en")}
    facts |= {name: draw(ITEMS) for name in ("courses_ko", "courses_en")}
    facts["alternatives"] = draw(st.sampled_from(["", "cobot-10:cobot-11"]))
    if package_type == "cloud":
        facts |= {
            "monthly_fee_krw": draw(st.integers(1, 10**9).map(str)),
            "data_location": draw(st.sampled_from(["", "KR"])),
        }
        facts |= {
            "contract_months_min": draw(NUMBER),
            "exit_terms_ko": draw(MAYBE),
            "exit_terms_en": draw(MAYBE),
        }
    if package_type == "clean_energy":
        facts |= {"saved_kwh_per_year": draw(NUMBER), "ess_product": draw(st.sampled_from(["", "cobot-10"]))}
    terms = {name: draw(NUMBER) for name in ("warranty_months", "lead_time_days")}
    return {
        "vendors": {"introduction_ko": draw(MAYBE), "region": draw(MAYBE)},
        "products": {
            "name_ko": draw(CLEAN), "note": draw(MAYBE), "spec.payload": draw(st.sampled_from(["", "500 g", "0.5 kg"])),
            "asks_quote": draw(st.sampled_from(["yes", "no"])), "code_hs": draw(st.sampled_from(["", "8479.50"])),
            "code_g2b": "43211503", "code_g2b_version": "2024", "state": draw(st.sampled_from(["draft", "published"])),
            **terms,
        },
        "package-models": {
            "package_type": package_type, "summary_ko": draw(CLEAN), "included_ko": draw(ITEMS), **facts,
        },
        "offers": {
            "terms_ko": draw(MAYBE), "return_terms_ko": draw(MAYBE), "installation_includes": draw(ITEMS),
            "installation_excludes": draw(ITEMS), "spare_parts_years": draw(st.sampled_from(["", "0", "8"])),
            "audience": "invited", "invited": draw(st.sampled_from(["", "mill"])), "warranty_months": draw(NUMBER),
        },
        "service-centers": {"address": draw(MAYBE), "languages": draw(ITEMS), "note": draw(MAYBE)},
        "demands": {"note": draw(MAYBE), "region": draw(MAYBE)},
    }  # fmt: skip


@asynccontextmanager
async def thrown_away(conn: Any) -> AsyncIterator[None]:
    transaction = conn.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


async def listed(market: Any) -> dict[ImportKind, list[dict[str, str]]]:
    return {kind: list(await export_rows(market.conn, kind=kind)) for kind in KINDS}


async def bring(market: Any, kind: ImportKind, content: bytes, suffix: str) -> Any:
    table = read_batches(content, suffix=suffix)
    return await apply_import(market.conn, kind=kind, table=table, viewer=market.coordinator)


@given(catalog=catalogs(), suffix=st.sampled_from(EXPORT_SUFFIXES))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_whole_catalog_comes_back_the_same_from_its_files(
    market: Any, catalog: dict[ImportKind, dict[str, str]], suffix: str
) -> None:
    async with thrown_away(market.conn):
        assert (
            await market.bring("products", market.row("products", code="cobot-11", model="C11"))
        ).errors == ()
        for kind in KINDS:
            row = market.row(kind) | catalog[kind]
            report = await market.bring(kind, row)
            assert (report.new, report.errors) == (1, ()), (kind, report.errors)
        before = await listed(market)
        written = {kind: write_export(kind, iter(rows), suffix=suffix) for kind, rows in before.items()}
        for kind in KINDS:
            report = await bring(market, kind, written[kind], suffix)
            assert (report.new, report.changed, report.errors) == (0, 0, ()), kind
            assert report.unchanged > 0
        assert await listed(market) == before
    async with thrown_away(market.conn):
        for kind in KINDS:
            report = await bring(market, kind, written[kind], suffix)
            assert (report.changed, report.errors) == (0, ()), (kind, report.errors)
        assert await listed(market) == before


@pytest.mark.parametrize("row_type", [ProductRow, PackageModelRow, OfferRow])
def test_no_field_of_a_row_is_left_out_of_its_file(row_type: type[Any]) -> None:
    kind = next(kind for kind in IMPORT_KINDS if COLUMNS[kind].row_type is row_type)
    assert set(COLUMNS[kind].names) == set(row_type.__struct_fields__) - {"specs"}
