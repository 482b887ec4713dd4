"""From a cleared round to an order that is accepted in part, in a real browser: a day for each, a photo, a reason."""

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from browser.test_main_job import sign_in
from demo_process import DemoProcess
from playwright.sync_api import Page, expect
from visitor import Visitor, round_state, run_marketplace

pytestmark = pytest.mark.browser

ROUND = "cold-chain-2025"
VENDOR, BUYER = "gaon@demo.example", "mirae@demo.example"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


def korean_day() -> date:
    return datetime.now(ZoneInfo("Asia/Seoul")).date()


def take(page: Page, kind: str, button: str, **fields: str) -> None:
    form = page.locator(f"#step-{kind}")
    for name, value in fields.items():
        form.locator(f'[name="{name}"]').fill(value)
    form.get_by_role("button", name=button).click()
    expect(page.get_by_role("status")).to_be_visible()


def test_a_cleared_round_becomes_orders_with_days_and_one_is_partly_accepted(
    page: Page, demo: DemoProcess, problems: list[str]
) -> None:
    with Visitor(demo, "operator@demo.example") as operator:
        desk = f"/coordinator/rounds/{ROUND}"
        operator.submit(f"{desk}/after", f"{desk}/order")
    sign_in(page, demo, VENDOR)
    page.goto(f"{demo.url}/orders")
    todo = page.locator("section", has=page.get_by_role("heading", name="오늘 할 일"))
    waiting = todo.get_by_role("link", name="납품일을 정해 주문 확정")
    orders = [link.get_attribute("href") or "" for link in waiting.all()]
    assert len(orders) >= 2
    # Each order is promised for a day of its own.
    for number, href in enumerate(orders):
        page.goto(demo.url + href)
        take(page, "confirm", "주문 확정하기", promised_on=str(korean_day() + timedelta(10 + number)))
    page.goto(f"{demo.url}/orders")
    expect(page.locator("main")).to_contain_text("오늘 할 일이 없습니다.")
    dates = page.locator('td[data-label="약속한 납품일"]').all_inner_texts()
    assert len(set(dates[: len(orders)])) == len(orders)

    page.get_by_role("row", name="미래").get_by_role("link").first.click()
    address = page.url
    page.locator('#step-deliver [name="file_1"]').set_input_files(
        {"name": "하차.png", "mimeType": "image/png", "buffer": PNG}
    )
    take(page, "deliver", "납품 기록하기", note="지게차로 하차")
    take(page, "install", "설치·시운전 기록하기")
    expect(page.locator("#step-inspect")).to_have_count(0)  # the buyer's

    page.get_by_role("button", name="로그아웃").click()
    sign_in(page, demo, BUYER)
    page.goto(f"{demo.url}/orders")
    page.get_by_role("link", name="검수하기").click()
    expect(page).to_have_url(re.compile(re.escape(address.partition("?")[0])))
    form = page.locator("#step-inspect")
    count = int(form.locator('[name="accepted"]').input_value())
    form.locator('[name="accepted"]').fill(str(count - 1))
    form.get_by_role("button", name="검수 결과 기록하기").click()
    expect(page.locator("main")).to_contain_text("합격과 불합격의 합이 검수를 기다리는 수량과 같아야 합니다.")
    form = page.locator("#step-inspect")
    expect(form.locator('[name="accepted"]')).to_have_value(str(count - 1))
    form.locator('[name="rejected"]').fill("1")
    form.locator('[name="reason"]').select_option("not_working")
    form.locator('[name="note"]').fill("기록계 하나가 켜지지 않음")
    form.get_by_role("button", name="검수 결과 기록하기").click()
    expect(page.get_by_role("status")).to_contain_text("검수 결과를 기록하고")
    for text in ("일부 합격", "불합격 1대", "작동하지 않음", "기록계 하나가 켜지지 않음", "하차.png"):
        expect(page.locator("main")).to_contain_text(text)
    expect(page.locator("#waiting")).to_contain_text("공급기업: 납품하기")
    page.get_by_label("메시지").fill("교체품은 언제 오나요?")
    page.get_by_role("button", name="남기기").click()
    expect(page.locator("#talk")).to_contain_text("교체품은 언제 오나요?")
    # The first refusal of the form was a 400, which the browser reports.
    assert [text for text in problems if "400" not in text] == []
    assert round_state(demo, ROUND)["state"] == "ordered"
    code, checked = run_marketplace(demo, "check")
    assert (code, checked["ok"]) == (0, True), checked
