"""Bulk listing against PostgreSQL: owners, references, idempotence, and nothing written on a refusal."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from catalog.core.import_rows import RowError
from catalog.core.viewer import ANONYMOUS, Viewer
from catalog.errors import ImportIdReused, ImportNotAllowed, ImportNotFound, UnknownKind
from catalog.importing import ImportReport, apply_import, check_import, report_document
from catalog.importing.report import ERRORS_MAX, listed_errors
from catalog.imports import get_import, list_imports, record_import
from catalog.offers import get_offer
from catalog.package_models import get_package_model
from marketplace.db import connect


def summary(report: ImportReport) -> tuple[int, int, int, int, int]:
    return (report.new, report.changed, report.unchanged, report.missing, len(report.errors))


def errors_of(report: ImportReport) -> list[tuple[int, str, str]]:
    return [(error.line, error.column, error.found) for error in report.errors]


async def test_the_same_file_twice_changes_nothing_and_dirties_nothing(market: Any) -> None:
    await market.fill()
    await market.dirty()
    before = await market.conn.fetch("SELECT xmin, * FROM products")
    for kind in ("products", "package-models", "offers", "service-centers"):
        assert summary(await market.bring(kind)) == (0, 0, 1, 0, 0)
    assert await market.conn.fetch("SELECT xmin, * FROM products") == before
    assert await market.dirty() == []


async def test_checking_a_file_writes_nothing(market: Any) -> None:
    before = await market.counts()
    table = market.table(market.row("products"), market.row("products", code="b", model="B"))
    report = await check_import(market.conn, kind="products", table=table, viewer=market.alpha)
    assert summary(report) == (2, 0, 0, 0, 0)
    assert not report.is_applied
    assert await market.counts() == before


async def test_one_wrong_row_keeps_the_whole_file_out(market: Any) -> None:
    before = await market.counts()
    rows = [market.row("products"), market.row("products", code="b", model="B", category="robots")]
    report = await market.bring("products", *rows)
    assert summary(report) == (1, 0, 0, 0, 1)
    assert errors_of(report) == [(3, "category", "robots")]
    assert not report.is_applied
    assert await market.counts() == before


async def test_the_good_rows_are_taken_when_asked_for(market: Any) -> None:
    rows = [market.row("products"), market.row("products", code="b", model="B", category="robots")]
    report = await market.bring("products", *rows, take_good_rows=True)
    assert summary(report) == (1, 0, 0, 0, 1)
    assert report.is_applied
    assert [row[0] for row in await market.conn.fetch("SELECT code FROM products")] == ["cobot-10"]


async def test_a_file_with_a_wrong_header_is_not_taken_even_for_its_good_rows(market: Any) -> None:
    before = await market.counts()
    report = await market.bring("products", market.row("products", colour="red"), take_good_rows=True)
    assert summary(report) == (0, 0, 0, 0, 1)
    assert not report.is_applied
    assert await market.counts() == before


async def test_the_report_is_the_contract_to_the_letter(market: Any) -> None:
    report = await market.bring("products", market.row("products", maker_country="Korea"))
    assert report_document(report) == {
        "new": 0,
        "changed": 0,
        "unchanged": 0,
        "missing": 0,
        "errors": [
            {
                "line": 2,
                "column": "maker_country",
                "found": "Korea",
                "expected": "a country code of two capitals, such as KR",
            }
        ],
    }


def test_a_report_lists_a_thousand_errors_and_counts_the_rest() -> None:
    errors = [RowError(line=n, column="a", found="", expected="x") for n in range(ERRORS_MAX + 5, 0, -1)]
    listed = listed_errors(errors)
    assert len(listed) == ERRORS_MAX + 1
    assert listed[0].line == 1
    assert listed[-1].found == "5 more errors"


async def test_a_change_is_written_and_only_that_row(market: Any) -> None:
    rows = [market.row("products"), market.row("products", code="b", model="B")]
    await market.bring("products", *rows)
    await market.dirty()
    rows[1]["name_ko"] = "새 이름"
    assert summary(await market.bring("products", *rows)) == (0, 1, 1, 0, 0)
    assert await market.dirty() == [("product", "b")]


async def test_missing_rows_are_counted_and_never_deleted(market: Any) -> None:
    await market.bring("products", market.row("products"), market.row("products", code="b", model="B"))
    await market.bring("products", market.row("products", code="c", model="C"), viewer=market.alpha)
    report = await market.bring("products", market.row("products", code="b", model="B"))
    assert summary(report) == (0, 0, 1, 1, 0)
    assert await market.conn.fetchval("SELECT count(*) FROM products") == 3


# -- owners --------------------------------------------------------------------------------------------


async def test_a_vendor_does_not_write_rows_of_another_vendor(market: Any) -> None:
    await market.bring("products", viewer=market.alpha)
    before = await market.counts()
    stolen = market.row("products", name_ko="빼앗음")
    report = await market.bring("products", stolen, viewer=market.beta)
    assert errors_of(report) == [(2, "code", "cobot-10")]
    report = await market.bring(
        "products", market.row("products", code="b", model="B", vendor="alpha"), viewer=market.beta
    )
    assert errors_of(report) == [(2, "vendor", "alpha")]
    assert await market.counts() == before
    assert await market.conn.fetchval("SELECT name_ko FROM products") == "협동로봇 C10"


async def test_a_vendor_owns_what_it_imports_without_naming_itself(market: Any) -> None:
    await market.bring("products", viewer=market.alpha)
    assert await market.conn.fetchval("SELECT vendor_id FROM products") == market.alpha.organization_id


async def test_a_coordinator_writes_for_anybody_and_keeps_the_owner(market: Any) -> None:
    await market.bring("products", market.row("products", vendor="alpha"))
    report = await market.bring("products", market.row("products", name_ko="고침"))
    assert summary(report) == (0, 1, 0, 0, 0)
    assert await market.conn.fetchval("SELECT vendor_id FROM products") == market.alpha.organization_id


async def test_an_owner_must_exist_and_be_of_the_right_kind(market: Any) -> None:
    await market.bring("products")
    for code in ("nobody", "mill", "allies"):
        report = await market.bring("package-models", market.row("package-models", vendor=code))
        assert errors_of(report) == [(2, "vendor", code)]
    report = await market.bring("demands", market.row("demands", factory="alpha"))
    assert errors_of(report) == [(2, "factory", "alpha")]
    assert await market.conn.fetchval("SELECT count(*) FROM package_models") == 0


@pytest.mark.parametrize(
    ("who", "kind"),
    [("alpha", "vendors"), ("mill", "products"), ("mill", "offers"), ("alpha", "demands")],
)
async def test_a_kind_is_written_only_by_who_may(market: Any, who: str, kind: Any) -> None:
    before = await market.counts()
    with pytest.raises(ImportNotAllowed):
        await market.bring(kind, viewer=getattr(market, who))
    with pytest.raises(ImportNotAllowed):
        await market.bring(kind, viewer=ANONYMOUS)
    assert await market.counts() == before


async def test_an_unknown_kind_is_refused(market: Any) -> None:
    with pytest.raises(UnknownKind):
        await check_import(
            market.conn, kind="people", table=market.table({"a": "b"}), viewer=market.coordinator
        )  # type: ignore[arg-type]


async def test_a_coordinator_brings_vendors_but_takes_no_code_of_others(market: Any) -> None:
    report = await market.bring("vendors", market.row("vendors"), market.row("vendors", code="mill"))
    assert errors_of(report) == [(3, "code", "mill")]
    report = await market.bring("vendors", market.row("vendors", region="창원"))
    assert summary(report) == (1, 0, 0, 2, 0)  # alpha and beta are not in the file
    row = await market.conn.fetchrow("SELECT kind, region FROM organizations WHERE code = 'gamma'")
    assert tuple(row) == ("vendor", "창원")


async def test_a_factory_brings_its_own_demands(market: Any) -> None:
    mine = market.row("demands", factory="")
    assert summary(await market.bring("demands", mine, viewer=market.mill)) == (1, 0, 0, 0, 0)
    assert summary(await market.bring("demands", mine, viewer=market.mill)) == (0, 0, 1, 0, 0)
    changed = market.row("demands", ceiling_unit_price_krw="₩30,000,000")
    assert summary(await market.bring("demands", changed, viewer=market.mill)) == (0, 1, 0, 0, 0)
    assert await market.conn.fetchval("SELECT ceiling_unit_price_krw FROM demands") == 30_000_000


# -- makers and products -------------------------------------------------------------------------------


async def test_a_vendor_does_not_change_what_is_known_about_a_maker(market: Any) -> None:
    await market.bring("products")
    other = market.row("products", code="b", model="B", maker_country="DE", maker_ko="딴이름")
    report = await market.bring("products", other, viewer=market.alpha)
    assert errors_of(report) == [(2, "maker_country", "DE"), (2, "maker_ko", "딴이름")]
    assert await market.conn.fetchval("SELECT country FROM makers") == "KR"


async def test_a_coordinator_changes_a_maker_once_a_file(market: Any) -> None:
    await market.bring("products")
    rows = [
        market.row("products", maker_country="DE"),
        market.row("products", code="b", model="B", maker_country="FR"),
    ]
    report = await market.bring("products", *rows)
    assert errors_of(report) == [(3, "maker_country", "FR")]
    assert summary(await market.bring("products", rows[0])) == (0, 1, 0, 0, 0)
    assert await market.conn.fetchval("SELECT country FROM makers") == "DE"


async def test_a_maker_has_a_model_once(market: Any) -> None:
    await market.bring("products")
    report = await market.bring("products", market.row("products", code="b"))
    assert errors_of(report) == [(2, "model", "C10")]
    rows = [market.row("products", code="c", model="C"), market.row("products", code="d", model="C")]
    report = await market.bring("products", *rows)
    assert errors_of(report) == [(3, "model", "C")]
    assert await market.conn.fetchval("SELECT count(*) FROM products") == 1


async def test_specs_are_typed_replaced_and_taken_away(market: Any) -> None:
    async def specs() -> list[tuple[Any, ...]]:
        rows = await market.conn.fetch(
            "SELECT code, number, number_max, text, unit, shown FROM product_specs ORDER BY code"
        )
        return [tuple(row) for row in rows]

    await market.bring("products", market.row("products", spec__payload="9500 g", spec__ip_rating="IP67"))
    assert [row[:2] for row in await specs()] == [("ip_rating", None), ("payload", 9.5)]
    await market.bring("products", market.row("products", spec__payload="10 kg", spec__ip_rating=""))
    assert await specs() == [("payload", 10.0, None, None, "kg", "10 kg")]
    await market.bring("products", market.row("products"))
    assert len(await specs()) == 1


async def test_a_site_needs_a_known_maker_or_its_country(market: Any) -> None:
    report = await market.bring("service-centers")
    assert errors_of(report) == [(2, "maker", "Acme Robotics")]
    named = market.row(
        "service-centers", maker_ko="아크메", maker_country="KR", latitude="-5.5", longitude="10"
    )
    assert summary(await market.bring("service-centers", named)) == (1, 0, 0, 0, 0)
    assert summary(await market.bring("service-centers")) == (0, 0, 1, 0, 0)


# -- package models and offers -------------------------------------------------------------------------


async def test_a_changed_content_makes_a_new_version_and_the_offer_stays(market: Any) -> None:
    await market.fill()
    changed = market.row("package-models", components="robot:cobot-10:3")
    assert summary(await market.bring("package-models", changed)) == (0, 1, 0, 0, 0)
    model = await get_package_model(market.conn, code="weld-cell")
    assert (model.version.version, model.version.lines[0].quantity) == (2, 3)
    offer = await get_offer(market.conn, code="weld-offer")
    assert (offer.subject.version, offer.subject.is_current_version) == (1, False)
    old = await market.conn.fetchval(
        """
        SELECT b.quantity FROM bom_lines b JOIN package_versions n ON n.id = b.package_version_id
        WHERE n.version = 1
        """
    )
    assert old == 2

    assert summary(await market.bring("offers")) == (0, 1, 0, 0, 0)
    offer = await get_offer(market.conn, code="weld-offer")
    assert (offer.subject.version, offer.subject.is_current_version) == (2, True)


async def test_a_new_name_makes_no_new_version(market: Any) -> None:
    await market.fill()
    assert summary(await market.bring("package-models", market.row("package-models", name_ko="새 이름"))) == (
        0, 1, 0, 0, 0,
    )  # fmt: skip
    model = await get_package_model(market.conn, code="weld-cell")
    assert (model.version.version, model.name_ko) == (1, "새 이름")


async def test_a_component_must_be_a_product_that_the_vendor_may_see(market: Any) -> None:
    await market.bring("products", market.row("products", state="draft"), viewer=market.beta)
    before = await market.counts()
    report = await market.bring("package-models", viewer=market.alpha)
    assert errors_of(report) == [(2, "components", "cobot-10")]
    assert await market.counts() == before


async def test_an_offer_is_on_ones_own_package_model_in_a_version_that_exists(market: Any) -> None:
    await market.bring("products")
    await market.bring("package-models")
    before = await market.counts()
    taken = market.row("offers", vendor="beta")
    assert errors_of(await market.bring("offers", taken, viewer=market.beta)) == [
        (2, "package_model", "weld-cell")
    ]
    assert errors_of(await market.bring("offers", market.row("offers", package_version="2"))) == [
        (2, "package_version", "2")
    ]
    on_nothing = market.row("offers", package_model="", product="nothing")
    assert errors_of(await market.bring("offers", on_nothing)) == [(2, "product", "nothing")]
    assert await market.counts() == before


async def test_anybody_may_offer_a_listed_product(market: Any) -> None:
    await market.bring("products", viewer=market.alpha)
    row = market.row("offers", code="resale", vendor="beta", package_model="", product="cobot-10")
    assert summary(await market.bring("offers", row, viewer=market.beta)) == (1, 0, 0, 0, 0)


async def test_tiers_and_invitations_are_replaced_as_a_whole(market: Any) -> None:
    await market.fill()
    row = market.row("offers", tiers="2:49,000,000; 10:40,000,000", audience="invited", invited="mill; beta")
    assert summary(await market.bring("offers", row)) == (0, 1, 0, 0, 0)
    tiers = await market.conn.fetch("SELECT quantity_min, unit_price_krw FROM price_tiers ORDER BY 1")
    assert [tuple(tier) for tier in tiers] == [(2, 49_000_000), (10, 40_000_000)]
    assert await market.conn.fetchval("SELECT count(*) FROM offer_invitations") == 2
    assert summary(await market.bring("offers", row)) == (0, 0, 1, 0, 0)
    assert summary(await market.bring("offers", row | {"audience": "public", "invited": ""})) == (
        0,
        1,
        0,
        0,
        0,
    )
    assert await market.conn.fetchval("SELECT count(*) FROM offer_invitations") == 0
    stranger = row | {"invited": "nobody"}
    assert errors_of(await market.bring("offers", stranger)) == [(2, "invited", "nobody")]


# -- together ------------------------------------------------------------------------------------------


async def test_two_vendors_that_claim_one_new_code_at_once_do_not_overwrite_each_other(
    market: Any, database: str
) -> None:
    other = await connect(database)

    async def claim(conn: asyncpg.Connection, viewer: Viewer, name: str) -> ImportReport:
        table = market.table(market.row("products", name_ko=name))
        async with conn.transaction():
            report = await apply_import(conn, kind="products", table=table, viewer=viewer)
            await asyncio.sleep(0.05)
            return report

    try:
        reports = await asyncio.gather(
            claim(market.conn, market.alpha, "첫째"), claim(other, market.beta, "둘째")
        )
    finally:
        await other.close()
    assert sorted(len(report.errors) for report in reports) == [0, 1]
    winner = "첫째" if not reports[0].errors else "둘째"
    assert await market.conn.fetchval("SELECT name_ko FROM products") == winner


async def test_an_import_is_remembered_with_its_report(market: Any) -> None:
    import_id = uuid4()
    facts: dict[str, Any] = {
        "import_id": import_id, "kind": "products", "person_id": None, "file_id": None, "file_name": "p.csv",
    }  # fmt: skip
    report = await market.bring("products", market.row("products", category="x"), viewer=market.alpha)
    refused = await record_import(market.conn, viewer=market.alpha, report=report, **facts)
    assert (refused.state, refused.report, refused.applied_at) == ("refused", report, None)
    report = await market.bring("products", viewer=market.alpha)
    applied = await record_import(market.conn, viewer=market.alpha, report=report, **facts)
    assert applied.state == "applied"
    assert applied.applied_at is not None
    for viewer in (market.alpha, market.beta):
        with pytest.raises(ImportIdReused):
            await record_import(market.conn, viewer=viewer, report=report, **facts)
    with pytest.raises(ImportNotFound):
        await get_import(market.conn, import_id=import_id, viewer=market.beta)
    assert await list_imports(market.conn, viewer=market.beta) == ()
    assert await list_imports(market.conn, viewer=market.coordinator) == (applied,)
