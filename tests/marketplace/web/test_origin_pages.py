"""Origin from the computation to the desk: claimed is shown as verified nowhere, and roles keep to their own."""

import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from catalog.exporting import export_rows, write_export
from catalog.origin_claims import claim_origin
from catalog.shares import read_share
from search_config.query import Principal, SearchQuery

PDF = ("certificate.pdf", b"%PDF-1.7 a certificate of origin", "application/pdf")
FIGURES = {
    "basis": "value_content", "country": "KR", "hs_out": "8479.50", "hs_in": "8501.52", "cost_krw": "100,000,000",
    "valid_until": "2030-12-31",
}  # fmt: skip


async def claims(market: Any) -> list[tuple[Any, ...]]:
    rows = await market.conn.fetch(
        """
        SELECT basis, domestic_content_bp, verified_at IS NOT NULL, withdrawn_at IS NOT NULL,
               evidence_file_id IS NOT NULL
        FROM origin_claims ORDER BY created_at
        """
    )
    return [tuple(row) for row in rows]


async def claim_id_of(market: Any) -> UUID:
    found: UUID = await market.conn.fetchval("SELECT id FROM origin_claims WHERE withdrawn_at IS NULL")
    return found


async def file_claim(client: httpx.AsyncClient, submit: Any, **changes: Any) -> httpx.Response:
    fields = FIGURES | {"cif_krw": "49,000,000", "action": "claim", "files": {"file": PDF}} | changes
    answer: httpx.Response = await submit(client, "/vendor/evidence/cobot-10/origin", **fields)
    return answer


async def shown(market: Any, client: httpx.AsyncClient) -> dict[str, Any]:
    """What each channel says of the claim on cobot-10: page, JSON, comparison, CSV, search, exported file."""
    await market.index()
    page = (await client.get("/en/products/cobot-10")).text
    product = (await client.get("/api/products/cobot-10")).json()
    comparison = (await client.get("/api/compare?id=cobot-10&id=cobot-5")).json()
    rows = {row["code"]: row["cells"][0]["value"] for group in comparison["groups"] for row in group["rows"]}
    table = (await client.get("/en/compare.csv?id=cobot-10&id=cobot-5")).text
    found = await market.engine.search(SearchQuery(text="C10", kinds=["product"]), Principal())
    [document] = [hit.document for hit in found.hits if hit.document.code == "cobot-10"]
    exported = write_export(
        "products", await export_rows(market.conn, kind="products"), suffix=".jsonl"
    ).decode()
    return {
        "page": re.findall(r"(?:Value content \(article 86\)), ([A-Z][^,<]*)", page),
        "api": (product["origin_standing"], product["product"]["origin"]["verified_at"] is not None),
        "compare": (rows.get("origin_standing"), rows.get("domestic_share")),
        "csv": "Confirmed" in table,
        "search": (document.domestic_verified_bp, document.domestic_claimed_bp),
        "export": "verified_at" in exported,
    }


async def test_one_won_below_the_threshold_cannot_be_claimed_and_nothing_typed_is_lost(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    computed = await submit(
        client, "/en/vendor/evidence/cobot-10/origin", **FIGURES, cif_krw="49,000,001", action="compute"
    )
    assert (computed.status_code, await claims(market)) == (200, [])
    assert "₩1 short of the ₩51,000,000 that 51 % asks for." in computed.text
    refused = await file_claim(client, submit, cif_krw="49,000,001")
    assert (refused.status_code, await claims(market)) == (400, [])
    assert 'value="49,000,001"' in refused.text
    filed = await file_claim(client, submit)
    assert filed.status_code == 303
    assert await claims(market) == [("value_content", 5_100, False, False, True)]


async def test_claimed_is_verified_in_no_channel_until_somebody_saw_the_evidence(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    await file_claim(client, submit)
    claimed = {
        "page": ["Claimed only"], "api": ("claimed", False), "compare": ("claimed", [0, 5_100]), "csv": False,
        "search": (0, 5_100), "export": False,
    }  # fmt: skip
    assert await shown(market, client) == claimed
    await sign_in_as(client, "alliance@test.example")
    desk = await client.get("/en/coordinator/origin")
    assert "certificate.pdf" in desk.text
    claim_id = await claim_id_of(market)
    assert (await submit(client, f"/coordinator/origin/{claim_id}/verify")).status_code == 303
    assert await shown(market, client) == {
        "page": ["Confirmed"], "api": ("verified", True), "compare": ("verified", [5_100, 5_100]), "csv": True,
        "search": (5_100, 5_100), "export": False,
    }  # fmt: skip
    await market.conn.execute(
        "UPDATE origin_claims SET valid_until = (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date - 1"
    )
    assert await shown(market, client) == {
        "page": ["Expired"], "api": ("expired", False), "compare": ("expired", [0, 0]), "csv": False,
        "search": (0, 0), "export": False,
    }  # fmt: skip


async def test_a_claim_without_a_file_cannot_be_verified(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    await file_claim(client, submit, files=None)
    assert await claims(market) == [("value_content", 5_100, False, False, False)]
    await sign_in_as(client, "alliance@test.example")
    refused = await submit(client, f"/coordinator/origin/{await claim_id_of(market)}/verify")
    assert refused.status_code == 409
    assert await claims(market) == [("value_content", 5_100, False, False, False)]
    assert await shown(market, client) == {
        "page": ["Claimed only"], "api": ("claimed", False), "compare": ("claimed", [0, 5_100]), "csv": False,
        "search": (0, 5_100), "export": False,
    }  # fmt: skip
    # nor on any page that names it, as a part or a hit: no bar has a verified length
    bars = 0
    for path in ("products/cobot-10", "packages/weld-cell", "search?q=C10", "compare?id=cobot-10&id=cobot-5"):
        text = (await client.get(f"/en/{path}")).text
        assert "Cobot C10" in text
        verified = re.findall(r'class="share-verified" width="([0-9]+)"', text)
        bars += len(verified)
        assert set(verified) <= {"0"}
    assert bars >= 2


@pytest.mark.parametrize("who", ["beta", "mill"])
async def test_others_neither_claim_nor_verify_nor_read_evidence_but_may_object(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any, who: str
):
    await sign_in_as(client, "alpha@test.example")
    await file_claim(client, submit)
    claim_id = await claim_id_of(market)
    file_id = await market.conn.fetchval("SELECT evidence_file_id FROM origin_claims")
    assert (await client.get(f"/evidence/{file_id}")).content == PDF[1]
    before = await claims(market)
    await sign_in_as(client, f"{who}@test.example")
    refused = await file_claim(client, submit, files=None)
    assert refused.status_code == (404 if who == "beta" else 403)
    assert (await submit(client, f"/coordinator/origin/{claim_id}/verify")).status_code == 403
    assert (await client.get(f"/evidence/{file_id}")).status_code == 404
    assert await claims(market) == before
    page = await client.get("/products/cobot-10")
    assert "100,000,000" not in page.text, "the figures of a claim are its maker's secret"
    objection = {"challenge_id": str(uuid4()), "claim_id": str(claim_id)}
    short = await submit(client, "/products/cobot-10/origin/challenges", **objection, reason="짧다")
    assert short.headers["location"].endswith("reason-needed")
    for _ in range(2):
        await submit(
            client,
            "/products/cobot-10/origin/challenges",
            **objection,
            reason="모터가 수입품이라고 적혀 있습니다.",
        )
    assert await market.conn.fetchval("SELECT count(*) FROM origin_challenges") == 1
    assert await claims(market) == before


async def test_an_upheld_challenge_ends_the_claim_and_a_dismissed_one_does_not(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    for decision, is_withdrawn in (("dismissed", False), ("upheld", True)):
        await sign_in_as(client, "alpha@test.example")
        await file_claim(client, submit)
        claim_id, challenge_id = await claim_id_of(market), uuid4()
        own = await submit(
            client, "/products/cobot-10/origin/challenges", challenge_id=str(uuid4()), claim_id=str(claim_id),
            reason="제 주장에 제가 이의를 제기합니다.",
        )  # fmt: skip
        assert own.status_code == 409
        await sign_in_as(client, "beta@test.example")
        await submit(
            client, "/products/cobot-10/origin/challenges", challenge_id=str(challenge_id), claim_id=str(claim_id),
            reason="수입 원료의 HS 번호가 다릅니다.",
        )  # fmt: skip
        await sign_in_as(client, "alliance@test.example")
        assert (await submit(client, f"/coordinator/origin/{claim_id}/verify")).status_code == 409
        path = f"/coordinator/origin/challenges/{challenge_id}"
        assert (
            (await submit(client, path, decision=decision, note=""))
            .headers["location"]
            .endswith("reason-needed")
        )
        assert (await submit(client, path, decision=decision, note="자료를 보았습니다.")).status_code == 303
        assert (await submit(client, path, decision="upheld", note="다시")).status_code == 404
        assert (await claims(market))[-1][3] is is_withdrawn
    told = await market.conn.fetchval(
        "SELECT count(*) FROM notifications WHERE kind = 'origin.challenge_decided'"
    )
    assert told == 4


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"MZ an executable", "Only PDF, PNG and JPEG files are taken."),
        (b"<svg onload=x>", "Only PDF, PNG and JPEG"),
    ],
)
async def test_evidence_is_told_by_its_first_bytes(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any, content: bytes, sentence: str
):
    await sign_in_as(client, "alpha@test.example")
    fields = FIGURES | {"cif_krw": "0", "hs_in": "", "action": "claim"}
    answer = await submit(
        client,
        "/en/vendor/evidence/cobot-10/origin",
        **fields,
        files={"file": ("x.pdf", content, "application/pdf")},
    )
    assert (answer.status_code, await claims(market)) == (400, [])
    assert sentence in answer.text
    assert await market.conn.fetchval("SELECT count(*) FROM files") == 0


async def test_standards_and_outcomes_need_their_papers_and_their_owner(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    path = "/vendor/evidence/cobot-10/standards"
    await sign_in_as(client, "beta@test.example")
    assert (await submit(client, path, standard="opc_ua", evidence="declared")).status_code == 404
    await sign_in_as(client, "alpha@test.example")
    no_paper = await submit(
        client, path, standard="opc_ua", evidence="certificate", reference="1", issuer="OPCF"
    )
    assert no_paper.status_code == 400
    assert await market.conn.fetchval("SELECT count(*) FROM product_standards") == 0
    await submit(
        client,
        path,
        standard="opc_ua",
        evidence="certificate",
        reference="OPC-1",
        issuer="OPCF",
        files={"file": PDF},
    )
    research = "/vendor/evidence/cobot-10/research"
    facts = {"project_id": "20001234", "program_ko": "로봇산업핵심기술개발", "document_title": "최종평가서"}
    assert (await submit(client, research, **facts)).status_code == 400
    assert await market.conn.fetchval("SELECT count(*) FROM research_outcomes") == 0
    await submit(client, research, **facts, files={"file": PDF})
    page = (await client.get("/en/products/cobot-10")).text
    assert "OPC UA (IEC 62541)" in page
    assert "OPCF OPC-1" in page
    assert "20001234" in page
    await submit(client, path, standard="opc_ua", action="remove")
    assert await market.conn.fetchval("SELECT count(*) FROM product_standards") == 0


async def test_the_share_of_an_order_is_read_of_the_version_that_is_sold(market: Any):
    offer_id = await market.conn.fetchval("SELECT id FROM offers WHERE code = 'weld-offer'")
    assert await read_share(market.conn, offer_id=offer_id) is None, "no part has a price"
    await market.conn.execute(
        "INSERT INTO reference_prices (product_id, unit_price_krw, source) SELECT id, 100, 'test' FROM products"
    )
    await claim_origin(
        market.conn, claim_id=uuid4(), product_code="cobot-10", viewer=market.coordinator, basis="self_declared",
        country="KR", domestic_content_bp=6_000,
    )  # fmt: skip
    share = await read_share(market.conn, offer_id=offer_id)
    assert share is not None
    # two robots of 60 % and a foreign controller, all at 100 won
    assert (share.verified_bp, share.claimed_bp, share.goods_krw) == (0, 4_000, 300)
