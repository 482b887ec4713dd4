"""The comparison in real browsers: one address, one table, whoever opens it; a sheet to print; a cost that is typed in."""

import pytest
from demo_process import DemoProcess
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

ROBOTS = "id=doosan-robotics-m1013&id=universal-robots-ur10e&id=rainbow-robotics-rb5-850e"


def table_of(page: Page) -> list[list[str]]:
    rows = page.locator(".compare-table tr").all()
    return [row.locator("th, td").all_inner_texts() for row in rows]


def test_the_address_of_a_comparison_gives_another_browser_the_same_table(
    page: Page, browser: Browser, demo: DemoProcess, problems: list[str]
) -> None:
    page.goto(f"{demo.url}/compare?{ROBOTS}")
    page.locator(".cost-inputs summary").click()
    page.locator('input[name="one_off.doosan-robotics-m1013"]').fill("150,000,000")
    page.locator('select[name="subsidy"]').select_option("subsidy-2017")
    page.locator('select[name="level"]').select_option("4")
    page.locator("#cost-form button").click()
    expect(page.locator(".cost-steps").get_by_text("50,000,000원의 40 % = 20,000,000원")).to_be_visible()
    other = browser.new_context(locale="ko-KR", timezone_id="America/New_York").new_page()
    other.goto(page.url)
    assert len(table_of(page)) > 10
    assert table_of(other) == table_of(page)
    assert problems == []


def test_a_printed_comparison_has_boxes_to_sign_its_address_and_no_buttons(
    page: Page, demo: DemoProcess
) -> None:
    page.goto(f"{demo.url}/compare?{ROBOTS}")
    expect(page.locator(".approval")).to_be_hidden()
    page.emulate_media(media="print")
    expect(page.locator(".approval")).to_be_visible()
    expect(page.get_by_text("/compare?id=doosan-robotics-m1013")).to_be_visible()
    assert page.locator(".no-print:visible").count() == 0
    assert page.locator(".compare-table thead th").count() == 3
    assert page.locator(".compare-table").evaluate("table => table.scrollHeight <= table.clientHeight + 1")
