"""A whole round in the browser, by the people who would do it; its won are worked out here from prices and quantities.

Only time is moved, and the bank plays its part: it declines a card, ends a hold, and writes statements.
"""

import asyncio
import os
import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import pytest
from browser.test_main_job import fill_card, reload_until, sign_in
from demo_process import DemoProcess
from playwright.sync_api import Browser, Page, expect
from visitor import run_marketplace

from marketplace.embedded_postgres import EmbeddedPostgres
from marketplace.payments.contract_calls import Fault
from marketplace.payments.local_stripe import LocalStripe

pytestmark = pytest.mark.browser

CODE: Final = "lathe-tending-cobot-walk"
OFFER: Final = "offer-lathe-tending-cobot"
TITLE: Final = "선반 소재 투입 협동로봇 셀"
KOREA: Final = ZoneInfo("Asia/Seoul")
GOOD_CARD: Final = "4242424242424242"
DECLINED_LATER: Final = "4000000000000341"

FIRST, AT_FOUR, AT_EIGHT = 72_450_000, 70_210_000, 67_230_000
"""The offer's prices from 2, 4 and 8 units on, won without VAT."""
COMMISSION_BP: Final = 300
PART_KRW: Final = 100_000_000
"""What one buyer sends first of its balance."""


def won(krw: int) -> str:
    return f"{krw:,}원"


def with_vat(units: int, price_krw: int) -> int:
    return units * price_krw + units * price_krw // 10


def deposit(units: int, price_krw: int) -> int:
    return units * price_krw // 10


class Bank:
    """The coordinator's account: what came in, as the file that its internet banking gives (CP949)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.balance_krw = 5_000_000
        self.rows: list[str] = []

    def receive(self, text: str, krw: int) -> None:
        self.balance_krw += krw
        at = datetime.now(KOREA) - timedelta(hours=1) + timedelta(minutes=len(self.rows))
        self.rows.append(f'{at:%Y-%m-%d %H:%M:%S},{text},0,"{krw:,}","{self.balance_krw:,}",창원지점')

    def statement(self, name: str) -> Path:
        """Everything so far: later files repeat the lines of earlier ones, as banks' files do."""
        path = self.folder / name
        head = ["거래내역조회", "계좌번호,110-123-456789", "거래일시,적요,출금액,입금액,잔액,거래점"]
        path.write_bytes("\r\n".join([*head, *self.rows, ""]).encode("cp949"))
        return path


class Walk:
    """The demo, a window for each person, the bank, and the one way to move time."""

    def __init__(self, demo: DemoProcess, browser: Browser, folder: Path) -> None:
        self.demo = demo
        self.bank = Bank(folder)
        self.coordinator, self.mirae, self.hanbit, self.daeseong, self.narae = (
            self._window(browser, name) for name in ("operator", "mirae", "hanbit", "daeseong", "narae")
        )

    def _window(self, browser: Browser, name: str) -> Page:
        page = browser.new_context(locale="ko-KR", timezone_id="Asia/Seoul").new_page()
        page.set_default_timeout(10_000)
        sign_in(page, self.demo, f"{name}@demo.example")
        return page

    def move_time(self, statement: str) -> None:
        """Run one statement that sets a deadline; in a thread, because the browser's driver has a loop of its own."""

        async def execute() -> None:
            conn = await asyncpg.connect(EmbeddedPostgres(self.demo.data_dir).dsn())
            try:
                await conn.execute(statement, CODE)
            finally:
                await conn.close()

        thread = threading.Thread(target=lambda: asyncio.run(execute()))
        thread.start()
        thread.join()

    def provider(self) -> LocalStripe:
        """The demo's card provider, for what a bank does by itself."""
        way = msgspec.json.decode((self.demo.data_dir / "local_stripe.json").read_bytes())
        provider = LocalStripe()
        provider.url, provider.secret_key = way["stripe_api_base"], way["stripe_secret_key"]
        return provider


@pytest.fixture
def walk(browser: Browser, tmp_path: Path, live: None) -> Iterator[Walk]:
    settlement = {"MARKETPLACE_CUSTODY": "operator", "MARKETPLACE_COMMISSION_BP": str(COMMISSION_BP)}
    with DemoProcess(tmp_path / "data", **settlement) as demo:
        walk = Walk(demo, browser, tmp_path)
        yield walk
        for page in (walk.coordinator, walk.mirae, walk.hanbit, walk.daeseong, walk.narae):
            page.context.close()


def look(page: Page, name: str) -> None:
    """Keep a picture of the page, where WALK_PICTURES names a folder."""
    if folder := os.environ.get("WALK_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def menu(page: Page, *names: str) -> None:
    """Follow links by what they are called."""
    for name in names:
        page.get_by_role("link", name=name).first.click()


def done(page: Page, text: str) -> None:
    """The page says what was just done."""
    expect(page.get_by_role("status").first).to_contain_text(text)


def open_the_round(walk: Walk) -> None:
    page = walk.coordinator
    menu(page, "운영", "새 회차")
    page.get_by_label("공급 조건").select_option(OFFER)
    page.get_by_role("button", name="맞는 수요 보기").click()
    page.get_by_label("회차 코드").fill(CODE)
    page.get_by_label("마감(한국 시각)", exact=True).fill(
        f"{datetime.now(KOREA) + timedelta(days=3):%Y-%m-%dT%H:%M}"
    )
    page.get_by_label("보증금(%)").fill("10")
    page.get_by_label("운영자가 앞당겨 마감할 수 있음").check()
    page.get_by_role("button", name="회차 만들기").click()
    done(page, "회차를 열었습니다")
    # The demo waits for nobody after a close; this round waits an hour, as a real one waits three days.
    walk.move_time("UPDATE rounds SET funding_window = interval '1 hour' WHERE code = $1")


def open_its_page(walk: Walk, page: Page) -> None:
    menu(page, "공동구매")
    page.locator(f'a[href="/rounds/{CODE}"]').first.click()


def pledge(walk: Walk, page: Page, least: int, most: int, button: str) -> None:
    open_its_page(walk, page)
    page.get_by_label("최소 수량(대)").fill(str(least))
    page.get_by_label("최대 수량(대)").fill(str(most))
    page.get_by_role("button", name=button).click()


def save_card(page: Page, number: str, hold_krw: int) -> None:
    expect(page.get_by_role("heading", name="카드 등록")).to_be_visible()
    expect(page.get_by_text(won(hold_krw))).to_be_visible()
    fill_card(page, number)
    page.get_by_role("button", name="카드 등록하고 약정 마치기").click()
    done(page, "카드를 등록했습니다")


def bring_statement(walk: Walk, name: str, *, new: int, matched: int) -> None:
    """The coordinator checks the bank's file, and books what was checked."""
    page = walk.coordinator
    menu(page, "운영", "입금 대조")
    page.get_by_label("파일").set_input_files(walk.bank.statement(name))
    page.get_by_role("button", name="점검하기").click()
    done(page, "아직 반영하지 않았습니다")
    page.get_by_role("button", name="이대로 반영").click()
    done(page, "반영했습니다")
    counts = page.locator("dl.counts")
    expect(counts.locator("div", has_text="새 줄").locator("dd")).to_have_text(str(new))
    expect(counts.locator("div", has_text="맞춘 입금").locator("dd")).to_have_text(str(matched))


def close_the_round(walk: Walk) -> None:
    page = walk.coordinator
    menu(page, "운영")
    page.locator(f'a[href="/coordinator/rounds/{CODE}"]').first.click()
    look(page, "02-open-with-deposit")
    page.get_by_label("지금 마감하는 것을 확인했습니다.").check()
    page.get_by_role("button", name="지금 마감").click()
    done(page, "마감했습니다")


def pay_from_the_message(walk: Walk) -> str:
    """The declined buyer follows the message and gives another card; return the provider's payment."""
    page, title = walk.daeseong, "카드로 결제"
    menu(page, "알림")
    reload_until(page, "카드 결제가 거절되었습니다")
    look(page, "03-inbox")
    page.get_by_role("button", name=re.compile("카드 결제가 거절되었습니다")).first.click()
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    look(page, "04-pay-now")
    secret = page.locator("#card-form").get_attribute("data-secret")
    assert secret is not None
    return secret.partition("_secret_")[0]


def lose_the_hold(walk: Walk) -> None:
    """Daeseong pays after all, the round clears, and then its bank ends the hold and gives no other."""
    payment = pay_from_the_message(walk)
    provider = walk.provider()
    # The bank answers no capture, so that it can end the hold before one.
    provider.inject(*[Fault("status_429", f"/v1/payment_intents/{payment}/capture")] * 3)
    fill_card(walk.daeseong, GOOD_CARD)
    walk.daeseong.get_by_role("button", name="이 카드로 승인하기").click()
    done(walk.daeseong, "승인했습니다")
    look(walk.daeseong, "05-held")
    reload_until(walk.coordinator, "성사: 단가와 배정 확정")
    provider.expire(payment)
    provider.inject()


def daeseong_lapses(walk: Walk) -> None:
    """The saved card is declined too; nobody pays in the grace period, and the pledge lapses."""
    page = walk.daeseong
    menu(page, "내 업무")
    reload_until(page, "실패")
    article = page.locator("article", has_text=won(with_vat(2, AT_EIGHT)))
    expect(article.get_by_role("link", name="지금 결제")).to_be_visible()
    look(page, "07-declined")
    walk.move_time(
        """
        UPDATE charges SET grace_until = clock_timestamp()
        WHERE grace_until IS NOT NULL AND round_id = (SELECT id FROM rounds WHERE code = $1)
        """
    )
    reload_until(walk.coordinator, "단가 인상 동의 요청")
    page.reload()
    look(page, "08-lapsed")


def the_others_agree(walk: Walk) -> None:
    """Only a dearer price is left. Each is asked with the whole sum, one in Korean and one in English."""
    page = walk.mirae
    menu(page, "내 업무")
    look(page, "09-mirae-asked")
    menu(page, "내용 보고 답하기")
    for krw in (AT_EIGHT, AT_FOUR, AT_FOUR - AT_EIGHT, with_vat(4, AT_EIGHT), with_vat(4, AT_FOUR)):
        expect(page.locator("main")).to_contain_text(won(krw))
    look(page, "10-consent")
    page.get_by_role("button", name=f"{won(AT_FOUR)}에 동의").click()
    done(page, "답을 받았습니다")
    page = walk.hanbit
    menu(page, "English", "My work", "Read and answer")
    look(page, "11-consent-en")
    page.get_by_role("button", name=f"Agree to ₩{AT_FOUR:,}").click()
    done(page, "answer")
    menu(page, "한국어")
    for page in (walk.mirae, walk.hanbit):
        open_its_page(walk, page)
        look(page, f"13-recleared-{'hanbit' if page is walk.hanbit else 'mirae'}")


def invoice_reference(page: Page, *, open_krw: int) -> str:
    """What the invoice says to write on a transfer; it also says how much is open."""
    menu(page, "내 업무")
    page.get_by_role("link", name=re.compile(r"^SFA-")).first.click()
    facts = page.locator(".invoice dl.facts")
    expect(facts.locator("div", has_text="남은 잔금")).to_contain_text(won(open_krw))
    return facts.locator("div", has_text="입금자 표시").locator("code").inner_text()


def draw_up_tax_invoices(page: Page) -> None:
    menu(page, "공급기업", "세금계산서")
    page.locator(f'a[href="/vendor/rounds/{CODE}/tax"]').first.click()
    page.get_by_role("button", name="행 만들기").click()
    done(page, "세금계산서 행을 만들었습니다")


def order_and_first_balances(walk: Walk) -> None:
    """The order goes out; one balance comes in full, of the other a part."""
    page = walk.coordinator
    menu(page, "성사 뒤: 납부, 재판정, 발주, 납품")
    look(page, "14-after")
    page.get_by_role("button", name="발주했다고 기록").click()
    done(page, "발주를 기록하고")
    draw_up_tax_invoices(walk.narae)
    look(walk.narae, "15-tax")
    look(walk.mirae, "16-invoice")
    of_mirae = with_vat(4, AT_FOUR) - deposit(4, AT_EIGHT)
    of_hanbit = with_vat(3, AT_FOUR) - deposit(3, FIRST)
    walk.bank.receive(f"미래식품 {invoice_reference(walk.mirae, open_krw=of_mirae)}", of_mirae)
    look(walk.mirae, "16-invoice")
    reference = invoice_reference(walk.hanbit, open_krw=of_hanbit)
    walk.bank.receive(f"{reference} 한빛", PART_KRW)
    bring_statement(walk, "balances.csv", new=2, matched=2)
    look(page, "17-bank")
    walk.hanbit.reload()
    expect(walk.hanbit.locator(".invoice")).to_contain_text(won(of_hanbit - PART_KRW))


def one_unit_comes_back(walk: Walk) -> None:
    """Six of seven units are accepted: by the rule the unit is Mirae's, who gets it back by card and by transfer."""
    page = walk.narae
    menu(page, "공급기업", "파는 회차")
    page.locator(f'a[href="/vendor/rounds/{CODE}"]').first.click()
    look(page, "18-vendor-round")
    page.get_by_label("도착한 수량(대)").fill("6")
    page.get_by_role("button", name="납품 기록").click()
    done(page, "납품을 기록하고 배정과 환불을 계산했습니다")
    look(page, "19-delivered")
    back_krw = with_vat(4, AT_FOUR) - with_vat(3, AT_FOUR)
    by_card = deposit(4, AT_EIGHT)
    page = walk.coordinator
    menu(page, "운영")
    page.locator(f'a[href="/coordinator/rounds/{CODE}"]').first.click()
    look(page, "20-refund-due")
    refund = page.get_by_role("row").filter(has_text="환불").filter(has_text=won(back_krw - by_card))
    refund.get_by_role("button", name="송금했음").click()
    done(page, "환불 송금을 기록했습니다")
    menu(walk.mirae, "내 업무")
    reload_until(walk.mirae, "환불 완료")
    look(walk.mirae, "21-mirae-refunded")
    draw_up_tax_invoices(walk.narae)
    look(walk.narae, "22-correction")


def rest_and_settlement(walk: Walk) -> None:
    rest_krw = with_vat(3, AT_FOUR) - deposit(3, FIRST) - PART_KRW
    walk.bank.receive(f"한빛정밀 {invoice_reference(walk.hanbit, open_krw=rest_krw)}", rest_krw)
    bring_statement(walk, "rest.csv", new=1, matched=1)
    look(walk.coordinator, "23-bank-rest")
    menu(walk.coordinator, "운영")
    walk.coordinator.locator(f'a[href="/coordinator/rounds/{CODE}"]').first.click()
    menu(walk.coordinator, "성사 뒤: 납부, 재판정, 발주, 납품")
    walk.coordinator.get_by_role("button", name="정산 완료로 기록").click()
    done(walk.coordinator, "정산을 마쳤습니다")
    look(walk.coordinator, "24-settled")


def payout_and_statements(walk: Walk) -> None:
    page = walk.narae
    menu(page, "공급기업", "세금계산서", "세금계산서 정보")
    for label, text in {
        "대표자 성명": "윤로봇",
        "은행": "나라은행",
        "계좌번호": "302-11-445566",
        "예금주": "나래로봇",
    }.items():
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="저장").click()
    done(page, "저장했습니다")
    menu(walk.coordinator, "운영", "지급")
    look(walk.coordinator, "25-payouts")
    walk.coordinator.get_by_role("button", name="지급 묶음 만들기").click()
    done(walk.coordinator, "지급 파일을 만들었습니다")
    look(walk.coordinator, "26-paid-out")
    menu(page, "공급기업", "거래 명세")
    look(page, "27-vendor-statement")
    menu(walk.mirae, "내 업무", "거래 명세")
    look(walk.mirae, "28-buyer-statement")
    menu(walk.coordinator, "운영", "원장")
    walk.coordinator.get_by_label("회차").select_option(CODE)
    walk.coordinator.get_by_role("button", name="보기").click()
    look(walk.coordinator, "29-ledger")


def test_a_whole_round_in_the_browser_settled_to_the_won(walk: Walk) -> None:
    open_the_round(walk)
    pledge(walk, walk.hanbit, 2, 3, "참여 약정 (세금계산서·계좌이체)")
    done(walk.hanbit, "약정을 접수했습니다")
    pledge(walk, walk.mirae, 3, 4, "카드로 보증금")
    save_card(walk.mirae, GOOD_CARD, deposit(4, FIRST))
    pledge(walk, walk.daeseong, 2, 2, "카드로 보증금")
    save_card(walk.daeseong, DECLINED_LATER, deposit(2, FIRST))

    menu(walk.hanbit, "내 업무")
    look(walk.hanbit, "01-deposit-wanted")
    wanted = walk.hanbit.locator("article", has_text=TITLE).locator(".notice")
    expect(wanted).to_contain_text(won(deposit(3, FIRST)))
    reference = re.search(r"SFP\d+", wanted.inner_text())
    assert reference is not None
    walk.bank.receive(f"한빛정밀 {reference[0]}", deposit(3, FIRST))
    bring_statement(walk, "deposits.csv", new=1, matched=1)
    close_the_round(walk)
    lose_the_hold(walk)
    look(walk.coordinator, "06-cleared")
    daeseong_lapses(walk)
    the_others_agree(walk)
    order_and_first_balances(walk)
    one_unit_comes_back(walk)
    rest_and_settlement(walk)
    payout_and_statements(walk)
    for verb in ("check", "reconcile"):
        code, answer = run_marketplace(walk.demo, verb)
        assert (code, answer["ok"]) == (0, True), answer
