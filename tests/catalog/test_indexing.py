"""Dirty rows → documents → engine → acknowledgment; and which write dirties which documents."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from catalog.indexing import (
    add_target,
    index_batch,
    list_failing_documents,
    mark_all_dirty,
    mark_expired_dirty,
    read_lag,
    stream_documents,
)
from catalog.origin_claims import claim_origin, verify_origin_claim, withdraw_origin_claim
from search_config.documents import IndexName, SearchDocument
from search_config.engine import EngineHealth, SearchPage
from search_config.errors import SearchUnavailable
from search_config.query import Principal, SearchQuery

NOW = datetime(2026, 11, 25, tzinfo=UTC)


class RecordingEngine:
    """Holds documents by id; `poison` are codes that it chokes on, `down` makes it unavailable."""

    def __init__(self, *, poison: Sequence[str] = (), down: bool = False) -> None:
        self.documents: dict[str, Any] = {}
        self.poison = set(poison)
        self.down = down
        self.after_upsert: Any = None

    async def upsert(self, index: IndexName, documents: Sequence[SearchDocument]) -> None:
        if self.down:
            raise SearchUnavailable(index, reason="down")
        for document in documents:
            if document.code in self.poison:
                raise ValueError(f"cannot index {document.code}")
        self.documents |= {document.id: document for document in documents}
        if self.after_upsert is not None:
            await self.after_upsert()

    async def delete(self, index: IndexName, ids: Sequence[str]) -> None:
        for document_id in ids:
            self.documents.pop(document_id, None)

    async def search(self, query: SearchQuery, principal: Principal) -> SearchPage:
        raise NotImplementedError

    async def rebuild(self, index: IndexName, batches: AsyncIterator[Sequence[SearchDocument]]) -> int:
        raise NotImplementedError

    async def ids_and_versions(self, index: IndexName) -> Mapping[str, int]:
        raise NotImplementedError

    async def health(self) -> EngineHealth:
        raise NotImplementedError

    async def close(self) -> None: ...

    def by_code(self) -> dict[str, Any]:
        return {document.code: document for document in self.documents.values()}


async def index_all(market: Any, engine: RecordingEngine) -> dict[str, Any]:
    while await index_batch(market.conn, engine, target="main"):
        pass
    return engine.by_code()


async def test_everything_listed_becomes_a_document_and_nothing_stays_dirty(market: Any) -> None:
    await market.fill()
    await mark_all_dirty(market.conn, target="main")
    documents = await index_all(market, RecordingEngine())
    assert sorted(documents) == ["acme-hanoi", "alpha", "beta", "cobot-10", "weld-cell"]
    assert await market.dirty() == []
    package = documents["weld-cell"]
    assert (package.kind, package.vendor_code, package.price_krw) == ("package_model", "alpha", 50_000_000)
    assert (package.level_from, package.level_to, package.industries) == (1, 3, ["welding", "metal"])
    assert package.component_names == ["협동로봇 C10 Cobot C10 C10 Acme Robotics 아크메로보틱스"]
    assert (package.tags, package.lead_time_days) == (["collaborative robot"], 60)
    assert package.domestic_verified_bp is None
    assert package.version > 0
    assert (documents["alpha"].package_model_count, documents["alpha"].categories) == (1, ["robot"])
    assert (documents["acme-hanoi"].roles, documents["acme-hanoi"].country) == (["service"], "VN")


async def test_a_product_document_has_its_specs_price_and_share(market: Any) -> None:
    await market.bring(
        "products", market.row("products", series="C", spec__payload="9500 g"), viewer=market.alpha
    )
    offer = market.row("offers", package_model="", product="cobot-10", is_illustrative="yes")
    await market.bring("offers", offer)
    claim_id = uuid4()
    await claim_origin(
        market.conn, claim_id=claim_id, product_code="cobot-10", viewer=market.alpha, basis="self_declared",
        country="KR", domestic_content_bp=6_100, is_fictional=True,
    )  # fmt: skip
    engine = RecordingEngine()
    document = (await index_all(market, engine))["cobot-10"]
    assert [(spec.code, spec.number, spec.unit) for spec in document.specs] == [("payload", 9.5, "kg")]
    assert (document.price_krw, document.is_illustrative_price, document.tags) == (50_000_000, True, ["C"])
    assert (document.domestic_verified_bp, document.domestic_claimed_bp) == (0, 6_100)
    await verify_origin_claim(
        market.conn, claim_id=claim_id, verifier_id=market.coordinator.organization_id, now=NOW
    )
    document = (await index_all(market, engine))["cobot-10"]
    assert (document.domestic_verified_bp, document.domestic_claimed_bp) == (6_100, 6_100)


async def test_a_package_share_is_an_interval_by_reference_value(market: Any) -> None:
    await market.bring(
        "products", market.row("products"), market.row("products", code="plc", model="P", category="controller"),
        viewer=market.alpha,
    )  # fmt: skip
    await market.bring(
        "package-models", market.row("package-models", components="robot:cobot-10:1; controller:plc:2")
    )
    await claim_origin(
        market.conn,
        claim_id=uuid4(),
        product_code="plc",
        viewer=market.alpha,
        basis="self_declared",
        country="KR",
    )
    engine = RecordingEngine()
    assert (await index_all(market, engine))["weld-cell"].domestic_claimed_bp is None
    await market.conn.execute(
        """
        INSERT INTO reference_prices (product_id, unit_price_krw, source)
        SELECT id, CASE code WHEN 'plc' THEN 1000000 ELSE 8000000 END, 'test' FROM products
        """
    )
    document = (await index_all(market, engine))["weld-cell"]
    assert (document.domestic_verified_bp, document.domestic_claimed_bp) == (0, 2_000)


async def test_what_is_unpublished_or_suspended_leaves_the_index(market: Any) -> None:
    await market.fill()
    engine = RecordingEngine()
    await index_all(market, engine)
    await market.bring("products", market.row("products", state="draft"))
    await market.bring("package-models", market.row("package-models", state="retired"))
    documents = await index_all(market, engine)
    assert sorted(documents) == ["acme-hanoi", "alpha"]
    assert documents["alpha"].package_model_count == 0


async def test_narrower_listings_carry_who_may_see_them_and_never_leak_into_wider_ones(market: Any) -> None:
    await market.bring("products", market.row("products", vendor="alpha", visibility="owner"))
    await market.bring("package-models", market.row("package-models", visibility="members"))
    await market.bring("offers", market.row("offers", audience="members"))
    documents = await index_all(market, RecordingEngine())
    product, package = documents["cobot-10"], documents["weld-cell"]
    assert (product.visibility, product.tenants) == ("tenant", [market.alpha.organization_id])
    assert (package.visibility, package.tenants) == ("members", [])
    assert (package.component_names, package.tags, package.price_krw) == ([], [], None)


async def test_an_old_versions_price_counts_until_the_current_version_has_one(market: Any) -> None:
    await market.fill()
    await market.bring("package-models", market.row("package-models", summary_ko="새 내용"))
    engine = RecordingEngine()
    assert (await index_all(market, engine))["weld-cell"].price_krw == 50_000_000
    newer = market.row("offers", code="newer", list_unit_price_krw="60000000")
    await market.bring("offers", newer)
    assert (await index_all(market, engine))["weld-cell"].price_krw == 60_000_000


async def test_an_open_round_shows_its_best_reachable_price(market: Any) -> None:
    await market.fill()
    engine = RecordingEngine()
    await index_all(market, engine)
    await market.conn.execute(
        """
        INSERT INTO rounds (code, offer_id, vendor_id, coordinator_id, state, opens_at, closes_at, title_ko,
            title_en, audience, tiers, capacity, pack_size, list_unit_price_krw, allocation_rule, deposit_bp,
            lead_time_days, is_illustrative, may_close_early, funding_window)
        SELECT 'r1', o.id, o.vendor_id, $1, 'open', $2, $3, 't', 't', 'public', $4, 20, 1,
            o.list_unit_price_krw, 'pro_rata', 1000, 60, true, true, '3 days'
        FROM offers o
        """,
        market.coordinator.organization_id,
        NOW,
        NOW + timedelta(days=7),
        [{"quantity_min": 3, "unit_price_krw": 48}, {"quantity_min": 30, "unit_price_krw": 40}],
    )
    document = (await index_all(market, engine))["weld-cell"]
    assert (document.has_open_round, document.round_code, document.round_price_krw) == (True, "r1", 48)
    await market.conn.execute("UPDATE rounds SET state = 'canceled'")
    document = (await index_all(market, engine))["weld-cell"]
    assert (document.has_open_round, document.round_code) == (False, None)


# -- the loop ------------------------------------------------------------------------------------------


async def test_a_change_during_indexing_survives_the_acknowledgment(market: Any) -> None:
    await market.bring("products")
    engine = RecordingEngine()

    async def rename() -> None:
        engine.after_upsert = None
        await market.conn.execute("UPDATE products SET name_ko = '그사이'")

    engine.after_upsert = rename
    await index_batch(market.conn, engine, target="main")
    assert engine.by_code()["cobot-10"].name_ko == "협동로봇 C10"
    first = engine.by_code()["cobot-10"].version
    document = (await index_all(market, engine))["cobot-10"]
    assert (document.name_ko, document.version > first) == ("그사이", True)


async def test_a_poison_document_is_set_aside_and_the_others_go_on(market: Any) -> None:
    rows = [market.row("products", code=f"p{number}", model=f"M{number}") for number in range(9)]
    await market.bring("products", *rows)
    engine = RecordingEngine(poison=["p4"])
    documents = await index_all(market, engine)
    assert sorted(documents) == [f"p{number}" for number in range(9) if number != 4]
    [failing] = await list_failing_documents(market.conn, target="main")
    assert (failing.kind, failing.attempts, failing.last_error) == (
        "product",
        1,
        "ValueError: cannot index p4",
    )
    assert (await read_lag(market.conn, target="main")).failing == 1
    assert await index_batch(market.conn, engine, target="main") == 0  # not before its back-off
    await market.conn.execute("UPDATE search_dirty SET not_before = clock_timestamp()")
    await index_batch(market.conn, engine, target="main")
    [failing] = await list_failing_documents(market.conn, target="main")
    assert failing.attempts == 2
    engine.poison.clear()
    await market.conn.execute(
        "UPDATE products SET name_ko = '고침' WHERE code = 'p4'"
    )  # a change tries at once
    assert (await index_all(market, engine))["p4"].name_ko == "고침"
    assert await market.dirty() == []


async def test_an_engine_that_is_down_blames_no_document(market: Any) -> None:
    await market.bring("products")
    engine = RecordingEngine(down=True)
    with pytest.raises(SearchUnavailable):
        await index_batch(market.conn, engine, target="main")
    lag = await read_lag(market.conn, target="main")
    assert (lag.dirty, lag.failing) == (1, 0)
    assert lag.lag_seconds > 0
    engine.down = False
    await index_all(market, engine)
    assert await read_lag(market.conn, target="main") == msgspec.structs.replace(
        lag, dirty=0, lag_seconds=0.0
    )


async def test_each_target_has_dirty_rows_of_its_own(market: Any) -> None:
    await add_target(market.conn, target="second")
    await market.bring("products")
    engine = RecordingEngine()
    assert await index_batch(market.conn, engine, target="main") == 1
    assert (await read_lag(market.conn, target="second")).dirty == 1
    assert await mark_all_dirty(market.conn, target="second") == 3  # the product and two vendors


async def test_a_batch_takes_the_oldest_rows_up_to_its_limit(market: Any) -> None:
    rows = [market.row("products", code=f"p{number}", model=f"M{number}") for number in range(5)]
    await market.bring("products", *rows)
    engine = RecordingEngine()
    assert [await index_batch(market.conn, engine, target="main", limit=2) for _ in range(4)] == [2, 2, 1, 0]


async def test_a_rebuild_reads_every_document_in_batches(market: Any) -> None:
    rows = [market.row("products", code=f"p{number}", model=f"M{number}") for number in range(5)]
    await market.bring("products", *rows, market.row("products", code="hidden", model="H", state="draft"))
    await market.bring("package-models", market.row("package-models", components="robot:p0:1"))
    batches = [batch async for batch in stream_documents(market.conn, index="catalog", batch_size=2)]
    assert [len(batch) for batch in batches] == [1, 1, 2, 2]
    versions = {document.version for batch in batches for document in batch}
    assert len(versions) == 1
    await market.conn.execute("UPDATE products SET note = 'later' WHERE code = 'p0'")
    newer = await market.conn.fetchval("SELECT max(version) FROM search_dirty")
    assert newer > versions.pop()


# -- which write dirties what --------------------------------------------------------------------------


async def test_each_kind_of_write_dirties_exactly_the_documents_it_shows_in(market: Any) -> None:
    await market.fill()
    await market.bring(
        "products", market.row("products", code="other", model="O", maker="Other", maker_ko="다른")
    )
    await market.dirty()
    product, package, center, vendor = (
        ("product", "cobot-10"),
        ("package_model", "weld-cell"),
        ("service_center", "acme-hanoi"),
        ("vendor", "alpha"),
    )
    claim_id = uuid4()

    async def after(statement: str) -> list[tuple[str, str]]:
        await market.conn.execute(statement)
        return await market.dirty()

    assert await after("UPDATE products SET note = 'x' WHERE code = 'cobot-10'") == [package, product]
    assert await after(
        "INSERT INTO product_specs (product_id, code, number, shown) "
        "SELECT id, 'payload', 1, '1 kg' FROM products WHERE code = 'cobot-10'"
    ) == [product]
    assert await after("DELETE FROM product_specs") == [product]
    await claim_origin(
        market.conn, claim_id=claim_id, product_code="cobot-10", viewer=market.coordinator,
        basis="self_declared", country="KR",
    )  # fmt: skip
    assert await market.dirty() == [package, product]
    await withdraw_origin_claim(market.conn, claim_id=claim_id, viewer=market.coordinator, now=NOW)
    assert await market.dirty() == [package, product]
    assert await after("UPDATE package_models SET name_ko = 'x'") == [package, vendor]
    assert await after("UPDATE package_versions SET summary_ko = 'x'") == [package, vendor]
    assert await after("UPDATE bom_lines SET quantity = 5") == [package, vendor]
    assert await after("UPDATE offers SET list_unit_price_krw = 60000000") == [package]
    assert await after("UPDATE price_tiers SET unit_price_krw = unit_price_krw - 1") == [package]
    assert await after("DELETE FROM price_tiers WHERE quantity_min = 10") == [package]
    assert await after("UPDATE service_centers SET city = 'Hanoi'") == [center]
    assert await after("UPDATE makers SET name_ko = 'x' WHERE name = 'Acme Robotics'") == [
        package,
        product,
        center,
    ]
    assert await after("UPDATE demands SET note = 'x'") == []
    assert await after("UPDATE organizations SET region = 'x' WHERE code = 'mill'") == []
    assert set(await after("UPDATE organizations SET region = 'x' WHERE code = 'alpha'")) >= {
        ("vendor", "alpha"), package,
    }  # fmt: skip


async def test_a_passed_day_is_marked_where_an_offer_or_a_claim_ended(market: Any) -> None:
    await market.bring("products", market.row("products"), market.row("products", code="b", model="B"))
    await market.bring("package-models")
    await market.bring(
        "offers", market.row("offers", package_model="", product="cobot-10", valid_until="2026-11-24")
    )
    await market.dirty()
    await mark_expired_dirty(market.conn, since=date(2026, 11, 25), until=date(2026, 11, 26))
    assert await market.dirty() == []
    await mark_expired_dirty(market.conn, since=date(2026, 11, 24), until=date(2026, 11, 25))
    assert await market.dirty() == [("package_model", "weld-cell"), ("product", "cobot-10")]
