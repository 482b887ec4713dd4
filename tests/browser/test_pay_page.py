"""A balance by card in a real browser: split evenly, 3-D Secure, a decline, and back to a transfer."""

import re
import time

import pytest
from browser.test_main_job import fill_card, sign_in
from demo_process import DemoProcess
from playwright.sync_api import Page, expect
from visitor import Visitor, pledge_by_form, round_state, run_marketplace, wait_for

pytestmark = pytest.mark.browser

ROUND = "fems-ess-molding"
FACTORY = "hanbit@demo.example"


def clear_by_transfer(demo: DemoProcess) -> None:
    """The round clears with a pledge of the factory, whose whole price is a balance."""
    with Visitor(demo, FACTORY) as buyer, Visitor(demo, "operator@demo.example") as operator:
        pledge_id = pledge_by_form(buyer, ROUND, quantity=1, payment_method="transfer")
        desk = f"/coordinator/rounds/{ROUND}"
        operator.submit(desk, f"{desk}/pledges/{pledge_id}/confirm")
        operator.submit(desk, f"{desk}/close", confirmed="yes")
        wait_for(lambda: True if round_state(demo, ROUND)["state"] == "cleared" else None)


def test_a_balance_is_paid_by_card_in_parts_with_a_decline_and_3d_secure(
    page: Page, demo: DemoProcess, live: None, problems: list[str]
) -> None:
    clear_by_transfer(demo)
    sign_in(page, demo, FACTORY)
    page.goto(f"{demo.url}/my/pledges")
    article = page.locator("article", has_text="사출")
    article.get_by_role("button", name="카드로 내기").click()
    expect(page.get_by_role("status")).to_contain_text("같은 금액으로 나누었습니다")
    parts = page.get_by_role("link", name="지금 결제")
    count = parts.count()
    assert count >= 2

    parts.first.click()
    ends = time.monotonic() + 30
    while page.get_by_role("heading", name="카드로 결제").count() == 0 and time.monotonic() < ends:
        # The first card of a market has the books compared, which takes the worker some seconds.
        expect(page.get_by_role("status")).to_contain_text("몇 초 뒤에")
        page.wait_for_timeout(1_000)
        parts.first.click()
    expect(page.get_by_role("heading", name="카드로 결제")).to_be_visible()
    fill_card(page, "4000000000000341")
    page.get_by_role("button", name="이 카드로 결제하기").click()
    expect(page.locator("#card-error")).to_contain_text("declined")
    fill_card(page, "4000002760003184")
    page.get_by_role("button", name="이 카드로 결제하기").click()
    page.get_by_text("Complete authentication").click()
    expect(page.get_by_role("status")).to_contain_text("결제했습니다")
    expect(parts).to_have_count(count - 1)

    parts.first.click()
    page.get_by_role("button", name="카드 대신 계좌이체로").click()
    expect(page.get_by_role("status")).to_contain_text("계좌이체로 바꾸었습니다")
    expect(article.get_by_role("button", name="카드로 내기")).to_have_count(1)
    # The bank's answer to the decline is the browser's one complaint: the provider said 402.
    assert [text for text in problems if not re.search("402", text)] == []
    code, checked = run_marketplace(demo, "check")
    assert (code, checked["ok"]) == (0, True), checked
    code, compared = run_marketplace(demo, "reconcile")
    assert (code, compared["ok"]) == (0, True), compared
