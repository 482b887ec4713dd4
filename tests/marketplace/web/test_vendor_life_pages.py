"""Vendor life over HTTP: register, show papers, list in ten minutes, change on request, be suspended."""

import json
import re
import unicodedata
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from catalog.onboarding import refresh_vendors

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
UPLOAD = {"file": ("증명서.pdf", PDF, "application/pdf")}
REGISTRATION = {
    "name_ko": "새봄자동화",
    "business_number": "124-81-00998",
    "phone": "02-000-0000",
    "person_name": "새봄",
    "email": "spring@test.example",
    "password": "a password of a test",
}
PRODUCT = {
    "action": "publish",
    "category": "robot",
    "maker": "Acme Robotics",
    "model": "C20",
    "name_ko": "협동로봇 C20",
    "spec.payload": "20 kg",
    "spec.reach": "1700 mm",
    "spec.repeatability": "0.05 mm",
    "price_krw": "30,000,000",
    "lead_time_days": "40",
    "warranty_months": "12",
    "origin": "unknown",
}
DATASHEET = {"datasheet": ("C20 자료.pdf", PDF, "application/pdf")}


def json_ld(page: httpx.Response) -> dict[str, Any]:
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', page.text, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


async def list_something(client, submit, **changes):
    return await submit(client, "/vendor/listings/products/new", **PRODUCT | changes, files=DATASHEET)


# -- registration and the checklist --------------------------------------------------------------------


async def test_a_vendor_registers_prepares_and_is_public_after_approval(
    client, market, sign_in_as, submit
) -> None:
    await market.conn.execute("UPDATE requirements SET needs_file = false")
    wrong = await submit(client, "/register", **REGISTRATION | {"business_number": "124-81-00989"})
    assert wrong.status_code == 400
    assert "검증번호가 맞지 않습니다" in wrong.text
    assert 'value="새봄자동화"' in wrong.text
    assert REGISTRATION["password"] not in wrong.text
    assert await market.conn.fetchval("SELECT count(*) FROM organizations WHERE state = 'pending'") == 0

    answer = await submit(client, "/register", **REGISTRATION)
    assert answer.headers["location"].startswith("/vendor/onboarding")
    code = await market.conn.fetchval("SELECT code FROM organizations WHERE state = 'pending'")
    assert code == "새봄자동화"
    refused = await list_something(client, submit)
    assert refused.status_code == 400
    assert "아직 승인 전이라" in refused.text
    assert 'value="협동로봇 C20"' in refused.text
    assert await market.conn.fetchval("SELECT fields->>'model' FROM listing_drafts") == "C20"

    await submit(
        client,
        "/vendor/onboarding/profile",
        contact_email="a@b.example",
        contact_phone="1",
        introduction_ko="소개",
    )
    await submit(client, "/vendor/onboarding/market_terms", is_attested="yes")
    await submit(client, "/vendor/onboarding/business_certificate", note="올립니다")
    # a vendor that waits is no member: it reads what everybody reads, and nothing is imported
    assert (await client.get("/vendor/imports")).status_code == 403

    await sign_in_as(client, "alliance@test.example")
    early = await submit(client, f"/coordinator/vendors/{code}/state", state="active")
    assert early.status_code == 400
    assert "채워지지 않은 요건" in early.text
    await submit(client, f"/coordinator/vendors/{code}/requirements/business_certificate", decision="verify")
    await submit(client, f"/coordinator/vendors/{code}/state", state="active")
    assert await market.conn.fetchval("SELECT state FROM organizations WHERE code = $1", code) == "active"
    kinds = await market.conn.fetch("SELECT kind FROM events WHERE subject = 'vendor' ORDER BY id")
    assert [row["kind"] for row in kinds] == [
        "vendor.registered",
        "vendor.profile",
        "requirement.attested",
        "requirement.submitted",
        "requirement.verified",
        "vendor.approved",
    ]


async def test_a_taken_number_or_address_registers_nobody(client, market, submit) -> None:
    await market.conn.execute(
        "UPDATE organizations SET business_number = '124-81-00998' WHERE code = 'alpha'"
    )
    taken = await submit(client, "/register", **REGISTRATION)
    assert "이미 등록된 번호입니다" in taken.text
    free_number = {"business_number": "220-81-62517"}
    address = await submit(client, "/register", **REGISTRATION | free_number | {"email": "mill@test.example"})
    assert "이미 쓰이는 주소입니다" in address.text
    assert await market.conn.fetchval("SELECT count(*) FROM organizations") == 4
    assert await market.conn.fetchval("SELECT count(*) FROM people") == 4
    assert await market.conn.fetchval("SELECT count(*) FROM events WHERE kind = 'vendor.registered'") == 0


async def test_a_paper_that_ran_out_lowers_the_vendor_and_labels_its_listings(
    client, market, sign_in_as, submit
) -> None:
    await sign_in_as(client, "alpha@test.example")
    answer = await submit(client, "/vendor/onboarding/business_certificate", files=UPLOAD)
    assert answer.status_code == 303
    await sign_in_as(client, "alliance@test.example")
    waiting = await client.get("/coordinator/vendors/alpha")
    file_path = re.search(r"/coordinator/files/[0-9a-f-]+", waiting.text)
    assert file_path is not None
    paper = await client.get(file_path[0])
    assert (paper.content, paper.headers["x-content-type-options"]) == (PDF, "nosniff")
    until = await market.conn.fetchval("SELECT current_date + 10")
    await submit(
        client,
        "/coordinator/vendors/alpha/requirements/business_certificate",
        decision="verify",
        valid_until=until.isoformat(),
    )
    assert "기한을 넘겨" not in (await client.get("/packages/weld-cell")).text
    assert await refresh_vendors(market.conn, today=until) == 0
    assert await refresh_vendors(market.conn, today=until + timedelta(days=1)) == 1

    assert "기한을 넘겨" in (await client.get("/packages/weld-cell")).text
    await sign_in_as(client, "alpha@test.example")
    assert "조치가 필요합니다" in (await client.get("/my/inbox")).text
    refused = await list_something(client, submit)
    assert "요건 하나가 더는 맞지 않아" in refused.text
    assert await market.conn.fetchval("SELECT count(*) FROM products") == 3
    assert (await submit(client, "/my/inbox/read-all")).status_code == 303
    assert (
        await market.conn.fetchval(
            "SELECT count(*) FROM notifications n JOIN organizations o ON o.id = n.organization_id"
            " WHERE o.code = 'alpha' AND read_at IS NULL"
        )
        == 0
    )


@pytest.mark.parametrize("content", [b"", b"<html>%PDF-", b"%PDF-1.4 cut off", b"PK\x03\x04"])
async def test_what_is_no_pdf_is_not_kept(client, market, sign_in_as, submit, content) -> None:
    await sign_in_as(client, "alpha@test.example")
    files = {"file": ("paper.pdf", content, "application/pdf")}
    answer = await submit(client, "/vendor/onboarding/business_certificate", files=files)
    assert answer.status_code == 400
    assert await market.conn.fetchval("SELECT count(*) FROM files") == 0
    assert await market.conn.fetchval("SELECT count(*) FROM requirement_answers") == 0


async def test_a_suspended_vendor_never_appears_and_may_read_why(client, market, sign_in_as, submit) -> None:
    await sign_in_as(client, "alliance@test.example")
    without = await submit(client, "/coordinator/vendors/alpha/state", state="suspended")
    assert without.status_code == 400
    assert (await client.get("/products/cobot-10")).status_code == 200
    await submit(client, "/coordinator/vendors/alpha/state", state="suspended", reason="허위 원산지 표시")
    await market.index()
    await client.post("/sign-out", data={})
    visitor = httpx.AsyncClient(
        transport=client._transport, base_url=client.base_url, headers={"accept": "text/html"}
    )
    for path in (
        "/products/cobot-10",
        "/packages/weld-cell",
        "/packages/weld-cell/versions",
        "/offers/weld-offer/questions",
    ):
        assert (await visitor.get(path)).status_code == 404, path
    found = await visitor.get("/api/search?q=cobot")
    assert found.json()["total"] == 0
    sitemap = await visitor.get("/sitemaps/1.xml")
    assert "cobot-10" not in sitemap.text
    await sign_in_as(visitor, "alpha@test.example")
    assert "허위 원산지 표시" in (await visitor.get("/vendor")).text
    assert (await visitor.get("/vendor/imports")).status_code == 403
    assert (await submit(visitor, "/vendor/listings/products/cobot-10/publish")).status_code == 303
    assert "공개할 수 없습니다" in (await list_something(visitor, submit)).text
    assert await market.conn.fetchval("SELECT count(*) FROM products") == 3
    await visitor.aclose()


async def test_a_requirement_of_an_unknown_rule_is_refused_and_met_by_nobody(
    client, market, sign_in_as, submit
) -> None:
    await sign_in_as(client, "alliance@test.example")
    form = {
        "key": "iso_9001",
        "kind": "computed",
        "rule": "iso9001",
        "name_ko": "품질",
        "name_en": "Quality",
        "required_from": "2026-01-01",
        "is_required": "yes",
    }
    assert (await submit(client, "/coordinator/requirements", **form)).status_code == 400
    assert await market.conn.fetchval("SELECT count(*) FROM requirements") == 6
    await market.conn.execute(
        """
        INSERT INTO requirements (key, kind, rule, name_ko, name_en)
        VALUES ('typo', 'computed', 'bussiness_number', '오타', 'Typo')
        """
    )
    page = await client.get("/coordinator/vendors/alpha")
    assert "모르는 규칙 'bussiness_number'" in page.text
    await refresh_vendors(market.conn, today=await market.conn.fetchval("SELECT current_date"))
    assert (
        await market.conn.fetchval("SELECT count(*) FROM organizations WHERE action_needed_at IS NOT NULL")
        == 2
    )


# -- listing ------------------------------------------------------------------------------------------


async def test_a_product_is_listed_in_one_form(client, market, sign_in_as, submit) -> None:
    await sign_in_as(client, "alpha@test.example")
    form = await client.get("/vendor/listings/products/new?category=robot")
    assert 'name="spec.payload"' in form.text
    lacking = await submit(
        client, "/vendor/listings/products/new", **PRODUCT | {"spec.reach": "", "price_krw": "1.000.000"}
    )
    assert lacking.status_code == 400
    assert lacking.text.count("field-error") == 3  # specs, price, PDF
    assert 'value="1.000.000"' in lacking.text

    answer = await list_something(client, submit)
    assert answer.headers["location"] == "/vendor?notice=listing-published"
    page = await client.get("/products/acme-robotics-c20")
    assert "C20 자료.pdf" in page.text
    assert "검수일부터 12개월" in page.text
    assert "제출된 증빙 없음" in page.text  # origin "not known" claims nothing
    paper = await client.get("/products/acme-robotics-c20/datasheet")
    assert paper.content == PDF
    assert paper.headers["content-disposition"].startswith("attachment")
    assert (
        await market.conn.fetchval("SELECT list_unit_price_krw FROM offers WHERE code LIKE 'offer-acme%'")
        == 30_000_000
    )
    home = await client.get("/vendor")
    assert "원산지를 알게 되면" in home.text or "영어 이름" in home.text or "소개" in home.text


async def test_the_same_form_sent_twice_lists_one_thing(client, market, sign_in_as, submit) -> None:
    await sign_in_as(client, "alpha@test.example")
    draft_id = str(uuid4())
    for _ in range(2):
        answer = await list_something(client, submit, draft_id=draft_id)
        assert answer.headers["location"] == "/vendor?notice=listing-published"
    assert await market.conn.fetchval("SELECT count(*) FROM products") == 4
    assert await market.conn.fetchval("SELECT count(*) FROM offers") == 2


async def test_an_offer_that_opens_up_lets_its_invitations_go_by_request(
    client, market, sign_in_as, submit
) -> None:
    await market.add(
        "offers", {"code": "quiet", "product": "cobot-10", "audience": "invited", "invited": "mill"}
    )
    await sign_in_as(client, "alpha@test.example")
    await submit(client, "/vendor/listings/offers/quiet", audience="public", capacity="30")
    request = await market.conn.fetchrow("SELECT before, after FROM change_requests")
    assert request["before"] == {"audience": "invited", "invited": "mill"}
    assert request["after"] == {"audience": "public", "invited": ""}
    row = await market.conn.fetchrow("SELECT capacity, audience FROM offers WHERE code = 'quiet'")
    assert tuple(row) == (30, "invited")  # the capacity is exempt


async def test_a_product_on_quote_takes_questions(client, market, sign_in_as, submit) -> None:
    await sign_in_as(client, "alpha@test.example")
    await list_something(client, submit, price_krw="", asks_quote="yes", model="양팔 로봇")
    code = "acme-robotics-양팔-로봇"
    page = await client.get(f"/products/{quote(code)}")
    assert page.status_code == 200
    assert "견적·질문 보내기" in page.text
    assert (await client.get("/products/cobot-10/questions")).status_code == 404
    await sign_in_as(client, "mill@test.example")
    question_id = str(uuid4())
    for _ in range(2):
        sent = await submit(
            client, f"/products/{quote(code)}/questions", text="10대면 얼마인가요?", question_id=question_id
        )
        assert sent.status_code == 303
    assert await market.conn.fetchval("SELECT count(*) FROM questions") == 1


async def test_an_edit_of_a_published_listing_waits_with_its_difference(
    client, market, sign_in_as, submit
) -> None:
    await sign_in_as(client, "alpha@test.example")
    form = await client.get("/vendor/listings/products/cobot-10")
    assert 'value="10 kg"' in form.text
    edit = {"name_ko": "협동로봇 C10 개정", "spec.payload": "10 kg", "note": "바로 반영", "is_whole": "yes"}
    answer = await submit(client, "/vendor/listings/products/cobot-10", **edit)
    assert answer.headers["location"] == "/vendor?notice=listing-requested"
    row = await market.conn.fetchrow("SELECT name_ko, note FROM products WHERE code = 'cobot-10'")
    assert tuple(row) == ("협동로봇 C10", "바로 반영")
    request = await market.conn.fetchrow("SELECT id, before, after FROM change_requests")
    assert request["before"] == {"name_ko": "협동로봇 C10"}
    assert request["after"] == {"name_ko": "협동로봇 C10 개정"}

    path = f"/coordinator/changes/{request['id']}"
    assert (await client.get(path)).status_code == 403
    await sign_in_as(client, "alliance@test.example")
    inbox = await client.get("/coordinator/changes")
    assert "<small>1개</small>" in inbox.text
    assert (await submit(client, f"{path}/decline", reason=" ")).status_code == 400
    await submit(client, f"{path}/decline", reason="모델명과 다릅니다")
    assert (
        await market.conn.fetchval("SELECT name_ko FROM products WHERE code = 'cobot-10'") == "협동로봇 C10"
    )
    assert (await submit(client, f"{path}/approve")).status_code == 404
    await sign_in_as(client, "alpha@test.example")
    assert "모델명과 다릅니다" in (await client.get("/my/inbox")).text


async def test_an_approval_writes_the_difference_unless_the_field_changed_meanwhile(
    client, market, sign_in_as, submit
) -> None:
    for number, outcome in ((1, 409), (2, 303)):
        await sign_in_as(client, "alpha@test.example")
        await submit(client, "/vendor/listings/products/cobot-5", name_ko=f"새 이름 {number}")
        request_id = await market.conn.fetchval("SELECT id FROM change_requests WHERE state = 'pending'")
        if number == 1:
            await market.conn.execute("UPDATE products SET name_ko = '그 사이' WHERE code = 'cobot-5'")
        await sign_in_as(client, "alliance@test.example")
        answer = await submit(client, f"/coordinator/changes/{request_id}/approve")
        assert answer.status_code == outcome
    names = await market.conn.fetchrow("SELECT name_ko, model FROM products WHERE code = 'cobot-5'")
    assert tuple(names) == ("새 이름 2", "C5")
    states = await market.conn.fetch("SELECT state FROM change_requests ORDER BY created_at")
    assert [row["state"] for row in states] == ["withdrawn", "approved"]


async def test_a_package_has_slots_with_alternatives_and_versions(client, market, sign_in_as, submit) -> None:
    await sign_in_as(client, "alpha@test.example")
    fields = {
        "action": "publish",
        "package_type": "cloud",
        "name_ko": "용접 클라우드",
        "summary_ko": "용접을 봅니다.",
        "level_from": "1",
        "level_to": "3",
        "industries": ["welding", "metal"],
        "lead_time_days": "30",
        "warranty_months": "24",
        "spare_parts_years": "7",
        "included_ko": "설치\n교육",
        "return_terms_ko": "30일 안에",
        "slot_0": "robot",
        "product_0": "cobot-10 · 협동로봇 C10",
        "quantity_0": "2",
        "instead_0": "cobot-5",
        "slot_1": "controller",
        "product_1": "plc-1",
        "quantity_1": "1",
        "instead_1": "",
        "monthly_fee_krw": "500,000",
        "data_location": "KR",
        "exit_terms_ko": "30일 안에 CSV로 돌려줍니다",
    }
    more = await submit(client, "/vendor/listings/package-models/new", **fields | {"action": "more"})
    assert more.text.count('name="product_') == 6
    answer = await submit(client, "/vendor/listings/package-models/new", **fields)
    assert answer.status_code == 303, re.findall(r"field-error[^<]*<svg.*?</svg>([^<]*)", answer.text)
    page = await client.get(f"/packages/{quote('용접-클라우드')}")
    for text in (
        "대체품 1개",
        "협동로봇 C5",
        "500,000원",
        "대한민국",
        "CSV로 돌려줍니다",
        "30일 안에",
        "총괄 책임",
    ):
        assert text in page.text, text

    # a component changes: a new version, and the facts go with it
    await market.add(
        "package-models",
        {
            "code": "용접-클라우드",
            "package_type": "cloud",
            "name_ko": "용접 클라우드",
            "name_en": "Weld",
            "components": "robot:cobot-10:3; controller:plc-1:1",
        },
    )
    versions = await client.get(f"/packages/{quote('용접-클라우드')}/versions")
    assert "2판" in versions.text
    assert "수량 바뀜" in versions.text
    kept = await market.conn.fetch(
        """
        SELECT n.version, f.monthly_fee_krw, (SELECT count(*) FROM bom_alternatives a WHERE a.package_version_id = n.id)
        FROM package_versions n JOIN package_models m ON m.id = n.package_model_id
        JOIN package_facts f ON f.package_version_id = n.id WHERE m.code = '용접-클라우드' ORDER BY 1
        """
    )
    assert [tuple(row) for row in kept] == [(1, 500_000, 1), (2, 500_000, 1)]


async def test_a_change_of_facts_alone_makes_a_version_and_leaves_the_old_one(
    client, market, sign_in_as, submit
) -> None:
    await sign_in_as(client, "alpha@test.example")
    await submit(client, "/vendor/listings/package-models/weld-cell", return_terms_ko="7일 안에")
    request_id = await market.conn.fetchval("SELECT id FROM change_requests")
    assert await market.conn.fetchval("SELECT max(return_terms_ko) FROM package_facts") == ""
    await sign_in_as(client, "alliance@test.example")
    await submit(client, f"/coordinator/changes/{request_id}/approve")
    rows = await market.conn.fetch(
        """
        SELECT n.version, n.is_current, f.return_terms_ko,
               (SELECT count(*) FROM bom_lines b WHERE b.package_version_id = n.id)
        FROM package_versions n JOIN package_models m ON m.id = n.package_model_id
        LEFT JOIN package_facts f ON f.package_version_id = n.id WHERE m.code = 'weld-cell' ORDER BY 1
        """
    )
    assert [tuple(row) for row in rows] == [(1, False, "", 2), (2, True, "7일 안에", 2)]
    offer = await market.conn.fetchval(
        "SELECT n.version FROM offers o JOIN package_versions n ON n.id = o.package_version_id WHERE o.code = 'weld-offer'"
    )
    assert offer == 1


# -- other vendors' things -----------------------------------------------------------------------------


async def test_nobody_writes_what_another_vendor_owns(client, market, sign_in_as, submit) -> None:
    await sign_in_as(client, "alpha@test.example")
    await submit(client, "/vendor/listings/products/cobot-10", name_ko="내 변경")
    draft = await submit(client, "/vendor/listings/products/new", **PRODUCT | {"action": "draft"})
    assert draft.status_code == 303
    await sign_in_as(client, "mill@test.example")
    await submit(client, "/offers/weld-offer/questions", text="설치비가 들어 있나요?")
    request_id = await market.conn.fetchval("SELECT id FROM change_requests")
    draft_id = await market.conn.fetchval("SELECT id FROM listing_drafts")
    question_id = await market.conn.fetchval("SELECT id FROM questions")
    notice_id = await market.conn.fetchval(
        """
        SELECT n.id FROM notifications n JOIN organizations o ON o.id = n.organization_id
        WHERE o.code = 'alpha' LIMIT 1
        """
    )
    tables = (
        "products",
        "package_models",
        "package_versions",
        "offers",
        "offer_invitations",
        "change_requests",
        "listing_drafts",
        "questions",
        "reference_factories",
        "recommendations",
        "requirement_answers",
        "organizations",
        "notifications",
        "events",
    )

    async def everything() -> list[Any]:
        return [
            await market.conn.fetchval(f"SELECT json_agg(t ORDER BY t::text)::text FROM {table} t")
            for table in tables
        ]

    await sign_in_as(client, "beta@test.example")
    before = await everything()
    for path, fields in (
        ("/vendor/listings/products/cobot-10", {"name_ko": "남의 것"}),
        ("/vendor/listings/package-models/weld-cell", {"name_ko": "남의 것"}),
        ("/vendor/listings/offers/weld-offer", {"capacity": "1"}),
        ("/vendor/listings/products/cobot-10/retire", {}),
        ("/vendor/listings/offers/weld-offer/retire", {}),
        (f"/vendor/changes/{request_id}/withdraw", {}),
        (f"/vendor/questions/{question_id}/answer", {"answer": "남이 답합니다"}),
        ("/vendor/offers/weld-offer/invitations", {"who": "mill"}),
        ("/vendor/offers/weld-offer/invitations/mill/remove", {}),
        (
            "/vendor/packages/weld-cell/references",
            {"name_ko": "공장", "installed_year": "2024", "version": "1"},
        ),
        (f"/vendor/packages/weld-cell/references/{uuid4()}/remove", {}),
    ):
        answer = await submit(client, path, **fields)
        assert answer.status_code == 404, (path, answer.status_code)
    assert (await client.get(f"/vendor/drafts/{draft_id}")).status_code == 404
    await submit(client, f"/vendor/drafts/{draft_id}/drop")
    await submit(client, f"/my/inbox/{notice_id}/open")
    for path in (
        f"/coordinator/changes/{request_id}/approve",
        "/coordinator/vendors/beta/state",
        "/coordinator/vendors/beta/requirements/market_terms",
        "/coordinator/requirements",
        "/coordinator/exempt-fields",
        "/coordinator/packages/weld-cell/recommendation",
        f"/coordinator/questions/{question_id}/hide",
    ):
        assert (
            await submit(client, path, state="active", decision="waive", reason="x")
        ).status_code == 403, path
    after = await everything()
    changed = [table for table, old, new in zip(tables, before, after, strict=True) if old != new]
    assert changed == []


async def test_questions_are_public_once_answered_and_never_name_the_asker(
    client, market, sign_in_as, submit
) -> None:
    thread = "/offers/weld-offer/questions"
    assert (await submit(client, thread, text="몰래")).status_code in {303, 401}
    await sign_in_as(client, "mill@test.example")
    for number in range(6):
        answer = await submit(client, thread, text=f"질문 {number}")
    assert answer.status_code == 400
    assert "다섯 개입니다" in answer.text
    assert await market.conn.fetchval("SELECT count(*) FROM questions") == 5
    await sign_in_as(client, "beta@test.example")
    assert "질문 3" not in (await client.get(thread)).text
    await sign_in_as(client, "alpha@test.example")
    assert "질문 3" in (await client.get("/vendor/questions")).text
    question_id = await market.conn.fetchval("SELECT id FROM questions WHERE text = '질문 3'")
    await submit(client, f"/vendor/questions/{question_id}/answer", answer="네, 들어 있습니다.")
    assert "mill" not in (await client.get(thread)).text
    await sign_in_as(client, "beta@test.example")
    public = (await client.get(thread)).text
    assert "질문 3" in public
    assert "네, 들어 있습니다." in public
    assert "질문 2" not in public
    assert "mill" not in public
    await sign_in_as(client, "mill@test.example")
    assert "질문에 답변이 달렸습니다" in (await client.get("/my/inbox")).text


async def test_invited_companies_see_the_offer_and_not_each_other(client, market, sign_in_as, submit) -> None:
    """Trap 13: invited rivals must not see each other."""
    await market.add("offers", {"code": "quiet", "product": "cobot-10", "audience": "invited"})
    await market.conn.execute("UPDATE organizations SET business_number = '124-81-00998' WHERE code = 'mill'")
    await sign_in_as(client, "mill@test.example")
    assert (await client.get("/offers/quiet/questions")).status_code == 404
    await sign_in_as(client, "alpha@test.example")
    assert (await submit(client, "/vendor/offers/quiet/invitations", who="nobody")).status_code == 400
    assert (await submit(client, "/vendor/offers/quiet/invitations", who="beta")).status_code == 400
    assert (await submit(client, "/vendor/offers/quiet/invitations", who="1248100998")).status_code == 303
    await market.conn.execute(
        "INSERT INTO organizations (code, kind, name_ko, name_en) VALUES ('forge', 'factory', '단조공장', 'Forge')"
    )
    assert (await submit(client, "/vendor/offers/quiet/invitations", who="forge")).status_code == 303
    await sign_in_as(client, "mill@test.example")
    for path in ("/offers/quiet/questions", "/products/cobot-10", "/api/offers/quiet"):
        page = await client.get(path)
        assert page.status_code == 200
        assert "forge" not in page.text.lower()
        assert "단조공장" not in page.text
    await sign_in_as(client, "alpha@test.example")
    await submit(client, "/vendor/offers/quiet/invitations/mill/remove")
    await sign_in_as(client, "mill@test.example")
    assert (await client.get("/offers/quiet/questions")).status_code == 404


async def test_a_recommendation_needs_a_verified_share_and_a_reason(
    client, market, sign_in_as, submit
) -> None:
    await sign_in_as(client, "alliance@test.example")
    path = "/coordinator/packages/weld-cell/recommendation"
    form = {"reason_ko": "국산 비중이 높습니다", "criteria": "domestic_share", "valid_until": "2035-01-01"}
    refused = await submit(client, path, **form)
    assert refused.status_code == 400
    assert "확인된 국산 비중이 없어" in refused.text
    assert await market.conn.fetchval("SELECT count(*) FROM recommendations") == 0
    await market.conn.execute(
        """
        INSERT INTO reference_prices (product_id, unit_price_krw, source)
        SELECT id, 1000000, 'test' FROM products
        """
    )
    await market.conn.execute(
        """
        INSERT INTO origin_claims (id, product_id, organization_id, basis, country, is_fictional, verified_at, verified_by)
        SELECT gen_random_uuid(), p.id, p.vendor_id, 'origin_certificate', 'KR', true, clock_timestamp(), o.id
        FROM products p, organizations o WHERE p.code = 'cobot-10' AND o.code = 'alliance'
        """
    )
    assert (await submit(client, path, **form | {"criteria": ""})).status_code == 400
    assert (await submit(client, path, **form | {"valid_until": "2020-01-01"})).status_code == 400
    assert (await submit(client, path, **form)).status_code == 303
    assert "국산 패키지 모델 권장" in (await client.get("/packages/weld-cell")).text
    # the label goes with the proof
    await market.conn.execute("UPDATE origin_claims SET withdrawn_at = clock_timestamp()")
    page = await client.get("/packages/weld-cell")
    assert "국산 비중이 높습니다" not in page.text


# -- for programs --------------------------------------------------------------------------------------


async def test_structured_data_says_only_what_is_public_and_proven(client, market) -> None:
    await market.conn.execute("UPDATE offers SET warranty_months = 24, is_illustrative = false")
    await market.conn.execute("UPDATE products SET name_ko = '</script><b>x' WHERE code = 'plc-1'")
    await market.add(
        "offers", {"code": "quiet", "product": "cobot-10", "audience": "members", "is_illustrative": "no"}
    )
    package = json_ld(await client.get("/packages/weld-cell"))
    assert package["@type"] == "Product"
    [offer] = package["offers"]
    assert (offer["price"], offer["priceCurrency"]) == ("50000000", "KRW")
    assert offer["warranty"]["durationOfWarranty"] == {
        "@type": "QuantitativeValue",
        "value": 24,
        "unitCode": "MON",
    }
    assert package["hasPart"][1]["name"] == "</script><b>x"
    product = json_ld(await client.get("/en/products/cobot-10"))
    assert product["url"].endswith("/en/products/cobot-10")
    assert product["mpn"] == "C10"
    assert "offers" not in product
    assert "countryOfOrigin" not in product
    assert {"propertyID": "payload", "value": 10.0}.items() <= next(
        item for item in product["additionalProperty"] if item["propertyID"] == "payload"
    ).items()


async def test_illustrative_prices_are_no_offers_for_search_engines(client, market) -> None:
    assert "offers" not in json_ld(await client.get("/packages/weld-cell"))


async def test_korean_codes_are_addresses_in_every_spelling(client, market) -> None:
    """Trap 15: a filter that knows only ASCII would lose them."""
    await market.bring(
        "products", {"code": "협동로봇-hx-10", "name_ko": "로봇", "name_en": "Robot", "model": "HX"}
    )
    for code in ("협동로봇-hx-10", unicodedata.normalize("NFD", "협동로봇-hx-10")):
        page = await client.get(f"/products/{quote(code)}")
        assert page.status_code == 200
        canonical = re.search(r'rel="canonical" href="([^"]+)"', page.text)
        assert canonical is not None
        assert canonical[1] == f"/products/{quote('협동로봇-hx-10')}"
    assert json_ld(page)["url"] == f"http://127.0.0.1:8000/products/{quote('협동로봇-hx-10')}"
    sitemap = await client.get("/sitemaps/1.xml")
    assert f"/products/{quote('협동로봇-hx-10')}</loc>" in sitemap.text


async def test_the_sitemap_lists_what_everybody_may_see_in_both_languages(client, market) -> None:
    await market.add(
        "products",
        {"code": "secret", "name_ko": "비밀", "name_en": "S", "model": "S", "visibility": "members"},
    )
    index = await client.get("/sitemap.xml")
    assert index.headers["content-type"].startswith("application/xml")
    assert "http://127.0.0.1:8000/sitemaps/1.xml" in index.text
    page = await client.get("/sitemaps/1.xml")
    assert page.text.count("<url>") == 4 + 2 * 5  # fixed pages; two packages and three products
    assert "secret" not in page.text
    assert (await client.get("/sitemaps/2.xml")).status_code == 404
    robots = await client.get("/robots.txt")
    assert "Sitemap: http://127.0.0.1:8000/sitemap.xml" in robots.text


# -- what a listing still lacks ------------------------------------------------------------------------------


async def test_package_models_and_offers_are_scored_and_say_where_each_missing_fact_goes(
    client, market, sign_in_as
) -> None:
    """Shown to the vendor with links, to the coordinator without, in the comparison to all, to nobody else."""
    await sign_in_as(client, "alpha@test.example")
    home = (await client.get("/vendor")).text
    assert "/vendor/packages/weld-cell/references" in home
    assert "/vendor/listings/offers/weld-offer#return_terms_ko" in home
    assert "구성품의 원산지를 모두 알리면 국산 비중이 계산됩니다" in home
    assert 'id="filled"' in (await client.get("/packages/weld-cell")).text
    before = (await client.get("/api/compare?id=weld-cell&id=load-cell")).json()
    rows = {row["code"]: row for group in before["groups"] for row in group["rows"]}
    # English name, Korean summary, industries, scope, the price (weld-cell only), and
    # an individual build needs no facts of a type
    assert [cell["value"] for cell in rows["completeness"]["cells"]] == [6 * 10_000 // 13, 5 * 10_000 // 13]
    await sign_in_as(client, "alliance@test.example")
    desk = (await client.get("/coordinator/vendors/alpha")).text
    listings = desk.partition('id="listings"')[2].partition("</section>")[0]
    scores = [int(score) for score in re.findall(r'<meter min="0" max="10000" value="([0-9]+)"', listings)]
    assert len(scores) == 6
    assert scores == sorted(scores)  # least complete first
    assert "weld-offer" in listings
    await sign_in_as(client, "beta@test.example")
    assert "weld-cell" not in (await client.get("/vendor")).text
    assert 'id="filled"' not in (await client.get("/packages/weld-cell")).text
