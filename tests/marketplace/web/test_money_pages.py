"""The desks for banks, tax invoices, guarantees and payouts over HTTP."""

import csv
import io
import re
from uuid import uuid4

from group_buy.closing import begin_closing
from group_buy.deciding import clear_if_decided

HEADER = "거래일시,적요,입금액,출금액,잔액\n"
PDF = b"%PDF-1.4\n%%EOF\n"


async def cleared(market, client, sign_in_as, submit, *, quantity: int = 2) -> str:
    """The mill bought for 48,000,000 won a unit; returns its invoice's reference."""
    await market.open_round("spring", "weld-offer")
    await sign_in_as(client, "mill@test.example")
    answer = await submit(
        client, "/rounds/spring/pledges", pledge_id=str(uuid4()), quantity_min="1", quantity_max=str(quantity),
        limit_unit_price_krw="", payment_method="transfer",
    )  # fmt: skip
    assert answer.status_code == 303
    await market.conn.execute(
        """
        INSERT INTO pledge_fundings (pledge_id, version, kind, verified_by)
        SELECT p.id, 1, 'order', (SELECT min(id) FROM people) FROM pledges p
        """
    )
    async with market.conn.transaction():
        await begin_closing(market.conn, code="spring", early=True)
    await market.conn.execute("UPDATE rounds SET funding_due_at = clock_timestamp()")
    async with market.conn.transaction():
        assert await clear_if_decided(market.conn, code="spring")
    return str(await market.conn.fetchval("SELECT reference FROM invoices"))


def statement(*rows: str) -> dict[str, tuple[str, bytes, str]]:
    return {
        "file": ("거래내역.csv", (HEADER + "".join(f"{row}\n" for row in rows)).encode("cp949"), "text/csv")
    }


async def test_a_statement_is_checked_first_and_booked_by_the_button(
    market, client, sign_in_as, submit
) -> None:
    reference = await cleared(market, client, sign_in_as, submit)
    await sign_in_as(client, "alliance@test.example")
    files = statement(
        f'2026-11-02 10:00:00,밀{reference},"50,000,000",0,"60,000,000"',
        '2026-11-02 11:00:00,누군가,"30,000",0,"60,030,000"',
    )
    import_id = str(uuid4())
    page = await submit(
        client, "/coordinator/bank", files=files, import_id=import_id, account="110-123-456789"
    )
    assert page.status_code == 200
    assert "아직 반영하지 않았습니다" in page.text
    assert "50,000,000원" in page.text
    assert await market.conn.fetchval("SELECT count(*) FROM bank_lines") == 0
    form = {"import_id": import_id, "account": "110-123-456789", "apply": "yes"}
    page = await submit(client, "/coordinator/bank", **form)
    assert "반영했습니다" in page.text
    assert "누군가" in page.text
    assert await market.conn.fetchval("SELECT count(*) FROM receipts") == 1
    await submit(client, "/coordinator/bank", **form)
    assert await market.conn.fetchval("SELECT count(*) FROM receipts") == 1
    page = await client.get("/coordinator/rounds/spring")
    assert "50,000,000원 입금, 55,600,000원 남음" in page.text
    await sign_in_as(client, "mill@test.example")
    assert "50,000,000원 입금, 55,600,000원 남음" in (await client.get("/my/pledges")).text
    number = await market.conn.fetchval("SELECT number FROM invoices")
    assert "55,600,000원" in (await client.get(f"/my/invoices/{number}")).text
    await sign_in_as(client, "alpha@test.example")
    assert "55,600,000원" in (await client.get("/vendor/tax")).text


async def test_the_queue_assigns_sets_aside_and_takes_back(market, client, sign_in_as, submit) -> None:
    reference = await cleared(market, client, sign_in_as, submit)
    await sign_in_as(client, "alliance@test.example")
    files = statement('2026-11-02 10:00:00,mill 기업,"100",0,"200"')
    await submit(
        client, "/coordinator/bank", files=files, import_id=str(uuid4()), account="1101234567", apply="yes"
    )
    line_id = await market.conn.fetchval("SELECT id FROM bank_lines")
    path = f"/coordinator/bank/lines/{line_id}"
    page = await client.get("/coordinator/bank")
    assert reference in page.text, "the buyer's name is a hint"
    answer = await submit(client, f"{path}/mark", mark="not_ours", note="")
    assert answer.status_code == 400
    assert "이유를 적어 주세요." in answer.text
    assert (await submit(client, f"{path}/mark", mark="not_ours", note="모임")).status_code == 303
    answer = await submit(client, f"{path}/assign", reference=reference)
    assert answer.status_code == 409
    assert (await submit(client, f"{path}/mark", mark="reopened")).status_code == 303
    answer = await submit(client, f"{path}/assign", reference="SFA999999")
    assert (answer.status_code, "이 번호의 청구서나 약정이 없습니다" in answer.text) == (400, True)
    answer = await submit(client, f"{path}/assign", reference=reference, amount_krw="101")
    assert (answer.status_code, "남은 금액보다 많습니다" in answer.text) == (409, True)
    assert await market.conn.fetchval("SELECT count(*) FROM receipts") == 0
    assert (await submit(client, f"{path}/assign", reference=reference, amount_krw="60")).status_code == 303
    assert (await submit(client, f"{path}/mark", mark="reopened")).status_code == 303
    rows = await market.conn.fetch("SELECT amount_krw FROM receipts ORDER BY id")
    assert [row[0] for row in rows] == [60, -60]


async def test_a_file_with_errors_shows_them_and_books_nothing(market, client, sign_in_as, submit) -> None:
    await sign_in_as(client, "alliance@test.example")
    files = statement("2026-13-02 10:00:00,가,-5,0,5", "2026-11-02 10:00:00,나,7,0,7")
    form = {"import_id": str(uuid4()), "account": "1101234567"}
    page = await submit(client, "/en/coordinator/bank", files=files, apply="yes", **form)
    assert page.status_code == 400
    assert "Nothing was booked" in page.text
    assert "2026-13-02" in page.text
    page = await submit(
        client, "/coordinator/bank", files=statement("2026-11-02,나,7,0,7"), import_id=str(uuid4())
    )
    assert (page.status_code, "파일에 계좌번호가 없습니다" in page.text) == (400, True)
    assert await market.conn.fetchval("SELECT count(*) FROM bank_lines") == 0


async def test_the_desks_are_for_their_audience(market, client, sign_in_as, submit) -> None:
    await sign_in_as(client, "mill@test.example")
    for path in ("/coordinator/bank", "/coordinator/overdue", "/coordinator/guarantees", "/coordinator/payouts",
                 "/vendor/bank", "/vendor/tax"):  # fmt: skip
        assert (await client.get(path)).status_code == 403, path
    await sign_in_as(client, "beta@test.example")
    assert (await client.get("/vendor/bank")).status_code == 200
    assert (await client.get("/vendor/rounds/spring/tax")).status_code == 404


async def test_programs_bring_statements_and_read_what_waits(market, client, sign_in_as, submit) -> None:
    reference = await cleared(market, client, sign_in_as, submit)
    await sign_in_as(client, "alliance@test.example")
    token = {"x-csrftoken": client.cookies["csrftoken"], "accept": "application/json"}
    content = (HEADER + f'2026-11-02 10:00:00,{reference},"105,600,001",0,"105,600,001"\n').encode()
    path = f"/api/bank-imports/{uuid4()}?file_name=a.csv&account=1101234567"
    report = (await client.put(path, content=content, headers=token)).json()
    assert (report["is_applied"], report["booked"][0]["surplus_krw"]) == (True, 1)
    assert await market.conn.fetchval("SELECT count(*) FROM bank_lines") == 0
    await client.put(f"{path}&mode=apply", content=content, headers=token)
    rows = await market.conn.fetch("SELECT purpose, amount_krw, state FROM charges ORDER BY amount_krw DESC")
    assert [tuple(row) for row in rows] == [("balance", 105_600_000, "captured"), ("refund", 1, "due")]
    assert (await client.get("/api/bank-lines", headers=token)).json() == []
    answer = await client.post(
        "/api/bank-lines/77/mark", json={"mark": "not_ours", "note": "x"}, headers=token
    )
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/bank-line-not-found")
    for path in ("/api/overdue", "/api/guarantees", "/api/payables"):
        assert (await client.get(path, headers=token)).json() == []


async def test_tax_invoices_are_drawn_up_downloaded_and_approved(market, client, sign_in_as, submit) -> None:
    await cleared(market, client, sign_in_as, submit)
    await sign_in_as(client, "alpha@test.example")
    assert (await submit(client, "/my/billing", representative="")).status_code == 400
    answer = await submit(
        client, "/my/billing", representative="김알파", business_type="제조", email="a@b.example"
    )
    assert answer.status_code == 303
    base = "/vendor/rounds/spring/tax"
    assert (await submit(client, f"{base}/draw-up", written_on="2999-01-01")).status_code == 400
    today = await market.conn.fetchval("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date")
    assert (await submit(client, f"{base}/draw-up", written_on=today.isoformat())).status_code == 303
    page = await client.get(base)
    assert "96,000,000원" in page.text
    assert "대표자 성명" in page.text, "the mill has told nobody yet"
    found = await client.get(f"{base}/file?suffix=.csv")
    [row] = csv.DictReader(io.StringIO(found.content.decode("utf-8-sig")))
    assert (row["공급자 성명"], row["공급가액"], row["세액"]) == ("김알파", "96000000", "9600000")
    assert (await client.get(f"{base}/file")).content.startswith(b"PK")
    row_id = await market.conn.fetchval("SELECT id FROM tax_invoices")
    answer = await submit(client, f"{base}/{row_id}/approval", approval_number="123")
    assert (answer.status_code, "승인번호는 24자리입니다" in answer.text) == (400, True)
    answer = await submit(client, f"{base}/{row_id}/approval", approval_number="20261105-10000000-abcd1234")
    assert answer.status_code == 303
    assert "20261105-10000000-abcd1234" in (await client.get(f"/en{base}")).text
    await sign_in_as(client, "mill@test.example")
    assert (await client.get("/api/rounds/spring/tax-invoices")).status_code == 404


async def test_a_guarantee_is_recorded_with_its_document_and_bounds_a_pledge(
    market, client, sign_in_as, submit
) -> None:
    await market.open_round("spring", "weld-offer")
    await sign_in_as(client, "mill@test.example")
    await submit(
        client, "/rounds/spring/pledges", pledge_id=str(uuid4()), quantity_min="1", quantity_max="2",
        limit_unit_price_krw="", payment_method="transfer",
    )  # fmt: skip
    page = await client.get("/my/pledges")
    assert re.search(r"보증금 9,600,000원을 보내 주세요.*SFP\d{6}", page.text)
    await sign_in_as(client, "alliance@test.example")
    pledge_id = await market.conn.fetchval("SELECT id FROM pledges")
    path = f"/coordinator/rounds/spring/pledges/{pledge_id}/confirm"
    refused = await submit(client, path, kind="guarantee")
    assert (refused.status_code, await market.conn.fetchval("SELECT count(*) FROM pledge_fundings")) == (
        409,
        0,
    )
    form = {"buyer": "mill", "issuer": "서울보증보험", "number": "G-1", "limit_krw": "200,000,000"}
    answer = await submit(client, "/coordinator/guarantees", **form, expires_on="2999-01-01")
    assert (answer.status_code, "보증서(PDF)를 올려 주세요." in answer.text) == (400, True)
    files = {"document": ("g.pdf", PDF, "application/pdf")}
    answer = await submit(client, "/coordinator/guarantees", files=files, **form, expires_on="2999-01-01")
    assert answer.status_code == 303, answer.text
    assert (await submit(client, path, kind="guarantee")).status_code == 303
    assert "105,600,000원 / 200,000,000원" in (await client.get("/coordinator/guarantees")).text
    assert "입금·승인 확인" in (await client.get("/rounds/spring")).text


async def test_payouts_are_made_once_and_their_file_is_the_coordinators_own(
    market, client, sign_in_as, submit
) -> None:
    reference = await cleared(market, client, sign_in_as, submit)
    await market.conn.execute("UPDATE rounds SET custody = 'operator'")
    await sign_in_as(client, "alpha@test.example")
    await submit(
        client,
        "/my/billing",
        representative="김알파",
        bank="신한",
        account="110-123-456789",
        account_holder="(주)알파",
    )
    await sign_in_as(client, "alliance@test.example")
    files = statement(f'2026-11-02 10:00:00,{reference},"105,600,000",0,"105,600,000"')
    await submit(
        client, "/coordinator/bank", files=files, import_id=str(uuid4()), account="110999888777", apply="yes"
    )
    await market.conn.execute("UPDATE rounds SET state = 'ordered'")
    await market.conn.execute("UPDATE rounds SET state = 'delivered'")
    batch_id = str(uuid4())
    for _ in range(2):
        assert (await submit(client, "/coordinator/payouts", batch_id=batch_id)).status_code == 303
    rows = await market.conn.fetch(
        "SELECT debit_account, amount_krw FROM ledger_entries WHERE reason = 'paid_out'"
    )
    assert [tuple(row) for row in rows] == [("vendor_payable", 96_000_000), ("vat", 9_600_000)]
    page = (await client.get("/coordinator/payouts")).text
    assert "105,600,000원" in page
    assert page.count(f"/coordinator/payouts/{batch_id}/file") == 1
    answer = await client.get(f"/coordinator/payouts/{batch_id}/file")
    [row] = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert (row["입금은행"], row["입금계좌번호"], row["이체금액"], row["예금주"]) == (
        "신한", "110123456789", "105600000", "(주)알파",
    )  # fmt: skip
    assert (await client.get(f"/coordinator/payouts/{uuid4()}/file")).status_code == 404
    await sign_in_as(client, "alpha@test.example")
    assert (await client.get(f"/coordinator/payouts/{batch_id}/file")).status_code == 403
    page = (await client.get("/vendor/statement")).text
    assert "사무국이 지급" in page
    assert "더 받을 금액" in page


async def test_empty_desks_say_so(market, client, sign_in_as) -> None:
    await sign_in_as(client, "alliance@test.example")
    for path, text in (
        ("/coordinator/bank", "확인할 입금이 없습니다."),
        ("/coordinator/overdue", "기한이 지난 잔금이 없습니다."),
        ("/coordinator/payouts", "지급할 것이 없습니다."),
        ("/coordinator/guarantees", "기록한 보증서가 없습니다."),
    ):
        assert text in (await client.get(path)).text
