"""The conformance suite, second part: how texts are read, measures, marks, places and suggestions."""

from collections.abc import Callable

import msgspec
import pytest

from search_config.documents import CatalogDocument, ServiceCenterDocument, SpecValue, VendorDocument
from search_config.engine import SearchEngine, SearchPage, Suggestions
from search_config.errors import InvalidFilterValue, UnknownField
from search_config.geography import Near, distance_km
from search_config.query import ANONYMOUS, SearchQuery

Build = Callable[..., CatalogDocument]


def ids(page: SearchPage) -> list[str]:
    return [hit.document.id for hit in page.hits]


async def ask(engine: SearchEngine, text: str = "", **fields: object) -> SearchPage:
    return await engine.search(msgspec.convert({"text": text, **fields}, SearchQuery), ANONYMOUS)


async def test_a_rewritten_text_has_a_way_back(catalog: SearchEngine) -> None:
    assert (await ask(catalog, "tpstj")).total > 0
    literal = await ask(catalog, "tpstj", is_literal=True)
    assert (literal.total, literal.rewritten) == (0, None)
    assert ids(await ask(catalog, "UR5e", is_literal=True))[0] == "product-5"


async def test_a_text_with_hits_is_never_turned_into_another(
    catalog: SearchEngine, a_document: Build
) -> None:
    await catalog.upsert("catalog", [a_document(90, name_ko="쎈서 랜드 모형", name_en="tpstj edition")])
    for text in ("쎈서", "tpstj"):
        page = await ask(catalog, text)
        assert page.rewritten is None
        assert ids(page)[0] == "product-90"


async def test_a_likely_slip_with_hits_is_only_offered(catalog: SearchEngine, a_document: Build) -> None:
    hidden_from_vocabulary = a_document(91, summary_ko="근접샌서 모양의 장식", name_ko="장식품")
    await catalog.upsert("catalog", [hidden_from_vocabulary])
    page = await ask(catalog, "근접샌서")
    assert (page.rewritten, page.did_you_mean) == (None, "근접센서")
    assert ids(page) == ["product-91"]


@pytest.mark.parametrize("text", ["엠이에스", "엠이에스를", "ㅡㄷㄴ", "MES 시스템", "클라우드에서 쓰는 MES"])
async def test_an_acronym_is_found_as_it_is_said(catalog: SearchEngine, text: str) -> None:
    assert ids(await ask(catalog, text))[0] == "product-8"


@pytest.mark.parametrize("text", ["센서로", "근접센서를", "컨트롤러의"])
async def test_particles_do_not_hide_a_word(catalog: SearchEngine, text: str) -> None:
    page = await ask(catalog, text)
    assert page.total > 0
    assert page.rewritten is None


async def test_measures_meet_in_any_unit(engine: SearchEngine, a_document: Build) -> None:
    power = [SpecValue(code="output_power", number=0.75, unit="kW")]
    signal = [SpecValue(code="signal", number=4, number_max=20, unit="mA")]
    await engine.upsert(
        "catalog",
        [
            a_document(1, name_ko="인버터", specs=power),
            a_document(2, name_ko="인버터", specs=[SpecValue(code="output_power", number=1500, unit="W")]),
            a_document(3, name_ko="변환기", specs=signal),
            a_document(4, name_ko="감지기 IP67"),
        ],
    )
    assert ids(await ask(engine, "인버터 750W")) == ids(await ask(engine, "0.75 kW 인버터")) == ["product-1"]
    assert ids(await ask(engine, "인버터 1.5kW")) == ["product-2"]
    assert ids(await ask(engine, "4-20mA")) == ids(await ask(engine, "4~20 mA")) == ["product-3"]
    assert ids(await ask(engine, "IP 67")) == ["product-4"]
    assert ids(await ask(engine, filters={"specs.output_power": ["750 W"]})) == ["product-1"]
    assert ids(await ask(engine, filters={"specs.output_power": ["1.5kW"]})) == ["product-2"]


async def test_a_sentence_finds_what_it_asks_for(catalog: SearchEngine) -> None:
    page = await ask(catalog, "사출 공장에서 쓸 모니터링 패키지를 찾고 있습니다")
    assert ids(page)[0] == "package_model-1"
    assert ids(await ask(catalog, "gripper for cobots"))[0] == "product-3"


async def test_words_of_the_query_are_marked_in_the_hits(catalog: SearchEngine) -> None:
    page = await ask(catalog, "협동 로봇", highlights=True)
    [hit] = [hit for hit in page.hits if hit.document.id == "product-1"]
    name = hit.document.name_ko
    assert [name[start:end] for start, end in hit.highlights["name_ko"]] == ["협동로봇"]
    assert all(not hit.highlights for hit in (await ask(catalog, "협동 로봇")).hits)


async def test_one_hit_of_every_value_is_kept(catalog: SearchEngine) -> None:
    page = await ask(catalog, distinct="category")
    assert page.total == len(page.hits) == 5
    assert len({hit.document.category for hit in page.hits}) == 5
    with pytest.raises(UnknownField):
        await ask(catalog, distinct="visibility")


async def test_when_filters_leave_nothing_the_nearest_hits_are_shown(catalog: SearchEngine) -> None:
    page = await ask(catalog, "협동로봇", filters={"category": ["software"]})
    assert page.total == 0
    assert {hit.document.id for hit in page.nearest} >= {"product-1", "product-2"}
    assert (await ask(catalog, "협동로봇")).nearest == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("협동로봇 10kg 이상", {"product-2"}),
        ("5kg 이상 협동로봇", {"product-1", "product-2"}),
        ("협동로봇 7kg 이하", {"product-1"}),
        ("cobot over 9 kg", {"product-2"}),
        ("협동로봇 0.02톤 이상", set()),
    ],
)
async def test_a_measure_may_be_a_bound(catalog: SearchEngine, text: str, found: set[str]) -> None:
    page = await ask(catalog, text)
    assert ({*ids(page)} if not page.notices else set()) == found


async def test_the_longest_known_beginning_of_a_model_number_is_shown(catalog: SearchEngine) -> None:
    page = await ask(catalog, "XGB-XBEM")
    assert ids(page)[0] == "product-4"
    assert page.notices == ("relaxed",)


async def test_half_a_known_word_is_better_than_nothing(catalog: SearchEngine) -> None:
    page = await ask(catalog, "근접센서류")
    assert ids(page)[:1] == ["product-7"]


@pytest.fixture
async def sites(engine: SearchEngine) -> SearchEngine:
    places = [
        ("daegu", 35.87, 128.59),
        ("plano", 33.02, -96.70),
        ("suva", -18.14, 178.44),
        ("apia", -13.83, -171.77),
    ]
    documents = [
        ServiceCenterDocument(id=f"service_center-{n}", code=code, name_ko=f"센터 {code}", lat=lat, lon=lon)
        for n, (code, lat, lon) in enumerate(places)
    ]
    nowhere = ServiceCenterDocument(id="service_center-9", code="nowhere", name_ko="센터 없음")
    await engine.upsert("service_centers", [*documents, nowhere])
    return engine


@pytest.mark.parametrize(
    ("lat", "lon", "radius_km", "found"),
    [
        (37.57, 126.98, 300, ["daegu"]),
        (37.57, 126.98, None, ["daegu", "suva", "apia", "plano"]),
        (-16.0, 179.9, 1_500, ["suva", "apia"]),
        (90.0, 0.0, 6_500, ["daegu", "plano"]),
        (0.0, 0.0, 10, []),
    ],
)
async def test_sites_are_found_around_a_place_nearest_first(
    sites: SearchEngine, lat: float, lon: float, radius_km: float | None, found: list[str]
) -> None:
    query = SearchQuery(index="service_centers", near=Near(lat, lon, radius_km), sort="distance")
    page = await sites.search(query, ANONYMOUS)
    codes = [hit.document.code for hit in page.hits]
    assert sorted(codes) == sorted(found)
    assert page.total == len(found)
    distances = [hit.distance_km or 0.0 for hit in page.hits]
    assert distances == sorted(distances)
    for hit in page.hits:
        assert isinstance(hit.document, ServiceCenterDocument)
        expected = distance_km(lat, lon, hit.document.lat or 0, hit.document.lon or 0)
        assert hit.distance_km == pytest.approx(expected, abs=0.1)


async def test_a_place_must_make_sense(sites: SearchEngine) -> None:
    with pytest.raises(InvalidFilterValue):
        await sites.search(SearchQuery(index="service_centers", near=Near(91, 0)), ANONYMOUS)
    with pytest.raises(UnknownField):
        await sites.search(SearchQuery(near=Near(0, 0)), ANONYMOUS)
    with pytest.raises(UnknownField):
        await sites.search(SearchQuery(index="service_centers", sort="distance"), ANONYMOUS)


async def test_suggestions_come_from_every_index(catalog: SearchEngine) -> None:
    await catalog.upsert("vendors", [VendorDocument(id="vendor-1", code="hanbit", name_ko="한빛로보틱스")])
    suggestions = await catalog.suggest("한빛", ANONYMOUS)
    assert ("vendor", "hanbit") in {(thing.kind, thing.code) for thing in suggestions.things}
    assert "product" in {thing.kind for thing in suggestions.things}
    assert "한빛로보틱스" in suggestions.words
    for text in ("협동ㄹ", "ㅎㄷㄹㅂ"):
        assert "협동로봇" in (await catalog.suggest(text, ANONYMOUS)).words
    assert await catalog.suggest("", ANONYMOUS) == Suggestions()
