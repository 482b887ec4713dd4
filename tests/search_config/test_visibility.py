"""Nothing that a principal may not see shows in hits, totals, facets, corrections or notices."""

from collections.abc import Callable

import msgspec
import pytest

from search_config.documents import CatalogDocument
from search_config.engine import SearchEngine
from search_config.errors import UnknownField
from search_config.query import ANONYMOUS, Principal, SearchQuery

MEMBER = Principal(is_member=True)
TENANT = Principal(is_member=True, tenant_ids=frozenset({7}))
Build = Callable[..., CatalogDocument]


@pytest.fixture
def private_catalog(a_cobot: Build) -> list[CatalogDocument]:
    draft = msgspec.structs.replace(a_cobot(23, model="HB-90", payload_kg=90), category="secret")
    return [
        a_cobot(20, model="HB-20", payload_kg=20),
        a_cobot(21, model="HB-21", payload_kg=21, visibility="members", category="members only"),
        a_cobot(
            22, model="ZQX-77", payload_kg=22, visibility="tenant", tenants=[7, 8], category="tenant only"
        ),
        msgspec.structs.replace(draft, visibility="draft"),
    ]


@pytest.mark.parametrize(
    ("principal", "visible"),
    [
        (ANONYMOUS, {"product-20"}),
        (Principal(tenant_ids=frozenset({9})), {"product-20"}),
        (MEMBER, {"product-20", "product-21"}),
        (Principal(is_member=True, tenant_ids=frozenset({9})), {"product-20", "product-21"}),
        (TENANT, {"product-20", "product-21", "product-22"}),
    ],
)
@pytest.mark.parametrize(
    "text", ["", "협동로봇", "HB", "코봇", "ㅎㄷㄹㅂ", "guqehdfhqht", "협동러봇", "협동로봇 없는말"]
)
async def test_hits_totals_and_facets_show_only_what_may_be_seen(
    engine: SearchEngine,
    private_catalog: list[CatalogDocument],
    principal: Principal,
    visible: set[str],
    text: str,
) -> None:
    await engine.upsert("catalog", private_catalog)
    query = SearchQuery(text=text, facets=("category", "maker_ko", "kind"), page_size=100)
    page = await engine.search(query, principal)
    names = {"product-20": "robot", "product-21": "members only", "product-22": "tenant only"}
    expected = {id_ for id_ in visible if id_ != "product-22" or text != "HB"}
    assert {hit.document.id for hit in page.hits} == expected
    assert page.total == len(expected)
    assert {entry.value: entry.count for entry in page.facets["category"]} == {
        names[id_]: 1 for id_ in expected
    }
    assert {entry.value: entry.count for entry in page.facets["kind"]} == {"product": len(expected)}


@pytest.mark.parametrize("text", ["ZQX-77", "zqx77", "zqx", "zqy77", "HB-90"])
async def test_a_hidden_model_number_leaves_no_trace(
    engine: SearchEngine, private_catalog: list[CatalogDocument], text: str
) -> None:
    await engine.upsert("catalog", private_catalog)
    with_hidden = await engine.search(SearchQuery(text=text, facets=("category",)), ANONYMOUS)
    await engine.delete("catalog", ["product-21", "product-22", "product-23"])
    without_hidden = await engine.search(SearchQuery(text=text, facets=("category",)), ANONYMOUS)
    assert [hit.document.id for hit in with_hidden.hits] == [hit.document.id for hit in without_hidden.hits]
    assert with_hidden.total == without_hidden.total
    assert with_hidden.facets == without_hidden.facets
    assert (with_hidden.rewritten, with_hidden.notices) == (without_hidden.rewritten, without_hidden.notices)


@pytest.mark.parametrize(
    "text", ["ZQX-77", "zqx", "비밀", "비밀공정", "ㅂㅁㄱㅈ", "qlalfrhdwjd", "비밀공젇", "HB"]
)
async def test_suggestions_and_corrections_know_nothing_hidden(
    engine: SearchEngine, private_catalog: list[CatalogDocument], a_cobot: Build, text: str
) -> None:
    await engine.upsert("catalog", private_catalog)
    before = await engine.suggest(text, ANONYMOUS), await engine.search(SearchQuery(text=text), ANONYMOUS)
    hidden = [
        a_cobot(
            30 + number, model="HB-X", payload_kg=1, name_ko="비밀공정 로봇", visibility=kind, tenants=[7]
        )
        for number, kind in enumerate(("members", "tenant"))
    ]
    await engine.upsert("catalog", hidden)
    after = await engine.suggest(text, ANONYMOUS), await engine.search(SearchQuery(text=text), ANONYMOUS)
    assert after[0] == before[0]
    assert [hit.document.id for hit in after[1].hits] == [hit.document.id for hit in before[1].hits]
    assert (after[1].rewritten, after[1].did_you_mean) == (before[1].rewritten, before[1].did_you_mean)
    assert (await engine.search(SearchQuery(text="비밀공정"), TENANT)).total == 2


async def test_a_word_that_was_made_private_leaves_the_vocabulary(
    engine: SearchEngine, a_cobot: Build
) -> None:
    open_document = a_cobot(40, model="HB-40", payload_kg=4, name_ko="비밀공정 로봇")
    await engine.upsert("catalog", [open_document])
    assert (await engine.suggest("비밀", ANONYMOUS)).words != ()
    await engine.upsert("catalog", [msgspec.structs.replace(open_document, visibility="members", version=2)])
    assert (await engine.suggest("비밀", ANONYMOUS)).words == ()


async def test_the_nearest_hits_are_visible_ones(
    engine: SearchEngine, private_catalog: list[CatalogDocument]
) -> None:
    await engine.upsert("catalog", private_catalog)
    page = await engine.search(SearchQuery(text="협동로봇", filters={"category": ["none"]}), ANONYMOUS)
    assert {hit.document.id for hit in page.nearest} == {"product-20"}


@pytest.mark.parametrize("field", ["visibility", "tenants"])
async def test_nobody_may_filter_or_count_by_visibility(catalog: SearchEngine, field: str) -> None:
    with pytest.raises(UnknownField):
        await catalog.search(SearchQuery(filters={field: ["tenant"]}), TENANT)
    with pytest.raises(UnknownField):
        await catalog.search(SearchQuery(facets=[field]), TENANT)
