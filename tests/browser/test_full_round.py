"""A whole round in the browser, by the people who would do it; its won are worked out here from prices and quantities.

Only time is moved, and the bank plays its part: it declines a card, ends a hold, and writes statements.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from browser.test_main_job import fill_card
from browser.walk import KOREA, PATIENCE_MS, Walk, await_text, figure, follow, look, says
from demo_process import DemoProcess
from playwright.sync_api import Browser, Locator, Page, expect
from visitor import CARD_DECLINED_LATER, CARD_OK, run_marketplace

from marketplace.payments.contract_calls import Fault

pytestmark = pytest.mark.browser

CODE: Final = "lathe-tending-cobot-walk"
OFFER: Final = "offer-lathe-tending-cobot"
FIRST, AT_FOUR, AT_EIGHT = 72_450_000, 70_210_000, 67_230_000
"""The offer's prices from 2, 4 and 8 units on, won without VAT."""
COMMISSION_BP: Final = 300
SUPPLY_KRW: Final = 6 * AT_FOUR
FEE_KRW: Final = SUPPLY_KRW * COMMISSION_BP // 10_000
"""What is delivered in the end, without VAT, and what the operator keeps of it."""
PART_KRW: Final = 100_000_000
"""What Hanbit sends first of its balance."""


def won(krw: int) -> str:
    return f"{krw:,}원"


def with_vat(units: int, price_krw: int) -> int:
    return units * price_krw + units * price_krw // 10


def deposit(units: int, price_krw: int) -> int:
    return units * price_krw // 10


@pytest.fixture
def walk(browser: Browser, tmp_path: Path, live: None) -> Iterator[Walk]:
    """A demo whose operator holds the money and keeps a commission."""
    settlement = {"MARKETPLACE_CUSTODY": "operator", "MARKETPLACE_COMMISSION_BP": str(COMMISSION_BP)}
    with DemoProcess(tmp_path / "data", **settlement) as demo:
        walk = Walk(demo, browser, tmp_path, CODE)
        expect.set_options(timeout=PATIENCE_MS)
        yield walk
        expect.set_options(timeout=None)
        walk.close()


def open_the_round(walk: Walk) -> None:
    page = walk.coordinator
    follow(page, "운영", "받을 계좌")
    account = {
        "대표자 성명": "김운영",
        "은행": "한가람은행",
        "계좌번호": walk.bank.account,
        "예금주": "사무국",
    }
    for label, text in account.items():
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="저장").click()
    says(page, "저장했습니다")
    follow(page, "운영", "새 회차")
    page.get_by_label("공급 조건").select_option(OFFER)
    page.get_by_role("button", name="맞는 수요 보기").click()
    page.get_by_label("회차 코드").fill(CODE)
    closes_at = datetime.now(KOREA) + timedelta(days=3)
    page.get_by_label("마감(한국 시각)", exact=True).fill(f"{closes_at:%Y-%m-%dT%H:%M}")
    page.get_by_label("보증금(%)").fill("10")
    page.get_by_label("운영자가 앞당겨 마감할 수 있음").check()
    page.get_by_role("button", name="회차 만들기").click()
    says(page, "회차를 열었습니다")
    # The demo waits for nobody after a close; this round waits an hour, as a real one waits three days.
    walk.move_time("UPDATE rounds SET funding_window = interval '1 hour' WHERE code = $1")


def open_its_page(page: Page) -> None:
    follow(page, "공동구매")
    page.locator(f'a[href="/rounds/{CODE}"]').first.click()


def open_its_desk(page: Page) -> None:
    follow(page, "운영")
    page.locator(f'a[href="/coordinator/rounds/{CODE}"]').first.click()


def own(page: Page) -> Locator:
    """The round on the buyer's page "my pledges"."""
    follow(page, "내 업무")
    return page.locator("article").filter(has=page.locator(f'a[href="/rounds/{CODE}"]'))


def pledge(page: Page, least: int, most: int, button: str) -> None:
    open_its_page(page)
    expect(page.locator("main")).to_contain_text("사무국이 맡아 두었다가 납품 뒤 지급")
    page.get_by_label("최소 수량(대)").fill(str(least))
    page.get_by_label("최대 수량(대)").fill(str(most))
    page.get_by_role("button", name=button).click()


def pledge_by_card(page: Page, least: int, most: int, number: str) -> None:
    pledge(page, least, most, "카드로 보증금")
    expect(page.get_by_role("heading", name="카드 등록")).to_be_visible()
    expect(page.get_by_text(won(deposit(most, FIRST)))).to_be_visible()
    fill_card(page, number)
    page.get_by_role("button", name="카드 등록하고 약정 마치기").click()
    says(page, "카드를 등록했습니다")


def bring_statement(walk: Walk, name: str, *, known: int, booked: dict[str, int]) -> None:
    """The coordinator checks the bank's file, and books what was checked: won by reference."""
    page = walk.coordinator
    follow(page, "운영", "입금 대조")
    page.get_by_label("파일").set_input_files(walk.bank.statement(name))
    page.get_by_role("button", name="점검하기").click()
    says(page, "아직 반영하지 않았습니다")
    page.get_by_role("button", name="이대로 반영").click()
    says(page, "반영했습니다")
    counts = page.locator("dl.counts div")
    for title, count in {"새 줄": len(booked), "이미 있던 줄": known, "확인 필요": 0}.items():
        expect(counts.filter(has_text=title).locator("dd")).to_have_text(str(count))
    for reference, krw in booked.items():
        expect(page.get_by_role("status").get_by_role("row", name=reference)).to_contain_text(won(krw))


def pay_the_deposit(walk: Walk) -> None:
    """Hanbit is told how much, where to and under which number; the bank's file confirms it."""
    wanted = own(walk.hanbit).locator(".notice")
    look(walk.hanbit, "01-deposit-wanted")
    expect(wanted).to_contain_text(won(deposit(3, FIRST)))
    expect(wanted).to_contain_text(f"한가람은행 {walk.bank.account.replace('-', '')} 사무국")
    reference = re.search(r"SFP\d+", wanted.inner_text())
    assert reference is not None
    walk.bank.receive(f"한빛정밀 {reference[0]}", deposit(3, FIRST))
    bring_statement(walk, "deposits.csv", known=0, booked={reference[0]: deposit(3, FIRST)})
    expect(own(walk.hanbit).locator(".notice")).to_have_count(0)


def close_the_round(walk: Walk) -> None:
    page = walk.coordinator
    open_its_desk(page)
    look(page, "02-open")
    page.get_by_label("지금 마감하는 것을 확인했습니다.").check()
    page.get_by_role("button", name="지금 마감").click()
    says(page, "마감했습니다")


def pay_from_the_message(walk: Walk) -> None:
    """Daeseong's card is declined; it follows the message, gives another card, and the round clears.

    Then its bank ends the hold before it was captured, and the saved card is declined once more.
    """
    page = walk.daeseong
    follow(page, "알림")
    await_text(page, "카드 결제가 거절되었습니다")
    look(page, "03-message")
    page.get_by_role("button", name=re.compile("카드 결제가 거절되었습니다.*협동로봇")).first.click()
    expect(page.get_by_role("heading", name="카드로 결제")).to_be_visible()
    look(page, "04-pay-now")
    secret = page.locator("#card-form").get_attribute("data-secret")
    assert secret is not None
    payment, provider = secret.partition("_secret_")[0], walk.card_provider()
    provider.inject(*[Fault("status_429", f"/v1/payment_intents/{payment}/capture")] * 3)
    fill_card(page, CARD_OK)
    page.get_by_role("button", name="이 카드로 승인하기").click()
    says(page, "보증금을 승인했습니다")
    await_text(walk.coordinator, f"{won(AT_EIGHT)} × 9")
    provider.expire(payment)
    provider.inject()
    follow(page, "내 업무")
    await_text(page, "카드사가 거절함")
    row = own(page).get_by_role("row", name="보증금")
    expect(row).to_contain_text(won(deposit(2, AT_EIGHT)))
    expect(row.get_by_role("link", name="지금 결제")).to_be_visible()
    look(page, "05-declined-again")


def let_the_grace_end(walk: Walk) -> None:
    """Nobody pays in the grace period: the pledge lapses, and nothing was ever taken from a card."""
    walk.move_time(
        """
        UPDATE charges SET grace_until = clock_timestamp()
        WHERE grace_until IS NOT NULL AND round_id = (SELECT id FROM rounds WHERE code = $1)
        """
    )
    await_text(walk.coordinator, "단가 인상 동의 요청")
    article = own(walk.daeseong)
    expect(article).to_contain_text("배정 없음")
    article.locator("summary").click()
    expect(article).to_contain_text("2번째 시도: 카드사가 거절함")
    expect(article.get_by_text("납부 완료")).to_have_count(0)
    look(walk.daeseong, "06-lapsed")


def agree_to_the_dearer_price(walk: Walk) -> None:
    """Only a dearer price is left. Each is asked with the whole sum, one in Korean and one in English."""
    page = walk.mirae
    own(page)
    follow(page, "내용 보고 답하기")
    for krw in (AT_EIGHT, AT_FOUR, AT_FOUR - AT_EIGHT, with_vat(4, AT_EIGHT), with_vat(4, AT_FOUR)):
        expect(page.locator("main")).to_contain_text(won(krw))
    look(page, "07-question")
    page.get_by_role("button", name=f"{won(AT_FOUR)}에 동의").click()
    says(page, "답을 받았습니다")
    page = walk.hanbit
    follow(page, "English", "My work", "Read and answer")
    for krw in (AT_EIGHT, AT_FOUR, with_vat(3, AT_EIGHT), with_vat(3, AT_FOUR)):
        expect(page.locator("main")).to_contain_text(f"₩{krw:,}")
    look(page, "08-question-en")
    page.get_by_role("button", name=f"Agree to ₩{AT_FOUR:,}").click()
    says(page, "Your answer")
    expect(page.locator("main")).to_contain_text(f"₩{AT_EIGHT:,}")
    look(page, "09-agreed-en")
    follow(page, "한국어")
    for page, units in ((walk.mirae, 4), (walk.hanbit, 3)):
        open_its_page(page)
        figure(page, "합계(부가세 포함)", won(with_vat(units, AT_FOUR)), within=".own")
        more_krw = with_vat(units, AT_FOUR) - with_vat(units, AT_EIGHT)
        expect(page.locator(".own")).to_contain_text(f"합계가 {won(more_krw)} 늘어 잔금에 더함")
        look(page, f"10-decided-again-{units}")
        follow(page, "왜 이 단가와 수량인지 보기")
        expect(page.locator("main")).to_contain_text("같은 단가 유지 시도 → 동의한 공장만 단가 인상")


def invoice_reference(page: Page, *, open_krw: int) -> str:
    """What the invoice says to write on a transfer; it also says how much is open, and what changed."""
    own(page).get_by_role("link", name=re.compile(r"^SFA-")).first.click()
    facts = page.locator(".invoice dl.facts div")
    expect(facts.filter(has_text="남은 잔금")).to_contain_text(won(open_krw))
    expect(facts.filter(has_text="입금 계좌")).to_contain_text("한가람은행")
    expect(page.locator(".invoice")).to_contain_text("발행 뒤 바뀐 것")
    return facts.filter(has_text="입금자 표시").locator("code").inner_text()


def draw_up_tax_invoices(page: Page, *, supply_krw: int, name: str) -> None:
    follow(page, "공급기업", "세금계산서")
    page.locator(f'a[href="/vendor/rounds/{CODE}/tax"]').first.click()
    page.get_by_role("button", name="행 만들기").click()
    says(page, "세금계산서 행을 만들었습니다")
    for krw in (supply_krw, supply_krw // 10, supply_krw + supply_krw // 10):
        expect(page.locator("tfoot")).to_contain_text(won(krw))
    look(page, name)


def order_and_pay(walk: Walk) -> None:
    """The order goes out, tax invoices are drawn up; Mirae's balance comes in full, of Hanbit's a part."""
    page = walk.coordinator
    open_its_desk(page)
    follow(page, "성사 뒤: 납부, 재판정, 발주, 납품")
    look(page, "11-after")
    page.get_by_role("button", name="발주했다고 기록").click()
    says(page, "발주를 기록하고")
    draw_up_tax_invoices(walk.narae, supply_krw=7 * AT_FOUR, name="12-tax")
    of_mirae = with_vat(4, AT_FOUR) - deposit(4, AT_EIGHT)
    of_hanbit = with_vat(3, AT_FOUR) - deposit(3, FIRST)
    mirae = invoice_reference(walk.mirae, open_krw=of_mirae)
    look(walk.mirae, "13-invoice")
    hanbit = invoice_reference(walk.hanbit, open_krw=of_hanbit)
    walk.bank.receive(f"미래식품 {mirae}", of_mirae)
    walk.bank.receive(f"{hanbit} 한빛", PART_KRW)
    bring_statement(walk, "balances.csv", known=1, booked={mirae: of_mirae, hanbit: PART_KRW})
    look(page, "14-bank")
    assert invoice_reference(walk.hanbit, open_krw=of_hanbit - PART_KRW) == hanbit


def give_one_unit_back(walk: Walk) -> None:
    """Six of seven units are accepted. By the rule it is Mirae's: to its card what that paid, the rest by transfer."""
    page = walk.narae
    follow(page, "공급기업", "파는 회차")
    page.locator(f'a[href="/vendor/rounds/{CODE}"]').first.click()
    page.get_by_label("도착한 수량(대)").fill("6")
    page.get_by_role("button", name="납품 기록").click()
    says(page, "납품을 기록하고 배정과 환불을 계산했습니다")
    look(page, "15-delivered")
    back_krw = with_vat(4, AT_FOUR) - with_vat(3, AT_FOUR)
    by_transfer_krw = back_krw - deposit(4, AT_EIGHT)
    open_its_desk(walk.coordinator)
    look(walk.coordinator, "16-refund-due")
    refund = walk.coordinator.get_by_role("row").filter(has_text="환불").filter(has_text=won(by_transfer_krw))
    refund.get_by_role("button", name="송금했음").click()
    says(walk.coordinator, "환불 송금을 기록했습니다")
    follow(walk.mirae, "내 업무")
    await_text(walk.mirae, "환불됨")
    article = own(walk.mirae)
    paid = {"낸 돈": with_vat(4, AT_FOUR), "돌려받은 돈": back_krw, "더 낼 돈": 0}
    for name, krw in paid.items():
        expect(article.locator("dl.figures div").filter(has_text=name)).to_contain_text(won(krw))
    article.locator("summary").click()
    by_card = article.locator("details li").filter(has_text="보증금, 카드")
    expect(by_card.filter(has_text="납부 완료")).to_have_count(1)
    expect(article.locator("details li").filter(has_text="환불 완료")).to_have_count(2)
    look(walk.mirae, "17-refunded")
    draw_up_tax_invoices(walk.narae, supply_krw=SUPPLY_KRW, name="18-correction")
    expect(walk.narae.get_by_role("row").filter(has_text="수정: 환입")).to_contain_text(f"-{won(back_krw)}")


def pay_the_rest_and_settle(walk: Walk) -> None:
    rest_krw = with_vat(3, AT_FOUR) - deposit(3, FIRST) - PART_KRW
    reference = invoice_reference(walk.hanbit, open_krw=rest_krw)
    walk.bank.receive(f"한빛정밀 {reference}", rest_krw)
    bring_statement(walk, "rest.csv", known=3, booked={reference: rest_krw})
    article = own(walk.hanbit)
    for name, krw in {"낸 돈": with_vat(3, AT_FOUR), "더 낼 돈": 0}.items():
        expect(article.locator("dl.figures div").filter(has_text=name)).to_contain_text(won(krw))
    page = walk.coordinator
    open_its_desk(page)
    follow(page, "성사 뒤: 납부, 재판정, 발주, 납품")
    page.get_by_role("button", name="정산 완료로 기록").click()
    says(page, "정산을 마쳤습니다")
    look(page, "19-settled")


def pay_the_vendor(walk: Walk) -> None:
    page = walk.narae
    follow(page, "공급기업", "세금계산서", "세금계산서 정보")
    account = {"대표자 성명": "윤로봇", "은행": "나라은행", "계좌번호": "302-11-445566", "예금주": "나래로봇"}
    for label, text in account.items():
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="저장").click()
    says(page, "저장했습니다")
    follow(page, "공급기업", "거래 명세")
    figure(page, "공급 대금(수수료 뺌)", won(SUPPLY_KRW - FEE_KRW - FEE_KRW // 10))
    figure(page, "부가세", won(SUPPLY_KRW // 10))
    page = walk.coordinator
    follow(page, "운영", "지급")
    due_krw = SUPPLY_KRW + SUPPLY_KRW // 10 - FEE_KRW - FEE_KRW // 10
    row = page.get_by_role("row").filter(has_text=CODE)
    for krw in (SUPPLY_KRW + SUPPLY_KRW // 10, FEE_KRW, FEE_KRW // 10, due_krw):
        expect(row).to_contain_text(won(krw))
    page.get_by_role("button", name="지급 묶음 만들기").click()
    says(page, "지급 파일을 만들었습니다")
    look(page, "20-paid-out")
    follow(walk.narae, "공급기업", "거래 명세")
    figure(walk.narae, "납품할 금액", won(0))
    figure(walk.narae, "공급 대금(수수료 뺌)", won(0))
    figure(walk.narae, "부가세", won(0))
    expect(walk.narae.get_by_role("row").filter(has_text="나라은행")).to_contain_text(won(due_krw))
    look(walk.narae, "21-vendor-statement")


def read_the_ledger(walk: Walk) -> None:
    """All accounts of the round: what is left is the fee with its VAT, and the sums are equal."""
    page = walk.coordinator
    follow(page, "운영", "원장")
    page.get_by_label("회차").select_option(CODE)
    page.get_by_role("button", name="보기").click()
    look(page, "22-ledger")
    balances = {
        "더 낼 금액": 0,
        "맡긴 보증금": 0,
        "돌려받을 금액": 0,
        "납품할 금액": 0,
        "받은 돈": FEE_KRW + FEE_KRW // 10,
        "중개 수수료": FEE_KRW,
        "부가세": FEE_KRW // 10,
        "공급 대금(수수료 뺌)": 0,
        "차변과 대변의 차이": 0,
    }
    for account, krw in balances.items():
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=account, exact=True))
        expect(row).to_have_text(re.compile(rf"\D{krw:,}원\W*$"))
    sums = page.get_by_role("row", name="잔액 합계").locator("td")
    expect(sums).to_have_text([won(FEE_KRW + FEE_KRW // 10)] * 2)


def test_a_whole_round_in_the_browser_is_settled_to_the_won(walk: Walk) -> None:
    open_the_round(walk)
    pledge(walk.hanbit, 2, 3, "참여 약정 (세금계산서·계좌이체)")
    says(walk.hanbit, "약정을 접수했습니다")
    pledge_by_card(walk.mirae, 3, 4, CARD_OK)
    pledge_by_card(walk.daeseong, 2, 2, CARD_DECLINED_LATER)
    pay_the_deposit(walk)
    close_the_round(walk)
    pay_from_the_message(walk)
    let_the_grace_end(walk)
    agree_to_the_dearer_price(walk)
    order_and_pay(walk)
    give_one_unit_back(walk)
    pay_the_rest_and_settle(walk)
    pay_the_vendor(walk)
    read_the_ledger(walk)
    for verb in ("check", "reconcile"):
        code, answer = run_marketplace(walk.demo, verb)
        assert (code, answer["ok"]) == (0, True), answer
    code, statement = run_marketplace(walk.demo, "statement", "vendor", "narae-robot")
    balances = {each["account"]: each["balance_krw"] for each in statement["balances"]}
    assert (code, balances["vendor_payable"], balances["vat"]) == (0, 0, 0)
