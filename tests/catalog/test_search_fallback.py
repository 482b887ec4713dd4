"""The degraded mode: PostgreSQL answers with the same pages, says so, and never shows what is hidden."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from catalog.search_fallback import CANDIDATES_MAX, RETRY_SECONDS, FallbackEngine, search_in_postgres
from search_config.documents import IndexName, SearchDocument
from search_config.engine import EngineHealth, SearchPage
from search_config.errors import InvalidFilterValue, SearchUnavailable, UnknownField
from search_config.query import ANONYMOUS, Principal, SearchQuery


def codes(page: SearchPage) -> list[str]:
    return [hit.document.code for hit in page.hits]


@pytest.fixture
async def shop(market: Any) -> Any:
    rows = [
        market.row("products"),
        market.row("products", code="plc-1", model="XGB-XBMS", category="controller", subcategory="PLC",
                   name_ko="블록형 PLC", name_en="Compact PLC"),
        market.row("products", code="members-1", model="M1", visibility="members", name_ko="회원 협동로봇"),
        market.row("products", code="draft-1", model="D1", state="draft", name_ko="초안 협동로봇"),
    ]  # fmt: skip
    await market.bring("products", *rows)
    own = market.row("products", code="own-1", model="O1", visibility="owner", name_ko="우리 협동로봇")
    await market.bring("products", own, viewer=market.alpha)
    await market.bring("package-models")
    await market.bring("offers")
    await market.bring("service-centers")
    return market


async def ask(shop: Any, text: str = "", principal: Principal = ANONYMOUS, **fields: Any) -> SearchPage:
    return await search_in_postgres(shop.conn, query=SearchQuery(text=text, **fields), principal=principal)


@pytest.mark.parametrize(
    ("text", "first"),
    [("협동로봇", "cobot-10"), ("협동 로봇", "cobot-10"), ("cobot", "cobot-10"), ("xgbxbms", "plc-1"),
     ("XGB-XBMS", "plc-1"), ("피엘씨", "plc-1"), ("용접 셀", "weld-cell"), ("welding cell", "weld-cell")],
)  # fmt: skip
async def test_names_models_and_synonyms_are_found(shop: Any, text: str, first: str) -> None:
    page = await ask(shop, text)
    assert codes(page)[0] == first
    assert page.notices == ("degraded",)


@pytest.mark.parametrize("text", ["없는단어", "!!!", "%", "_", "' OR zzz=1 --", "\\"])
async def test_nothing_is_found_for_what_is_not_there(shop: Any, text: str) -> None:
    assert (await ask(shop, text)).total == 0


async def test_hidden_listings_show_in_no_hit_total_or_facet(shop: Any) -> None:
    seen = {
        "anonymous": await ask(shop, "협동로봇", facets=["category", "kind"]),
        "member": await ask(shop, "협동로봇", Principal(is_member=True), facets=["category", "kind"]),
        "owner": await ask(
            shop, "협동로봇", Principal(is_member=True, tenant_ids=frozenset({shop.alpha.organization_id}))
        ),
        "another": await ask(shop, "협동로봇", Principal(tenant_ids=frozenset({shop.beta.organization_id}))),
    }
    products = {who: {code for code in codes(page) if code != "weld-cell"} for who, page in seen.items()}
    assert products == {
        "anonymous": {"cobot-10"},
        "member": {"cobot-10", "members-1"},
        "owner": {"cobot-10", "members-1", "own-1"},
        "another": {"cobot-10"},
    }
    facet = {entry.value: entry.count for entry in seen["anonymous"].facets["kind"]}
    assert facet["product"] == 1


async def test_filters_facets_sort_and_paging_mean_what_they_mean_in_an_engine(shop: Any) -> None:
    page = await ask(shop, filters={"category": ["controller"]}, facets=["category", "price_krw"])
    assert (codes(page), page.total) == (["plc-1"], 1)
    assert {entry.value: entry.count for entry in page.facets["category"]}["robot"] == 1
    page = await ask(shop, sort="price", page_size=1)
    assert (codes(page), page.total, page.page_count) == (["weld-cell"], 3, 3)
    page = await ask(shop, ranges={"price_krw": (1, 50_000_000)}, facets=["price_krw"])
    assert (codes(page), page.bounds["price_krw"].lower) == (["weld-cell"], 50_000_000)
    assert (await ask(shop, page=9_999)).notices == ("page_limited", "degraded")
    with pytest.raises(UnknownField):
        await ask(shop, filters={"tenants": ["1"]})
    with pytest.raises(InvalidFilterValue):
        await ask(shop, filters={"price_krw": ["cheap"]})


async def test_sites_and_vendors_are_found_too(shop: Any) -> None:
    assert codes(await ask(shop, "하노이", index="service_centers")) == ["acme-hanoi"]
    assert codes(await ask(shop, "alpha", index="vendors")) == ["alpha"]


async def test_no_more_than_a_thousand_candidates_are_looked_at(shop: Any) -> None:
    await shop.conn.execute(
        """
        INSERT INTO products (code, vendor_id, maker_id, model, category, subcategory, name_ko, name_en,
            verification, state)
        SELECT 'many-' || n, vendor_id, maker_id, 'Z' || n, 'sensor', 'proximity', '근접센서 ' || n,
            'Sensor', verification, state
        FROM products, generate_series(1, 1100) n WHERE code = 'cobot-10'
        """
    )
    page = await ask(shop, "근접센서", facets=["category"])
    assert (page.total, page.facets["category"][0].count) == (CANDIDATES_MAX, CANDIDATES_MAX)


class BreakableEngine:
    """Answers an empty page, or is down."""

    def __init__(self) -> None:
        self.is_down = False
        self.searches = 0
        self.written: list[str] = []

    async def search(self, query: SearchQuery, principal: Principal) -> SearchPage:
        self.searches += 1
        if self.is_down:
            raise SearchUnavailable(query.index, reason="down")
        return SearchPage(hits=(), total=0, page=1, page_size=20, page_count=0)

    async def upsert(self, index: IndexName, documents: Sequence[SearchDocument]) -> None:
        self.written.append("upsert")

    async def delete(self, index: IndexName, ids: Sequence[str]) -> None:
        self.written.append("delete")

    async def rebuild(self, index: IndexName, batches: AsyncIterator[Sequence[SearchDocument]]) -> int:
        return 0

    async def ids_and_versions(self, index: IndexName) -> Mapping[str, int]:
        return {}

    async def health(self) -> EngineHealth:
        return EngineHealth(engine="breakable", is_ready=not self.is_down, indexes=())

    async def close(self) -> None:
        self.written.append("close")


class OneConnection:
    """A pool of the test's own connection."""

    def __init__(self, conn: Any) -> None:
        self.conn = conn

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        yield self.conn


async def test_a_broken_engine_is_left_alone_for_a_while_and_then_asked_again(shop: Any) -> None:
    primary, now = BreakableEngine(), [0.0]
    engine = FallbackEngine(primary, OneConnection(shop.conn), clock=lambda: now[0])
    query = SearchQuery(text="협동로봇")
    assert (await engine.search(query, ANONYMOUS)).notices == ()
    primary.is_down = True
    for _ in range(3):
        page = await engine.search(query, ANONYMOUS)
        assert (codes(page)[0], page.notices) == ("cobot-10", ("degraded",))
    assert primary.searches == 2
    assert (await engine.health()).is_ready is False
    primary.is_down = False
    now[0] += RETRY_SECONDS
    assert (await engine.search(query, ANONYMOUS)).notices == ()
    assert primary.searches == 3


async def test_writes_always_go_to_the_engine_itself() -> None:
    primary = BreakableEngine()
    engine = FallbackEngine(primary, OneConnection(None))
    await engine.upsert("catalog", [])
    await engine.delete("catalog", ["product-1"])
    await engine.close()
    assert primary.written == ["upsert", "delete", "close"]
