"""Two factories in two browsers: the meter moves in the other within a second, and the result explains itself."""

import re
import time

import pytest
from demo_process import DemoProcess
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

ROUND = "cnc-utilization"


def a_window(browser: Browser, demo: DemoProcess, email: str) -> Page:
    page = browser.new_context(locale="ko-KR", timezone_id="Asia/Seoul").new_page()
    page.goto(f"{demo.url}/sign-in")
    page.locator("form", has=page.locator(f'input[value="{email}"]')).get_by_role("button").click()
    expect(page.get_by_role("button", name="로그아웃")).to_be_visible()
    return page


def members(page: Page) -> int:
    text = page.locator("#progress dl.figures div", has_text="참여 공장").locator("dd").inner_text()
    found = re.search(r"\d+", text)
    assert found is not None
    return int(found[0])


def test_a_pledge_moves_the_meter_in_the_other_browser_and_the_result_explains_itself(
    browser: Browser, demo: DemoProcess
) -> None:
    watcher = a_window(browser, demo, "mirae@demo.example")
    watcher.goto(f"{demo.url}/rounds/{ROUND}")
    before = members(watcher)
    buyer = a_window(browser, demo, "hanbit@demo.example")
    buyer.goto(f"{demo.url}/rounds/{ROUND}")
    buyer.get_by_label("최대 수량(대)").fill("2")
    buyer.get_by_role("button", name="참여 약정 (세금계산서·계좌이체)").click()
    expect(buyer.get_by_role("status")).to_contain_text("약정을 접수했습니다")
    began = time.monotonic()
    while members(watcher) != before + 1 and time.monotonic() - began < 5:
        watcher.wait_for_timeout(50)
    assert members(watcher) == before + 1
    assert time.monotonic() - began <= 1.0

    operator = a_window(browser, demo, "operator@demo.example")
    operator.goto(f"{demo.url}/coordinator/rounds/{ROUND}")
    operator.get_by_role("row", name=re.compile("한빛")).get_by_role("button", name="입금 확인").click()
    operator.get_by_label("지금 마감하는 것을 확인했습니다.").check()
    operator.get_by_role("button", name="지금 마감").click()
    late = watcher.request.post(f"{demo.url}/rounds/{ROUND}/pledges", form={"quantity_min": "1"})
    assert late.status in {400, 403, 409}
    expect(buyer.get_by_role("heading", name="내 배정")).to_be_visible(timeout=30_000)
    buyer.get_by_role("link", name="왜 이 단가와 수량인지 보기").click()
    expect(buyer.get_by_role("heading", name="왜 이 수량인가")).to_be_visible()
    expect(buyer.locator(".result-line")).to_contain_text("성사되었고")
    for page in (watcher, buyer, operator):
        page.context.close()
