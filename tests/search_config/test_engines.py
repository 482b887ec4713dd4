"""One conformance suite over every search engine: same questions, same answers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
import pytest

from search_config.documents import CatalogDocument, ServiceCenterDocument, VendorDocument
from search_config.engine import SearchEngine, SearchPage
from search_config.errors import InvalidFilterValue, UnknownField
from search_config.query import ANONYMOUS, SearchQuery

Build = Callable[..., CatalogDocument]
MakeEngine = Callable[[], SearchEngine]


def ids(page: SearchPage) -> list[str]:
    return [hit.document.id for hit in page.hits]


def counts(page: SearchPage, facet: str) -> dict[str, int]:
    return {entry.value: entry.count for entry in page.facets[facet]}


async def ask(engine: SearchEngine, text: str = "", **fields: object) -> SearchPage:
    return await engine.search(msgspec.convert({"text": text, **fields}, SearchQuery), ANONYMOUS)


@pytest.mark.parametrize(
    "text",
    [
        "협동로봇",
        "협동 로봇",
        "협동로봇을",
        "코봇",
        "cobot",
        "Cobots",
        "collaborative robot",
        "협동로ㅂ",
        "협동롭",
    ],
)
async def test_cobots_come_first_however_they_are_written(catalog: SearchEngine, text: str) -> None:
    page = await ask(catalog, text)
    assert set(ids(page)[:2]) == {"product-1", "product-2"}
    assert "product-4" not in ids(page)


@pytest.mark.parametrize("text", ["PLC", "plc", "피엘씨", "피엘", "프로그래머블 로직 컨트롤러", "ＰＬＣ"])
async def test_plcs_come_first_and_packages_with_one_follow(catalog: SearchEngine, text: str) -> None:
    assert ids(await ask(catalog, text)) == ["product-4", "package_model-1"]


@pytest.mark.parametrize("text", ["xgbxbms", "XGB-XBMS", "xgb xbms", "xgb_xbms", "XGBXB"])
async def test_a_model_number_is_found_with_or_without_separators(catalog: SearchEngine, text: str) -> None:
    assert ids(await ask(catalog, text))[0] == "product-4"


async def test_an_exact_name_beats_everything(catalog: SearchEngine) -> None:
    page = await ask(catalog, "협동로봇용 그리퍼")
    assert ids(page)[0] == "product-3"


async def test_a_nearly_complete_model_beats_a_longer_one(catalog: SearchEngine) -> None:
    assert ids(await ask(catalog, "ur5")) == ["product-5", "product-6"]


@pytest.mark.parametrize(("text", "rewritten"), [("tpstj", "센서"), ("ㅡㄷㄴ", "mes"), ("ㅔㅣㅊ", "plc")])
async def test_the_wrong_keyboard_layout_is_read_and_said(
    catalog: SearchEngine, text: str, rewritten: str
) -> None:
    page = await ask(catalog, text)
    assert page.rewritten == rewritten
    assert ids(page) == ids(await ask(catalog, rewritten + " "))


@pytest.mark.parametrize(
    ("text", "first"), [("근접쎈서", "product-7"), ("ㄱㅈㅅㅅ", "product-7"), ("근접샌서", "product-7")]
)
async def test_slips_and_initial_consonants_find_the_word(
    catalog: SearchEngine, text: str, first: str
) -> None:
    assert ids(await ask(catalog, text))[0] == first


async def test_a_correct_word_is_not_rewritten(catalog: SearchEngine) -> None:
    page = await ask(catalog, "협동로봇")
    assert page.rewritten is None
    assert page.notices == ()


async def test_a_sentence_with_unknown_words_is_relaxed_and_says_so(catalog: SearchEngine) -> None:
    page = await ask(catalog, "존재하지않는단어 근접센서")
    assert ids(page) == ["product-7"]
    assert page.notices == ("relaxed",)


@pytest.mark.parametrize("text", ["!!!", "zzzzqq", "\x00\ud800", "그런것은세상에없음"])
async def test_nothing_is_found_for_what_is_not_there(catalog: SearchEngine, text: str) -> None:
    page = await ask(catalog, text) if text.isprintable() else await ask(catalog, text + "!")
    assert (page.total, page.hits) == (0, ())


async def test_an_empty_text_lists_everything(catalog: SearchEngine) -> None:
    assert (await ask(catalog)).total == 10


async def test_a_number_with_its_unit_is_found_with_or_without_a_space(catalog: SearchEngine) -> None:
    assert (
        ids(await ask(catalog, "협동로봇 10 kg")) == ids(await ask(catalog, "협동로봇 10kg")) == ["product-2"]
    )


async def test_filters_and_facets_agree(catalog: SearchEngine) -> None:
    page = await ask(catalog, filters={"category": ["robot"]}, facets=["category", "kind"])
    assert page.total == 5
    assert counts(page, "category") == {"robot": 5, "package": 2, "sensor": 1, "controller": 1, "software": 1}
    assert counts(page, "kind") == {"product": 5}


async def test_a_facet_ignores_its_own_filter_alone(catalog: SearchEngine) -> None:
    page = await ask(
        catalog,
        filters={"industries": ["사출"], "has_open_round": ["true"]},
        facets=["industries", "has_open_round", "level_to"],
    )
    assert page.total == 1
    assert counts(page, "industries") == {"금형": 1, "사출": 1}
    assert counts(page, "has_open_round") == {"true": 1}
    assert counts(page, "level_to") == {"3": 1}


async def test_several_values_of_one_field_widen_and_several_fields_narrow(catalog: SearchEngine) -> None:
    page = await ask(catalog, filters={"category": ["sensor", "software"]})
    assert set(ids(page)) == {"product-7", "product-8"}
    page = await ask(catalog, filters={"category": ["sensor", "package"]}, kinds=["package_model"])
    assert set(ids(page)) == {"package_model-1", "package_model-2"}


async def test_ranges_include_both_ends_and_skip_missing_values(catalog: SearchEngine) -> None:
    page = await ask(catalog, ranges={"price_krw": [21_000_000, 48_000_000]}, facets=["price_krw"])
    assert set(ids(page)) == {"product-1", "product-2", "package_model-1"}
    assert (page.bounds["price_krw"].lower, page.bounds["price_krw"].upper) == (900_000, 95_000_000)
    assert (await ask(catalog, ranges={"price_krw": [None, 0]})).total == 0


@pytest.mark.parametrize(
    ("lower", "upper", "found"),
    [
        (5, 10, {"product-1", "product-2"}),
        (5.5, None, {"product-2"}),
        (None, 5, {"product-1"}),
        (5.1, 9.9, set()),
        (-10, 4, set()),
    ],
)
async def test_technical_properties_are_filtered_by_number(
    catalog: SearchEngine, lower: float | None, upper: float | None, found: set[str]
) -> None:
    assert set(ids(await ask(catalog, ranges={"specs.payload": [lower, upper]}))) == found


@pytest.mark.parametrize(
    ("lower", "upper", "total"), [(-40, -30, 0), (-30, -25, 1), (0, 10, 1), (70.5, None, 0)]
)
async def test_a_property_that_is_a_range_matches_when_ranges_overlap(
    catalog: SearchEngine, lower: float, upper: float | None, total: int
) -> None:
    assert (await ask(catalog, ranges={"specs.ambient": [lower, upper]})).total == total


async def test_an_exact_property_value_is_found_as_text(catalog: SearchEngine) -> None:
    assert ids(await ask(catalog, filters={"specs.payload": ["10"]})) == ["product-2"]


@pytest.mark.parametrize(
    ("sort", "first", "last_with_value"),
    [
        ("price", "product-3", 5),
        ("price:descending", "package_model-2", 5),
        ("lead_time", "product-2", 3),
        ("domestic_share", "product-8", 3),
    ],
)
async def test_sorting_puts_missing_values_last(
    catalog: SearchEngine, sort: str, first: str, last_with_value: int
) -> None:
    page = await ask(catalog, sort=sort)
    fields = {"price": "price_krw", "lead_time": "lead_time_days", "domestic_share": "domestic_verified_bp"}
    values = [getattr(hit.document, fields[sort.partition(":")[0]]) for hit in page.hits]
    assert ids(page)[0] == first
    assert [value is None for value in values] == [place >= last_with_value for place in range(10)]
    known = [value for value in values if value is not None]
    is_descending = sort in {"price:descending", "domestic_share"}
    assert known == sorted(known, reverse=is_descending)


async def test_names_are_sorted_in_korean_order(catalog: SearchEngine) -> None:
    page = await ask(catalog, filters={"category": ["sensor", "software", "package"]}, sort="name")
    assert ids(page) == ["package_model-1", "package_model-2", "product-7", "product-8"]


async def test_pages_cut_the_result_and_never_repeat(catalog: SearchEngine) -> None:
    pages = [await ask(catalog, page=number, page_size=4, sort="name") for number in (1, 2, 3, 4)]
    assert [len(page.hits) for page in pages] == [4, 4, 2, 0]
    assert len({id_ for page in pages for id_ in ids(page)}) == 10
    assert {(page.total, page.page_count) for page in pages} == {(10, 3)}


async def test_paging_ends_at_a_thousand_hits_but_counts_all(engine: SearchEngine, a_document: Build) -> None:
    await engine.upsert("catalog", [a_document(number) for number in range(1_100)])
    page = await ask(engine, page=12, page_size=100)
    assert (page.total, page.page, page.page_count, len(page.hits)) == (1_100, 10, 10, 100)
    assert page.notices == ("page_limited",)


async def test_an_unknown_field_is_refused_by_name(catalog: SearchEngine) -> None:
    with pytest.raises(UnknownField) as refused:
        await ask(catalog, filters={"colour": ["red"]})
    assert refused.value.field == "colour"
    assert "category" in refused.value.allowed
    with pytest.raises(InvalidFilterValue):
        await ask(catalog, filters={"price_krw": ["cheap"]})


@pytest.mark.parametrize("value", ['"; drop', "a OR b", "robot' OR 1=1", "*", "[a TO z]", "한글\ud800", ""])
async def test_filter_values_are_data_never_syntax(catalog: SearchEngine, value: str) -> None:
    assert (await ask(catalog, filters={"category": [value]})).total == 0


async def test_an_update_replaces_and_a_delete_removes(catalog: SearchEngine, a_cobot: Build) -> None:
    await catalog.upsert("catalog", [a_cobot(1, model="HB-05", payload_kg=6, name_ko="새 이름", version=9)])
    assert (await ask(catalog)).total == 10
    assert ids(await ask(catalog, "새 이름"))[0] == "product-1"
    await catalog.delete("catalog", ["product-1", "product-999"])
    assert (await ask(catalog)).total == 9
    versions = await catalog.ids_and_versions("catalog")
    assert "product-1" not in versions
    assert len(versions) == 9


async def test_the_last_document_of_one_batch_wins(engine: SearchEngine, a_document: Build) -> None:
    await engine.upsert("catalog", [a_document(1, version=1), a_document(1, version=2)])
    assert await engine.ids_and_versions("catalog") == {"product-1": 2}


async def test_documents_come_back_as_they_went_in(
    catalog: SearchEngine, small_catalog: list[CatalogDocument]
) -> None:
    page = await ask(catalog, page_size=100)
    assert {hit.document.id: hit.document for hit in page.hits} == {
        document.id: document for document in small_catalog
    }


async def test_an_index_never_written_answers_empty(engine: SearchEngine) -> None:
    page = await ask(engine, "로봇", facets=["category"])
    assert (page.total, page.hits, page.facets) == (0, (), {"category": ()})
    assert await engine.ids_and_versions("catalog") == {}
    health = await engine.health()
    assert health.is_ready
    assert {index.documents for index in health.indexes} == {0}


async def test_every_index_searches_its_own_documents(engine: SearchEngine) -> None:
    center = ServiceCenterDocument(
        id="service_center-1",
        name_ko="유럽 서비스센터",
        city="Düsseldorf",
        roles=["service_center"],
        country="DE",
    )
    await engine.upsert("service_centers", [center])
    await engine.upsert("vendors", [VendorDocument(id="vendor-1", name_ko="한빛로보틱스")])
    found = await engine.search(SearchQuery(index="service_centers", text="dusseldorf"), ANONYMOUS)
    assert [hit.document for hit in found.hits] == [center]
    found = await engine.search(SearchQuery(index="vendors", text="한빛"), ANONYMOUS)
    assert ids(found) == ["vendor-1"]
    assert (await ask(engine, "한빛")).total == 0


# --- rebuilding, and several processes on one store


async def _batches(*batches: Sequence[CatalogDocument]) -> AsyncIterator[Sequence[CatalogDocument]]:
    for batch in batches:
        yield batch


async def test_a_rebuild_replaces_everything_in_one_step(catalog: SearchEngine, a_document: Build) -> None:
    kept = await catalog.rebuild("catalog", _batches([a_document(50)], [a_document(51), a_document(50)]))
    assert kept == 2
    assert set(await catalog.ids_and_versions("catalog")) == {"product-50", "product-51"}
    assert (await ask(catalog)).total == 2


async def test_a_failed_rebuild_leaves_the_old_index(catalog: SearchEngine, a_document: Build) -> None:
    async def failing() -> AsyncIterator[Sequence[CatalogDocument]]:
        yield [a_document(60)]
        raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError, match="went away"):
        await catalog.rebuild("catalog", failing())
    assert (await ask(catalog)).total == 10
    await catalog.upsert("catalog", [a_document(61)])
    assert (await ask(catalog)).total == 11


async def test_searches_go_on_and_writes_wait_while_an_index_is_rebuilt(
    catalog: SearchEngine, a_document: Build
) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[Sequence[CatalogDocument]]:
        yield [a_document(70)]
        reached.set()
        await go_on.wait()

    rebuild = asyncio.create_task(catalog.rebuild("catalog", slow()))
    await reached.wait()
    write = asyncio.create_task(catalog.upsert("catalog", [a_document(71)]))
    await asyncio.sleep(0.1)
    assert (await ask(catalog)).total == 10
    assert not write.done()
    go_on.set()
    await asyncio.gather(rebuild, write)
    assert set(await catalog.ids_and_versions("catalog")) == {"product-70", "product-71"}


async def test_another_process_sees_every_write_at_its_next_search(
    make_engine: MakeEngine, a_document: Build
) -> None:
    writer, reader = make_engine(), make_engine()
    assert (await ask(reader)).total == 0
    for number in range(1, 6):
        await writer.upsert("catalog", [a_document(number)])
        assert (await ask(reader)).total == number
    await writer.rebuild("catalog", _batches([a_document(80)]))
    assert ids(await ask(reader)) == ["product-80"]
    await reader.upsert("catalog", [a_document(81)])
    assert (await ask(writer)).total == 2


async def test_many_writers_lose_nothing(make_engine: MakeEngine, a_document: Build) -> None:
    engines = [make_engine() for _ in range(3)]
    writes = [engines[number % 3].upsert("catalog", [a_document(number)]) for number in range(12)]
    await asyncio.gather(*writes)
    assert len(await engines[0].ids_and_versions("catalog")) == 12
