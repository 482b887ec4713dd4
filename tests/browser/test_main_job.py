"""The main job in a real browser: search, compare, pledge with the test card, close, see the charge and the invoice."""

import re
import time

import pytest
from demo_process import DemoProcess
from playwright.sync_api import Browser, BrowserContext, Page, expect

pytestmark = pytest.mark.browser

ROUND = "lathe-tending-cobot"


def sign_in(page: Page, demo: DemoProcess, email: str) -> None:
    page.goto(f"{demo.url}/sign-in")
    page.locator("form", has=page.locator(f'input[value="{email}"]')).get_by_role("button").click()
    expect(page.get_by_role("button", name="로그아웃")).to_be_visible()


def reload_until(page: Page, text: str, *, seconds_max: float = 20) -> None:
    """Look again until a page that does not follow by itself says `text`: the deposit is captured after the round clears."""
    ends = time.monotonic() + seconds_max
    while not page.get_by_text(text).first.is_visible() and time.monotonic() < ends:
        page.wait_for_timeout(500)
        page.reload()
    expect(page.get_by_text(text).first).to_be_visible()


def fill_card(page: Page, number: str) -> None:
    """Type a card into the provider's element."""
    for name, value in {"number": number, "exp_month": "12", "exp_year": "40", "cvc": "123"}.items():
        page.locator("#card-element").get_by_role("textbox", name=name).fill(value)


def test_a_factory_buys_together_with_the_test_card(
    page: Page, browser: Browser, demo: DemoProcess, live: None, problems: list[str]
) -> None:
    page.goto(demo.url)
    page.get_by_label("검색어").fill("협동로봇")
    page.get_by_role("button", name="검색", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("협동로봇")
    for code in ("lathe-tending-cobot", "cobot-arc-welding", "doosan-robotics-m1013"):
        page.goto(f"{demo.url}/search?q={'협동로봇' if 'doosan' not in code else 'M1013'}")
        page.locator(f'input[name="id"][value="{code}"]').first.check()
    page.locator("#compare-form").get_by_role("button", name="비교하기").click()
    expect(page).to_have_url(re.compile(r"/compare\?"))
    for name in ("선반 소재 투입 협동로봇 셀", "소량 다품종 협동로봇 아크 용접 셀", "M1013"):
        expect(page.locator(".compare-table table")).to_contain_text(name)

    sign_in(page, demo, "hanbit@demo.example")
    page.goto(f"{demo.url}/rounds/{ROUND}")
    page.get_by_label("최대 수량(대)").fill("2")
    page.get_by_role("button", name="카드로 보증금").click()
    expect(page.get_by_role("heading", name="카드 등록")).to_be_visible()
    fill_card(page, "4242424242424242")
    page.get_by_role("button", name="카드 등록하고 약정 마치기").click()
    expect(page.get_by_role("status")).to_contain_text("카드를 등록했습니다")

    desk: BrowserContext = browser.new_context(locale="ko-KR", timezone_id="Asia/Seoul")
    operator = desk.new_page()
    sign_in(operator, demo, "operator@demo.example")
    operator.goto(f"{demo.url}/coordinator/rounds/{ROUND}")
    operator.get_by_label("지금 마감하는 것을 확인했습니다.").check()
    operator.get_by_role("button", name="지금 마감").click()
    expect(operator.get_by_role("status")).to_contain_text("마감했습니다")

    # The factory's page follows by itself: the round is decided while it is open.
    expect(page.get_by_role("heading", name="내 배정")).to_be_visible(timeout=30_000)
    page.goto(f"{demo.url}/my/pledges")
    reload_until(page, "납부 완료")
    page.get_by_role("link", name=re.compile(r"SFA-\d{6}-\d+")).first.click()
    expect(page.get_by_role("heading", name="청구서")).to_be_visible()
    expect(page.locator("tfoot")).to_contain_text("154,462,000원")
    operator.reload()
    expect(operator.locator(".timeline")).to_contain_text("성사")
    desk.close()
    assert problems == []


def test_without_javascript_a_pledge_by_transfer_works(browser: Browser, demo: DemoProcess) -> None:
    context = browser.new_context(java_script_enabled=False, locale="ko-KR", timezone_id="Asia/Seoul")
    page = context.new_page()
    sign_in(page, demo, "ureum@demo.example")
    page.goto(f"{demo.url}/rounds/compressed-air-saving")
    page.get_by_label("최대 수량(대)").fill("2")
    page.get_by_role("button", name="참여 약정 (세금계산서·계좌이체)").click()
    expect(page.get_by_role("status")).to_contain_text("약정을 접수했습니다")
    page.get_by_role("button", name="약정 철회").click()
    expect(page.get_by_role("status")).to_contain_text("약정을 철회했습니다")
    context.close()


@pytest.mark.parametrize(
    "path", ["/", "/search?q=PLC", "/rounds", f"/rounds/{ROUND}", "/service-centers", "/sign-in"]
)
@pytest.mark.parametrize("width", [1440, 390])
def test_no_page_scrolls_sideways_or_complains(
    page: Page, demo: DemoProcess, problems: list[str], path: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for prefix in ("", "/en"):
        page.goto(demo.url + prefix + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert problems == []
