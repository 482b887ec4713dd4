"""The search page as scripts and people ask for it: parts, the way back, the nearest thing, suggestions."""

import csv
import re
import unicodedata
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.web import subcategories
from marketplace.web.near_misses import nearest_names
from marketplace.web.templates import facet_value
from search_config.engine import SearchPage
from search_config.errors import SearchUnavailable
from search_config.query import Principal, SearchQuery

PART = {"hx-request": "true", "hx-request-type": "partial"}
HANGUL = re.compile("[가-힣]")
DEMO_PRODUCTS = Path(subcategories.__file__).parents[1] / "demo" / "data" / "products.csv"


def codes_in(text: str, heading: str = "h2") -> list[str]:
    return re.findall(rf'<{heading}><a href="(?:/en)?/(?:packages|products)/([^"]+)">', text)


def offers_in(text: str) -> list[tuple[str, str]]:
    """The ways out of an empty result, as words and count."""
    items = re.findall(r"<li><a [^>]*>(.*?)</a> <small>(.*?)</small></li>", text)
    return [(re.sub(r"<[^>]+>", "", words), found) for words, found in items]


# -- parts ---------------------------------------------------------------------------------------------


async def test_a_script_is_given_the_region_and_everybody_else_the_page(
    market: Any, client: httpx.AsyncClient
) -> None:
    part = await client.get("/search?q=cobot", headers=PART)
    assert part.text.lstrip().startswith("<title>“cobot” 검색")
    assert part.text.count('id="browse"') == 1
    assert "<html" not in part.text
    assert 'id="q"' not in part.text, "what is being typed lies outside"
    assert "<noscript" not in part.text
    page = await client.get("/search?q=cobot")
    full = await client.get("/search?q=cobot", headers={**PART, "hx-request-type": "full"})
    for whole in (page, full):
        assert '<html lang="ko">' in whole.text
        assert whole.text.count("<title>") == 1
    assert codes_in(part.text) == codes_in(page.text) != []
    for answer in (part, page):
        assert "hx-request-type" in answer.headers["vary"].lower()
        assert answer.headers["cache-control"] == "no-store"


async def test_a_refused_condition_is_named_in_a_part_too(market: Any, client: httpx.AsyncClient) -> None:
    part = await client.get("/search?category=rocket", headers=PART)
    assert part.status_code == 400
    assert "category=rocket" in part.text


# -- the words as written --------------------------------------------------------------------------------


async def test_a_text_that_was_read_otherwise_has_a_way_back(
    market: Any, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[SearchQuery] = []
    search = market.engine.search

    async def note(query: SearchQuery, principal: Principal) -> SearchPage:
        asked.append(query)
        page: SearchPage = await search(query, principal)
        return page

    monkeypatch.setattr(market.engine, "search", note)
    page = await client.get("/search?q=guqehdfhqht&kind=product")
    assert "<b>협동로봇</b>(으)로 검색했습니다." in page.text
    assert 'href="/search?q=guqehdfhqht&amp;kind=product&amp;literal=1"' in page.text
    assert not asked[0].is_literal
    back = await client.get("/search?q=guqehdfhqht&kind=product&literal=1")
    assert asked[1].is_literal
    assert '<input type="hidden" name="literal" value="1" form="find">' in back.text
    assert "입력한 그대로" in back.text
    assert (await client.get("/search?literal=maybe")).status_code == 400


async def test_the_order_by_open_round_puts_what_can_be_joined_now_first(
    market: Any, client: httpx.AsyncClient
) -> None:
    await market.open_round("weld-round", "weld-offer")
    found = codes_in((await client.get("/search?sort=open_round")).text)
    assert (found[0], len(found)) == ("weld-cell", 5)


# -- nothing found -----------------------------------------------------------------------------------------


async def test_an_empty_result_tells_what_each_condition_costs(
    market: Any, client: httpx.AsyncClient
) -> None:
    page = await client.get("/search?q=C10&category=controller&price_max=1")
    assert codes_in(page.text) == []
    assert offers_in(page.text) == [("조건을 모두 빼고", "3건")]
    assert codes_in(page.text, "h3")[0] == "cobot-10"
    page = await client.get("/search?q=C10&category=controller&maker_country=KR")
    assert offers_in(page.text) == [("분류: 컨트롤러 조건을 빼고", "1건"), ("조건을 모두 빼고", "3건")]
    assert codes_in(page.text, "h3") == ["cobot-10"], "the rows of the way out that gives up least"
    english = await client.get("/en/search?q=C10&kind=product&price_max=1000")
    assert offers_in(english.text)[-2:] == [
        ("Without Price: ≤ ₩1,000", "1 result"),
        ("Without any filter", "3 results"),
    ]


@pytest.fixture
def strict(market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that forgives no slip: it finds nothing for a text that ends in ×."""
    search = market.engine.search

    async def forgive_nothing(query: SearchQuery, principal: Principal) -> SearchPage:
        text = "zzzzqqqq" if query.text.endswith("×") else query.text
        page: SearchPage = await search(msgspec.structs.replace(query, text=text), principal)
        return page

    monkeypatch.setattr(market.engine, "search", forgive_nothing)


async def test_an_empty_result_asks_whether_a_similar_name_was_meant(
    market: Any, strict: None, client: httpx.AsyncClient
) -> None:
    page = await client.get("/search?q=아크매로보틱×")
    assert offers_in(page.text) == [("혹시 아크메로보틱스?", "4건")]
    assert len(codes_in(page.text, "h3")) == 3
    english = await client.get("/en/search?q=colaborative robotic×")
    assert offers_in(english.text)[0][0] == "Did you mean collaborative robot?"


async def test_what_a_visitor_may_not_see_is_not_offered_either(
    market: Any, strict: None, client: httpx.AsyncClient
) -> None:
    page = await client.get("/search?q=포린컨트로×")
    assert offers_in(page.text)[0][0] == "혹시 포린컨트롤?"
    assert "plc-1" in (await client.get("/search/suggest?q=포린컨트롤")).text
    await market.conn.execute("UPDATE products SET visibility = 'members' WHERE code = 'plc-1'")
    await market.index()
    page = await client.get("/search?q=포린컨트로×")
    assert "포린컨트롤</b>" not in page.text
    assert "plc-1" not in (await client.get("/search/suggest?q=포린컨트롤")).text


def test_names_are_near_by_letters_of_either_script() -> None:
    names = {"협동로봇", "센서", "인버터", "collaborative robot", "두산로보틱스"}
    assert nearest_names("협동로벗", names) == ["협동로봇"]
    assert nearest_names("두산 로보틱", names) == ["두산로보틱스"]
    assert nearest_names("Colaborative Robots", names) == ["collaborative robot"]
    assert nearest_names("인서트", {"센서"}) == []
    assert nearest_names("센서", names) == [], "itself is no advice"


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=30), st.sets(st.text(max_size=12), max_size=20))
def test_near_names_are_names_whatever_was_typed(text: str, names: set[str]) -> None:
    found = nearest_names(text, names)
    assert len(found) <= 2
    assert set(found) <= names
    assert found == nearest_names(text, sorted(names))


# -- suggestions -------------------------------------------------------------------------------------------


async def test_the_box_suggests_packages_products_vendors_and_sites(
    market: Any, client: httpx.AsyncClient
) -> None:
    await market.index()
    answer = await client.get("/search/suggest?q=acme")
    assert re.findall(r'href="([^"]+)"', answer.text) == [
        "/packages/load-cell",
        "/packages/weld-cell",
        "/products/cobot-10",
        "/products/cobot-5",
        "/service-centers#acme-turin",
        "/service-centers#acme-hanoi",
    ]
    vendors = await client.get("/en/search/suggest?q=alpha")
    assert '<a role="option" id="suggestion-vendor-1" href="/en/search?vendor_code=alpha"' in vendors.text
    assert HANGUL.findall(vendors.text) == []
    assert "<html" not in answer.text


async def test_vendors_and_sites_of_that_name_stand_beside_the_first_page_of_a_result(
    market: Any, client: httpx.AsyncClient
) -> None:
    page = await client.get("/en/search?q=acme")
    beside = page.text.split('<ul class="beside">')[1].split("</ul>")[0]
    assert re.findall(r'href="([^"]+)"', beside) == [
        "/en/service-centers#acme-turin",
        "/en/service-centers#acme-hanoi",
    ]
    for path in ("/en/search", "/en/search?q=acme&kind=product", "/en/search?q=acme&page=2"):
        assert 'class="beside"' not in (await client.get(path)).text


async def test_nothing_is_suggested_for_nothing_and_pastes_and_names_still_are_without_the_engine(
    market: Any, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("", "   ", "acme " * 50, "\0"):
        answer = await client.get("/search/suggest", params={"q": text})
        assert (answer.status_code, answer.text.strip()) == (200, "")

    async def fail(*_: Any) -> None:
        raise SearchUnavailable("catalog", reason="stopped for the test")

    monkeypatch.setattr(market.engine, "search", fail)
    answer = await client.get("/search/suggest?q=협동로봇")
    assert answer.status_code == 200
    assert "협동로봇" in answer.text  # PostgreSQL answers


# -- subcategories -----------------------------------------------------------------------------------------


def test_every_subcategory_of_the_demo_has_a_name_in_both_languages() -> None:
    names = subcategories.read_subcategory_names()
    with DEMO_PRODUCTS.open(encoding="utf-8-sig", newline="") as file:
        used = {row["subcategory"] for row in csv.DictReader(file)}
    assert used - names.keys() == set()
    korean = [name.name_ko for name in names.values()]
    assert len(set(korean)) == len(korean)
    assert [name for name in korean if unicodedata.normalize("NFC", name) != name] == []
    in_latin = {name for name in korean if not HANGUL.search(name)}
    assert in_latin == {"PLC", "PLC CPU"}
    assert [name.name_en for name in names.values() if HANGUL.search(name.name_en)] == []


async def test_subcategories_read_in_the_language_of_the_page(market: Any, client: httpx.AsyncClient) -> None:
    for path in ("/search?subcategory=collaborative robot", "/products/cobot-10"):
        assert "협동로봇</span>" in (await client.get(path)).text
        assert "Collaborative robot</span>" in (await client.get(f"/en{path}")).text
    assert facet_value("subcategory", "left-handed widget") == "left-handed widget"
