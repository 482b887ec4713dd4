"""Search while it is being typed, in a real browser: composition, one request a pause, address, facets, history, keys."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from demo_process import DemoProcess
from playwright.sync_api import Browser, CDPSession, Page, Request, expect

pytestmark = pytest.mark.browser

HANGUL = re.compile("[가-힣]")


@pytest.fixture
def asked(page: Page) -> Iterator[list[str]]:
    """The parts of pages that scripts asked for, as path and query."""
    found: list[str] = []

    def note(request: Request) -> None:
        if "hx-request" in request.headers:
            found.append(unquote(request.url.split("/", 3)[3]))

    page.on("request", note)
    yield found
    page.remove_listener("request", note)


@pytest.fixture
def search(page: Page, demo: DemoProcess, live: None) -> Page:
    """The search page with its box focused."""
    page.goto(f"{demo.url}/search")
    page.get_by_label("검색어").focus()
    return page


def compose(page: Page, text: str) -> CDPSession:
    """Leave `text` in the box as an input method does while its last syllable is open."""
    session = page.context.new_cdp_session(page)
    for end in range(1, len(text) + 1):
        session.send(
            "Input.imeSetComposition", {"text": text[:end], "selectionStart": end, "selectionEnd": end}
        )
    return session


def total(page: Page) -> int:
    """The number of results that the page states."""
    found = re.search(r"\d+", page.locator("#results-count").text_content() or "")
    assert found is not None
    return int(found[0])


def test_hangul_is_searched_while_it_is_composed_with_one_request_and_nothing_disturbed(
    search: Page, asked: list[str], problems: list[str]
) -> None:
    session = compose(search, "협동로")
    expect(search.locator("#results-title")).to_contain_text("협동로")
    expect(search.locator(".row h2").first).to_contain_text(re.compile("협동로봇"))
    box = search.get_by_label("검색어")
    expect(box).to_be_focused()
    expect(box).to_have_value("협동로")
    session.send("Input.insertText", {"text": "협동로봇"})
    expect(search.locator("#results-title")).to_contain_text("협동로봇")
    expect(box).to_have_value("협동로봇")
    assert asked == ["search?q=협동로", "search?q=협동로봇"]
    assert unquote(search.url).endswith("/search?q=협동로봇")
    assert "“협동로봇” 검색" in search.title()
    assert problems == []


def test_quick_typing_is_one_request_and_keeps_focus_and_caret(search: Page, asked: list[str]) -> None:
    search.keyboard.type("plc cpu", delay=15)
    expect(search.locator("#results-title")).to_contain_text("plc cpu")
    assert asked == ["search?q=plc+cpu"]
    search.keyboard.press("Home")
    search.keyboard.type("x")
    expect(search.locator("#results-title")).to_contain_text("xplc cpu")
    assert search.evaluate("document.querySelector('#q').selectionStart") == 1


def test_choices_narrow_the_rest_with_counts_and_back_takes_them_back(
    search: Page, asked: list[str], problems: list[str]
) -> None:
    before = total(search)
    robots = search.locator('input[name="category"][value="robot"]')
    count = int(search.locator("label", has=robots).locator("small").inner_text())
    makers = search.locator('input[name="maker_country"]').count()
    robots.focus()
    search.keyboard.press("Space")
    expect(search.locator("#results-count")).to_contain_text(str(count))
    expect(robots).to_be_focused()
    expect(search.locator('input[name="category"][value="sensor"]')).to_be_visible()
    assert search.locator('input[name="maker_country"]').count() <= makers
    search.locator('select[name="sort"]').select_option("price")
    expect(search).to_have_url(re.compile(r"\?category=robot&sort=price$"))
    search.locator(".pager [rel=next]").click()
    expect(search).to_have_url(re.compile(r"page=2"))
    expect(search.locator("#results-title")).to_be_focused()
    search.go_back()
    expect(search.locator(".pager")).to_contain_text("1 /")
    search.go_back()
    expect(search).to_have_url(re.compile(r"\?category=robot$"))
    expect(search.locator('select[name="sort"]')).to_have_value("relevance")
    expect(robots).to_be_checked()
    search.go_back()
    expect(search.locator("#results-count")).to_contain_text(str(before))
    expect(robots).not_to_be_checked()
    assert len(asked) == 3, "going back loads pages"
    assert problems == []


def test_a_chip_takes_its_condition_off_also_where_it_was_ticked_by_hand(search: Page) -> None:
    before = total(search)
    box = search.locator('input[name="category"][value="sensor"]')
    box.check()
    expect(search.locator(".chips a").first).to_contain_text("센서")
    search.locator(".chips a").first.click()
    expect(search.locator("#results-count")).to_contain_text(str(before))
    expect(box).not_to_be_checked()
    assert search.url.endswith("/search")


def test_the_page_of_a_listing_and_back_keep_what_was_typed(search: Page) -> None:
    search.keyboard.type("M1013")
    expect(search.locator("#results-title")).to_contain_text("M1013")
    search.locator(".row h2 a").first.click()
    expect(search.locator("main h1")).to_contain_text("M1013")
    search.go_back()
    expect(search.get_by_label("검색어")).to_have_value("M1013")
    expect(search.locator(".row h2").first).to_contain_text("M1013")


def test_what_is_ticked_for_comparison_survives_typing(search: Page) -> None:
    search.keyboard.type("M1013")
    box = search.locator('input[name="id"][value="doosan-robotics-m1013"]')
    box.check()
    search.get_by_label("검색어").fill("두산 M1013")
    expect(search.locator("#results-title")).to_contain_text("두산")
    expect(box).to_be_checked()


def test_a_text_read_otherwise_can_be_searched_as_written(search: Page) -> None:
    search.keyboard.type("tpstj")
    expect(search.locator(".rewritten")).to_contain_text("센서(으)로 검색했습니다")
    search.locator(".rewritten a").click()
    expect(search).to_have_url(re.compile(r"q=tpstj&literal=1$"))
    search.get_by_label("검색어").fill("fhqht")
    expect(search).to_have_url(re.compile(r"q=fhqht$"))


def test_nothing_found_offers_the_nearest(search: Page, problems: list[str]) -> None:
    search.locator('input[name="category"][value="service"]').check()
    expect(search.locator(".chips")).to_contain_text("서비스")
    search.get_by_label("검색어").fill("M1013")
    expect(search.locator(".empty")).to_be_visible()
    expect(search.locator(".rows .row h3").first).to_contain_text("M1013")
    search.locator(".near a").first.click()
    expect(search.locator(".empty")).to_have_count(0)
    expect(search.locator(".row h2").first).to_contain_text("M1013")
    assert problems == []


def test_without_javascript_the_same_form_searches(browser: Browser, demo: DemoProcess) -> None:
    context = browser.new_context(java_script_enabled=False, locale="ko-KR")
    page = context.new_page()
    page.goto(f"{demo.url}/search")
    page.get_by_label("검색어").fill("협동로봇")
    page.locator('input[name="kind"][value="product"]').check()
    page.locator('select[name="sort"]').select_option("name")
    page.get_by_role("button", name="조건 적용").click()
    expect(page.locator("#results-title")).to_contain_text("협동로봇")
    expect(page.locator('input[name="kind"][value="product"]')).to_be_checked()
    page.locator(".pager [rel=next]").click()
    expect(page.locator(".pager")).to_contain_text("2 /")
    assert "kind=product&sort=name&page=2" in page.url
    context.close()


def test_suggestions_are_reached_by_keys_and_leave_composition_alone(
    page: Page, demo: DemoProcess, live: None, asked: list[str], problems: list[str]
) -> None:
    page.goto(demo.url)
    box = page.get_by_label("검색어")
    box.focus()
    compose(page, "협동로")
    listed = page.locator("#suggestions [role=option]")
    expect(listed.first).to_be_visible()
    expect(box).to_have_value("협동로")
    expect(box).to_have_attribute("aria-expanded", "true")
    assert asked == ["search/suggest?q=협동로"]
    page.context.new_cdp_session(page).send("Input.insertText", {"text": "두산"})
    expect(page.locator("#suggestions")).to_contain_text("두산")
    page.keyboard.press("ArrowDown")
    expect(listed.first).to_have_attribute("aria-selected", "true")
    assert box.get_attribute("aria-activedescendant") == listed.first.get_attribute("id")
    page.keyboard.press("ArrowUp")
    assert box.get_attribute("aria-activedescendant") is None
    page.keyboard.press("Escape")
    expect(page.locator("#suggestions")).to_be_hidden()
    page.keyboard.press("ArrowDown")
    name = listed.first.locator("span").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_contain_text(name)
    assert problems == []


def test_enter_without_a_choice_searches_what_was_typed(page: Page, demo: DemoProcess, live: None) -> None:
    page.goto(demo.url)
    page.get_by_label("검색어").fill("센서")
    page.keyboard.press("Enter")
    expect(page.locator("#results-title")).to_contain_text("센서")


def test_english_searches_in_english_and_switches_to_the_same_search(
    page: Page, demo: DemoProcess, live: None, problems: list[str]
) -> None:
    page.goto(f"{demo.url}/en/search")
    page.get_by_label("Search").first.focus()
    page.keyboard.type("lidar")
    expect(page.locator("#results-title")).to_contain_text("lidar")
    page.locator('input[name="subcategory"][value="2d lidar"]').check()
    expect(page.locator(".chips")).to_contain_text("2D lidar")
    assert HANGUL.findall(page.locator("main").inner_text()) == []
    page.locator(".language").click()
    expect(page).to_have_url(f"{demo.url}/search?q=lidar&subcategory=2d+lidar")
    expect(page.locator(".chips")).to_contain_text("2D 라이다")
    assert problems == []
