"""Papers over HTTP: each kind from its button to the page and PDF, versions, words, signed copies, and refusals."""

import asyncio
import html
import re
from uuid import UUID, uuid4

import httpx
import pytest

from catalog.core.viewer import Viewer
from catalog.events import Actor
from group_buy.closing import begin_closing
from group_buy.core.pledge import LineInput
from group_buy.deciding import clear_if_decided
from group_buy.delivering import order_round
from group_buy.pledging import change_pledge, place_pledge
from group_buy.receiving import verify_funding
from marketplace.accounts.people import add_organization, add_person
from marketplace.web.paper_pdf import find_weasyprint

VENDOR, RIVAL, BUYER, OTHER, COORDINATOR = (
    f"{name}@test.example" for name in ("alpha", "beta", "mill", "forge", "alliance")
)
PDF = b"%PDF-1.7\n1 0 obj << >> endobj\n%%EOF\n"


async def actor_of(market, email: str) -> Actor:
    row = await market.conn.fetchrow(
        "SELECT m.person_id, m.organization_id FROM memberships m JOIN people p ON p.id = m.person_id WHERE email = $1",
        email,
    )
    return Actor(*row)


@pytest.fixture
async def other(market) -> str:
    """A second factory, which has no part in anything."""
    forge = await add_organization(
        market.conn, code="forge", kind="factory", name_ko="forge 공장", name_en="forge factory"
    )
    await add_person(
        market.conn, email=OTHER, name="forge", password="a password of a test", organization_id=forge,
        roles=frozenset({"buyer"}),
    )  # fmt: skip
    return OTHER


@pytest.fixture
async def pledge_id(market) -> UUID:
    """A pledge of mill in an open round of tiers 2 (48 million) and 10 (45 million): 4 at any price, 8 at the second."""
    await market.open_round("spring", "weld-offer")
    mill = await actor_of(market, BUYER)
    pledge = await place_pledge(
        market.conn, round_code="spring", pledge_id=uuid4(), buyer=Viewer(mill.organization_id, "factory"),
        person_id=mill.person_id, funding="transfer",
        lines=(LineInput(4), LineInput(8, limit_unit_price_krw=45_000_000)),
    )  # fmt: skip
    return pledge.id


@pytest.fixture
async def number(market, pledge_id) -> str:
    """The order of 12 units at 45 million that came of the pledge, ordered from the vendor."""
    alliance = await actor_of(market, COORDINATOR)
    async with market.conn.transaction():  # a deposit of 10 % of 4 × 48 and 8 × 45 million
        await verify_funding(
            market.conn, pledge_id=pledge_id, coordinator_id=alliance.organization_id, kind="deposit",
            received_krw=55_200_000, actor=alliance,
        )  # fmt: skip
    async with market.conn.transaction():
        await begin_closing(market.conn, code="spring", early=True)
        assert await clear_if_decided(market.conn, code="spring")
        await order_round(market.conn, code="spring", coordinator_id=alliance.organization_id, actor=alliance)
    return await market.conn.fetchval("SELECT number FROM orders")


def text_of(page: httpx.Response) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text)))


async def written(market) -> list[str]:
    """All that papers write."""
    rows = await market.conn.fetch(
        """
        SELECT to_jsonb(p)::text AS row FROM papers p UNION ALL SELECT to_jsonb(t)::text FROM paper_texts t
        UNION ALL SELECT to_jsonb(f)::text FROM paper_files f UNION ALL SELECT to_jsonb(f)::text FROM files f
        UNION ALL SELECT to_jsonb(e)::text FROM events e WHERE kind LIKE 'paper.%' ORDER BY 1
        """
    )
    return [row["row"] for row in rows]


async def issued(submit, client, **fields: str) -> str:
    answer = await submit(client, "/papers", **fields)
    assert answer.status_code == 303, text_of(answer)
    return answer.headers["location"].partition("?")[0]


async def test_an_approval_of_a_pledge_says_what_each_tier_costs_and_the_ceiling(
    client, market, pledge_id, sign_in_as, submit
) -> None:
    await sign_in_as(client, BUYER)
    assert f"/papers/new?subject=pledge&amp;id={pledge_id}" in (await client.get("/my/pledges")).text
    form = await client.get(f"/papers/new?subject=pledge&id={pledge_id}")
    assert "품의서 만들기" in text_of(form)
    wish = {"kind": "approval", "subject": "pledge", "subject_id": str(pledge_id), "subsidy": "subsidy-2017"}
    path = await issued(
        submit, client, **wish, paper_id=str(uuid4()), need="납기가 <b>밀립니다</b>.\n사람이 없습니다."
    )
    year = await market.conn.fetchval("SELECT extract(year FROM now() AT TIME ZONE 'Asia/Seoul')::integer")
    assert re.fullmatch(rf"/papers/AP-{year}-00001/1", path)
    page = await client.get(path)
    text = text_of(page)
    # 4 at 48 million = 192 million, VAT 19.2; 12 at 45 million = 540 million, VAT 54
    for said in (
        "192,000,000원",
        "211,200,000원",
        "540,000,000원",
        "54,000,000원",
        "한도 금액 594,000,000원 (부가세 포함)",
    ):
        assert said in text, said
    assert "2대 미만 성사되지 않으며" in text
    assert "납기가 <b>밀립니다</b>." in text  # shown as typed, never as markup
    assert "<b>밀립니다</b>" not in page.text
    assert "200,000,000원" not in text  # the package reaches level 3: half up to 50 million
    assert "50,000,000원" in text
    assert "544,000,000원" in text  # 594 million less the subsidy
    english = text_of(await client.get(f"/en{path}"))
    assert "Purchase approval request" in english
    assert "₩594,000,000" in english
    assert path.split("/")[2] in text_of(await client.get("/my/papers"))


async def test_a_second_press_is_one_paper_and_another_issue_is_a_version(
    client, market, pledge_id, sign_in_as, submit
) -> None:
    await sign_in_as(client, BUYER)
    wish = {
        "kind": "approval",
        "subject": "pledge",
        "subject_id": str(pledge_id),
        "paper_id": str(uuid4()),
        "need": "낡았다",
    }
    first = await issued(submit, client, **wish)
    assert await issued(submit, client, **wish) == first
    assert await market.conn.fetchval("SELECT count(*) FROM papers") == 1
    second = await issued(submit, client, **wish | {"paper_id": str(uuid4()), "need": "더 낡았다"})
    assert second == first.removesuffix("/1") + "/2"
    assert "낡았다" in text_of(await client.get(first))
    assert "더 낡았다" not in text_of(await client.get(first))
    newest = await client.get(first.removesuffix("/1"))
    assert "더 낡았다" in text_of(newest)
    mill = await actor_of(market, BUYER)
    await change_pledge(
        market.conn, pledge_id=pledge_id, buyer=Viewer(mill.organization_id, "factory"), person_id=mill.person_id,
        version=2, lines=(),
    )  # fmt: skip
    before = await written(market)
    answer = await submit(client, "/papers", **wish | {"paper_id": str(uuid4())})
    assert answer.status_code == 409
    assert "철회한 약정입니다." in text_of(answer)
    answer = await submit(client, "/papers", **wish | {"paper_id": str(uuid4()), "need": "가" * 1001})
    assert answer.status_code == 400
    assert "1,000자 사이로" in text_of(answer)
    assert await written(market) == before


async def test_a_paper_stays_as_it_was_when_words_and_prices_change(
    client, market, sign_in_as, submit
) -> None:
    await sign_in_as(client, BUYER)
    quote = {"kind": "quotation", "subject_id": "weld-offer", "quantity": "3"}
    assert "견적서 발행" in text_of(await client.get("/packages/weld-cell"))
    path = await issued(submit, client, **quote)
    before = re.sub(r'name="_csrf_token" value="[^"]+"|\?v=\w+', "", (await client.get(f"{path}?x=1")).text)
    assert "165,000,000원" in before  # 3 × 50 million with VAT
    assert "까지" in text_of(await client.get(path))
    await sign_in_as(client, COORDINATOR)
    words = {
        f"{name}_{lang}": f"새 {name} <i>{lang}</i>\n둘째 줄"
        for name in ("intro", "terms", "footer")
        for lang in ("ko", "en")
    }
    assert "문서의 문구" in text_of(await client.get("/coordinator/papers"))
    answer = await submit(client, "/coordinator/papers/quotation", version="1", **words)
    assert answer.status_code == 303
    unchanged = await written(market)
    answer = await submit(
        client, "/coordinator/papers/quotation", version="1", **words | {"intro_ko": "늦음"}
    )
    assert answer.status_code == 409  # somebody saved version 2 meanwhile
    answer = await submit(
        client, "/coordinator/papers/quotation", version="2", **words | {"intro_ko": "가" * 1001}
    )
    assert answer.status_code == 400
    answer = await submit(client, "/coordinator/papers/quotation", version="2", **words)
    assert answer.headers["location"].endswith("listing-unchanged")
    assert await written(market) == unchanged
    await market.bring(
        "offers", {"code": "weld-offer", "package_model": "weld-cell", "list_unit_price_krw": "60000000"}
    )
    await sign_in_as(client, BUYER)
    after = re.sub(r'name="_csrf_token" value="[^"]+"|\?v=\w+', "", (await client.get(f"{path}?x=1")).text)
    assert after == before
    newer = await client.get(await issued(submit, client, **quote))
    assert "198,000,000원" in newer.text
    assert "새 intro <i>ko</i>" in text_of(newer)
    assert "<i>ko</i>" not in newer.text
    # and the database lets the application change neither
    for statement in (
        "UPDATE papers SET version = 9",
        "DELETE FROM papers",
        "UPDATE paper_texts SET version = 9",
    ):
        with pytest.raises(Exception, match="permission denied"):
            await market.conn.execute(statement)


async def test_a_comparison_is_issued_and_an_approval_leans_on_it(
    client, market, pledge_id, sign_in_as, submit
) -> None:
    await sign_in_as(client, BUYER)
    page = await client.get("/compare?id=weld-cell&id=load-cell")
    query = re.search(r'name="subject_id" value="([^"]+)"', page.text)
    assert query is not None
    path = await issued(submit, client, kind="comparison", subject_id=html.unescape(query[1]))
    text = text_of(await client.get(path))
    assert "비교견적" in text
    assert "용접 셀" in text
    assert "자재 투입 셀" in text
    assert "50,000,000원" in text
    number = path.split("/")[2]
    approval = await issued(
        submit, client, kind="approval", subject="pledge", subject_id=str(pledge_id), paper_id=str(uuid4()),
        need="필요", comparison=number,
    )  # fmt: skip
    assert f"붙임: 비교견적 {number} 제1판" in text_of(await client.get(approval))
    before = await written(market)
    answer = await submit(client, "/papers", kind="comparison", subject_id="id=weld-cell")
    assert answer.status_code == 409
    assert "두 개 이상" in text_of(answer)
    assert await written(market) == before


async def test_an_order_has_a_contract_a_delivery_note_and_an_inspection_report(
    client, market, number, sign_in_as, submit
) -> None:
    day = str(await market.conn.fetchval("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date"))
    steps = f"/orders/{number}/steps"
    await sign_in_as(client, VENDOR)
    before = await written(market)
    answer = await submit(client, "/papers", kind="delivery", subject_id=number)
    assert answer.status_code == 409
    assert "아직 납품한 것이 없습니다." in text_of(answer)
    assert await written(market) == before
    contract = await issued(submit, client, kind="contract", subject_id=number)
    text = text_of(await client.get(contract))
    assert "594,000,000원" in text
    assert "하루 0.75/1000" in text
    assert "162,000,000원" in text  # the penalty's cap: 30 % of 540 million
    for fields in (
        {"kind": "confirm", "promised_on": day},
        {"kind": "deliver", "quantity": "12", "done_on": day},
        {"kind": "install", "done_on": day},
    ):
        assert (await submit(client, steps, step_id=str(uuid4()), **fields)).status_code == 303
    await sign_in_as(client, BUYER)
    fields = {
        "kind": "inspect",
        "accepted": "10",
        "rejected": "2",
        "reason": "damaged",
        "done_on": day,
        "note": "두 대 파손",
    }
    assert (await submit(client, steps, step_id=str(uuid4()), **fields)).status_code == 303
    report = await issued(submit, client, kind="inspection", subject_id=number)
    text = text_of(await client.get(report))
    assert "주문 12대, 납품 10대, 합격 10대" in text
    assert "일부 합격" in text
    assert "두 대 파손" in text
    assert "495,000,000원" in text
    await sign_in_as(client, VENDOR)
    note = await issued(submit, client, kind="delivery", subject_id=number)
    text = text_of(await client.get(note))
    assert "반품" in text
    assert "495,000,000원" in text  # 12 came and 2 went back
    listed = text_of(await client.get(f"/orders/{number}"))
    for path in (contract, report, note):
        assert path.split("/")[2] in listed
    await sign_in_as(client, COORDINATOR)
    assert (await client.get(note)).status_code == 200


async def test_papers_of_others_are_not_found_and_nothing_is_written(
    client, market, number, pledge_id, other, sign_in_as, submit
) -> None:
    await sign_in_as(client, BUYER)
    approval = await issued(
        submit,
        client,
        kind="approval",
        subject="order",
        subject_id=number,
        paper_id=str(uuid4()),
        need="필요",
    )
    contract = await issued(submit, client, kind="contract", subject_id=number)
    text = text_of(await client.get(approval))
    assert "확정 금액 594,000,000원" in text
    deposit, balance = await market.conn.fetchrow("SELECT deposit_krw, balance_krw FROM invoices")
    assert deposit + balance == 594_000_000
    assert deposit > 0
    paid = f"{deposit:,}원 / {balance:,}원"  # as the invoice has it
    assert paid in text
    assert paid in text_of(await client.get(contract))
    before = await written(market)
    for email, status in ((OTHER, 404), (RIVAL, 403)):
        await sign_in_as(client, email)
        for path in (approval, contract, f"{approval}/pdf", contract.removesuffix("/1")):
            assert (await client.get(path)).status_code == 404
        for fields in (
            {"kind": "approval", "subject": "pledge", "subject_id": str(pledge_id), "need": "탐"},
            {"kind": "approval", "subject": "order", "subject_id": number, "need": "탐"},
            {"kind": "inspection", "subject_id": number},
        ):
            assert (await submit(client, "/papers", **fields)).status_code == status
        assert (await submit(client, "/papers", kind="contract", subject_id=number)).status_code == 404
        files = {"file": ("signed.pdf", PDF, "application/pdf")}
        assert (await submit(client, f"{contract}/signed", files=files)).status_code == 404
        assert "아직 문서가 없습니다." in text_of(await client.get("/my/papers"))
    await sign_in_as(client, VENDOR)
    assert (await client.get(approval)).status_code == 404  # a 품의서 is for its own house
    assert (await client.get(contract)).status_code == 200
    answer = await submit(client, "/papers", kind="quotation", subject_id="weld-offer", quantity="1")
    assert answer.status_code == 403
    await sign_in_as(client, BUYER)
    for quantity in ("0", "21", "2.5", ""):
        answer = await submit(client, "/papers", kind="quotation", subject_id="weld-offer", quantity=quantity)
        assert answer.status_code == 400, quantity
    assert (await submit(client, "/papers", kind="invoice", subject_id=number)).status_code == 404
    assert (await submit(client, "/coordinator/papers/contract", version="1")).status_code == 403
    assert await written(market) == before


async def test_a_signed_contract_is_kept_and_a_file_that_is_no_pdf_is_refused(
    client, market, number, sign_in_as, submit
) -> None:
    await sign_in_as(client, BUYER)
    contract = await issued(submit, client, kind="contract", subject_id=number)
    before = await written(market)
    for name, content in (
        ("서명.pdf", b"\x89PNG\r\n\x1a\n no pdf"),
        ("서명.pdf", b""),
        ("서명.png", PDF),
        ("서명.pdf", b"%PDF-1.7 cut off"),
        ("서명.pdf", PDF[:9] + b" " * (10 * 2**20) + PDF[9:]),
    ):
        answer = await submit(
            client, f"{contract}/signed", files={"file": (name, content, "application/pdf")}
        )
        assert answer.status_code == 400, name
        assert await written(market) == before
    for _ in range(2):
        answer = await submit(
            client, f"{contract}/signed", files={"file": ("서명.pdf", PDF, "application/pdf")}
        )
        assert answer.status_code == 303
    assert await market.conn.fetchval("SELECT count(*) FROM paper_files") == 1
    await sign_in_as(client, VENDOR)
    page = await client.get(contract)
    link = re.search(rf'href="({contract}/signed/[0-9a-f-]+)"', page.text)
    assert link is not None
    got = await client.get(link[1])
    assert got.content == PDF
    assert got.headers["content-disposition"].startswith("attachment")
    quote = await sign_in_as(client, BUYER) or await issued(
        submit, client, kind="quotation", subject_id="weld-offer", quantity="1"
    )
    unchanged = await written(market)
    answer = await submit(client, f"{quote}/signed", files={"file": ("a.pdf", PDF, "application/pdf")})
    assert answer.status_code == 409
    assert await written(market) == unchanged


async def test_a_paper_is_a_pdf_in_both_languages(client, market, sign_in_as, submit) -> None:
    if find_weasyprint() is None:
        pytest.skip("WeasyPrint or the system's pango is not on this machine")
    await sign_in_as(client, BUYER)
    path = await issued(submit, client, kind="quotation", subject_id="weld-offer", quantity="3")
    assert f'href="{path}/pdf"' in (await client.get(path)).text
    for prefix in ("", "/en"):
        answer = await client.get(f"{prefix}{path}/pdf")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.content.startswith(b"%PDF-")
        assert b"%%EOF" in answer.content[-32:]
    assert (await client.get(path.removesuffix("/1") + "/7/pdf")).status_code == 404


async def test_without_weasyprint_the_page_offers_printing_and_says_so(
    client, market, sign_in_as, submit, monkeypatch
) -> None:
    monkeypatch.setattr("marketplace.web.paper_pdf.find_weasyprint", Missing())
    await sign_in_as(client, BUYER)
    path = await issued(submit, client, kind="quotation", subject_id="weld-offer", quantity="3")
    page = await client.get(path)
    assert "이 서버에서는 PDF를 만들 수 없습니다." in text_of(page)
    assert f"{path}/pdf" not in page.text
    answer = await client.get(f"{path}/pdf")
    assert answer.status_code == 303
    assert answer.headers["location"] == path


class Missing:
    """What is found where WeasyPrint is not installed, asked once already."""

    def __call__(self) -> None:
        return None

    def cache_info(self) -> object:
        return type("Info", (), {"currsize": 1})


async def test_versions_and_papers_of_a_day_have_a_limit_and_an_id_is_used_once(
    client, market, other, sign_in_as, submit, monkeypatch
) -> None:
    await sign_in_as(client, BUYER)
    quote = {"kind": "quotation", "subject_id": "weld-offer", "quantity": "1"}
    paper_id = str(uuid4())
    await issued(submit, client, **quote, paper_id=paper_id)
    before = await written(market)
    for limit in ("VERSIONS_MAX", "PAPERS_OF_A_DAY_MAX"):
        with monkeypatch.context() as patch:
            patch.setattr(f"group_buy.papers.{limit}", 1)
            answer = await submit(client, "/papers", **quote, paper_id=str(uuid4()))
            assert answer.status_code == 409
            assert "50판까지" in text_of(answer)
    monkeypatch.setattr("group_buy.papers.HTML_BYTES_MAX", 100)
    answer = await submit(client, "/papers", **quote)
    assert answer.status_code == 409
    assert "문서가 너무 깁니다." in text_of(answer)
    await sign_in_as(client, OTHER)
    assert (await submit(client, "/papers", **quote, paper_id=paper_id)).status_code == 409
    assert await written(market) == before


async def test_papers_issued_at_once_get_numbers_of_their_own(
    client, market, other, sign_in_as, submit
) -> None:
    offers = [{"code": f"weld-{n}", "package_model": "weld-cell"} for n in range(6)]
    await market.bring("offers", *offers)
    await sign_in_as(client, BUYER)
    token = re.search(r'name="_csrf_token" value="([^"]+)"', (await client.get("/packages/weld-cell")).text)
    assert token is not None

    async def issue(code: str) -> str:
        fields = {"_csrf_token": token[1], "kind": "quotation", "subject_id": code, "quantity": "1"}
        answer = await client.post("/papers", data=fields)
        assert answer.status_code == 303
        return answer.headers["location"].split("/")[2]

    numbers = await asyncio.gather(*(issue(offer["code"]) for offer in offers))
    assert sorted(number[-5:] for number in numbers) == [f"{n:05d}" for n in range(1, 7)]
