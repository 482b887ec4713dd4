"""Every error has one answer: a problem for programs, a page for people, and nothing of our insides in either."""

import inspect
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from litestar import Litestar, get

import catalog.errors as catalog_errors
import group_buy.errors as group_buy_errors
import group_buy.gateway as gateway_errors
import search_config.errors as search_errors
from catalog.core.cells import Wording
from catalog.core.image_files import UnfitImage
from marketplace.app import create_app
from marketplace.db import DatabaseUnavailable
from marketplace.problems import PROBLEMS, describe, find_status, kebab
from marketplace.settings import Settings
from marketplace.uploads import FileRefused
from search_config.embedded_engine import EmbeddedEngine

BASES = {catalog_errors.CatalogError, group_buy_errors.GroupBuyError, search_errors.SearchError}
"""Never raised themselves."""

NOT_OF_REQUESTS = {search_errors.InvalidSettings, search_errors.InvalidCorpus, search_errors.DocumentsRefused}
"""Raised at the start of the program, by a command, or in the worker, where no request waits for an answer."""

SOME_ID = uuid4()
EXAMPLES: tuple[Exception, ...] = (
    catalog_errors.ProductNotFound("x"),
    catalog_errors.TooManyCodes(found=9, limit=4),
    catalog_errors.ImportNotAllowed("offers", organization_kind="factory"),
    catalog_errors.UnknownKind("x", allowed=("offers",)),
    catalog_errors.ImportIdReused("x"),
    catalog_errors.OriginClaimRefused("x", reason="own_claim"),
    catalog_errors.TooManyImages("x", limit=8),
    UnfitImage(Wording("a picture", "사진")),
    catalog_errors.EvidenceRefused("x", reason="file_type"),
    catalog_errors.ListingRefused(reason="pending"),
    catalog_errors.VendorStateConflict("x", state="pending", wanted="active", unmet=("terms",)),
    catalog_errors.ChangeRequestStale("x", fields=("name_ko",)),
    catalog_errors.RecommendationRefused("x", reason="expired"),
    catalog_errors.RegistrationRefused(reason="email_taken"),
    catalog_errors.TooManyQuestions(limit=3),
    catalog_errors.AnswerRefused("x", reason="computed"),
    catalog_errors.ReasonMissing(),
    catalog_errors.InvalidText("/text", length_max=10),
    catalog_errors.InvalidDemand("/quantity_max", "no"),
    catalog_errors.DemandStateConflict("x", "withdrawn"),
    group_buy_errors.ConsentClosed(SOME_ID, 1, "no"),
    group_buy_errors.SurveyQuoteStands(SOME_ID, "a quote of 1 won"),
    group_buy_errors.SinglePriceOver("x"),
    group_buy_errors.SinglePurchaseNotFound(SOME_ID),
    group_buy_errors.SinglePurchaseConflict(SOME_ID, "placed"),
    group_buy_errors.InvitationNotFound(),
    group_buy_errors.ConsentNotFound(SOME_ID, 1),
    group_buy_errors.PledgeMayOnlyHelp(SOME_ID, "x"),
    FileRefused(reason="not_a_pdf"),
    search_errors.UnknownField("x", use="sort", allowed=("name",)),
    search_errors.InvalidFilterValue("x", value="y", expected="a number"),
    search_errors.SearchUnavailable("catalog", reason="away"),
    group_buy_errors.TaxInvoiceNotFound(1),
    group_buy_errors.GuaranteeNotFound(SOME_ID),
    group_buy_errors.PayoutBatchNotFound(SOME_ID),
    group_buy_errors.OrganizationUnknown("x"),
    group_buy_errors.ApprovalNumberRefused(1, reason="shape"),
    group_buy_errors.GuaranteeExceeded(wanted_krw=3, capacity_krw=2, committed_krw=1),
    group_buy_errors.BankLineNotFound(1),
    group_buy_errors.ReferenceNotFound("SFA000001"),
    group_buy_errors.BankLineRefused(1, reason="in_use", open_krw=5),
    group_buy_errors.BankFileRefused("account_missing", "name the account"),
    group_buy_errors.RoundNotFound("x"),
    group_buy_errors.PledgeNotFound(SOME_ID),
    group_buy_errors.ChargeNotFound(SOME_ID),
    group_buy_errors.InvoiceNotFound("x"),
    group_buy_errors.RoundNotOpen("x", "closing"),
    group_buy_errors.RoundStateConflict("x", "open", "cleared"),
    group_buy_errors.IdReused(SOME_ID),
    group_buy_errors.AlreadyPledged("x", SOME_ID),
    group_buy_errors.VersionConflict(SOME_ID, 2),
    group_buy_errors.ChargeStateConflict(SOME_ID, "due"),
    group_buy_errors.InvalidPledge("/lines/0", "no"),
    group_buy_errors.InvalidRound("/code", "no"),
    group_buy_errors.SponsorshipNotFound(SOME_ID),
    group_buy_errors.SponsorshipRefused(SOME_ID, reason="round_closed"),
    group_buy_errors.InvalidSponsorship("/krw_max", "sum", "no"),
    group_buy_errors.OrderNotFound("x"),
    group_buy_errors.OrderStepRefused("x"),
    group_buy_errors.InvalidOrderStep("/quantity", "no"),
    group_buy_errors.PaperNotFound("AP-2026-00001"),
    group_buy_errors.PaperRefused("withdrawn"),
    group_buy_errors.InvalidPaper("/need", "no"),
    group_buy_errors.CardNotPossible("no"),
    gateway_errors.GatewayUnavailable("timeout"),
    gateway_errors.GatewayRefused("card_declined"),
    gateway_errors.WebhookRefused("forged"),
    DatabaseUnavailable("PostgreSQL cannot be reached."),
)


def errors_of(module: ModuleType) -> Iterator[type[Exception]]:
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if issubclass(kind, Exception) and kind.__module__ == module.__name__:
            yield kind


def test_every_error_that_a_request_may_end_in_is_in_the_table() -> None:
    raised = {
        kind
        for module in (catalog_errors, group_buy_errors, search_errors, gateway_errors)
        for kind in errors_of(module)
    }
    assert len(raised) > 30
    missing = {kind for kind in raised if not any(base in PROBLEMS for base in kind.__mro__)}
    assert missing == BASES | NOT_OF_REQUESTS
    assert BASES.isdisjoint(PROBLEMS)


def test_every_row_of_the_table_can_be_told_to_a_program() -> None:
    told = {base for error in EXAMPLES for base in type(error).__mro__ if base in PROBLEMS}
    assert {kind.__name__ for kind in set(PROBLEMS) - told} == {"SignInRefused", "TooManyAttempts"}
    for error in EXAMPLES:
        problem = describe(error)
        assert problem.type == f"/problems/{kebab(type(error).__name__)}"
        assert (problem.status, problem.detail) == (find_status(error), str(error))
        assert problem.detail
        assert 400 <= problem.status < 600
        assert {"type", "title", "status", "detail", "instance"}.isdisjoint(problem.members), error
        assert msgspec.json.encode(problem.members, enc_hook=str)


def test_an_error_about_a_field_points_to_it() -> None:
    problem = describe(group_buy_errors.InvalidPledge("/lines/0/quantity_max", "too many"))
    assert problem.members == {"errors": [{"pointer": "/lines/0/quantity_max", "detail": "too many"}]}


# -- over HTTP ---------------------------------------------------------------------------------------------------


@get("/api/broken", opt={"audience": "anyone"})
async def broken_api() -> None:
    raise RuntimeError("the password is hunter2")


@get("/broken", opt={"audience": "anyone"})
async def broken_page() -> None:
    raise KeyError("the password is hunter2")


@pytest.fixture
async def app(
    database: str, engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Litestar]:
    """The application with two handlers that raise what nobody foresaw."""
    from marketplace import app as wiring

    monkeypatch.setattr(wiring, "API_HANDLERS", [*wiring.API_HANDLERS, broken_api, broken_page])
    built = create_app(Settings(worker_in_process=False), dsn=database, engine=engine, gateway=None)
    async with built.lifespan():
        yield built


FORM = {"content-type": "application/x-www-form-urlencoded"}


async def token_of(client: httpx.AsyncClient) -> dict[str, str]:
    await client.get("/sign-in")
    return {"x-csrftoken": client.cookies["csrftoken"]}


def problem_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].partition(";")[0] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    for name in ("type", "title", "detail"):
        assert isinstance(body[name], str), name
        assert body[name], name
    assert body["type"].startswith("/problems/")
    assert answer.headers["x-content-type-options"] == "nosniff"
    return body


async def test_programs_get_problems_for_everything_that_goes_wrong(
    client: httpx.AsyncClient, market: Any
) -> None:
    client.headers["accept"] = "*/*"
    token = await token_of(client)
    for method, path, status in (
        ("GET", "/api/nowhere", 404),
        ("GET", "/api/rounds/nowhere", 404),
        ("GET", "/api/products/nowhere", 404),
        ("GET", "/api/offers/nowhere", 404),
        ("GET", f"/api/pledges/{uuid4()}", 401),
        ("PUT", f"/api/rounds/x/pledges/{uuid4()}", 401),
        ("GET", "/nowhere", 404),
        ("GET", "/api/search?page_size=0", 400),
        ("GET", "/api/search?colour=red", 400),
        ("GET", "/api/search?price_max=cheap", 400),
        ("GET", "/api/products/%00", 400),
        ("GET", "/api/rounds/a%00b", 400),
        ("POST", "/webhooks/stripe", 400),
        ("GET", "/api/broken", 500),
    ):
        answer = await client.request(method, path, headers=token)
        problem_of(answer, status)
    problem_of(await client.post("/api/rounds", json={}), 403)  # without the token
    refused = await client.delete("/api/rounds", headers=token)
    assert problem_of(refused, 405)["detail"]
    assert {part.strip() for part in refused.headers["allow"].split(",")} >= {"GET", "POST"}
    large = await client.post("/sign-in", content=b"x" * 1_000_001, headers=token | FORM)
    problem_of(large, 413)


async def test_signed_in_programs_get_problems_too(
    client: httpx.AsyncClient, market: Any, sign_in_as: Any
) -> None:
    await sign_in_as(client, "alliance@test.example")
    await market.open_round("weld-1", "weld-offer")
    client.headers["accept"] = "application/json"
    token = await token_of(client)
    good = {"code": "weld-2", "offer_code": "weld-offer", "closes_at": "2099-01-01T00:00:00Z"}
    before = await market.conn.fetchval("SELECT count(*) FROM events")

    async def post(content: bytes) -> httpx.Response:
        return await client.post("/api/rounds", content=content, headers=token)

    for content in (b"", b"{", b"[]", b'"x"', b"\xff", b'{"code": "weld-2"}'):
        problem_of(await post(content), 400)
    for name, value in (
        ("code", "Ä"),
        ("closes_at", "2099-01-01T00:00:00"),  # whose midnight?
        ("closes_at", "soon"),
        ("opens_at", "2026-01-01T00:00:00"),
        ("deposit_bp", 10_001),
        ("deposit_bp", 1.5),
        ("colour", "red"),
    ):
        problem_of(await post(msgspec.json.encode(good | {name: value})), 400)
    late = problem_of(await post(msgspec.json.encode(good | {"closes_at": "2020-01-01T00:00:00Z"})), 400)
    assert late["errors"] == [{"pointer": "/closes_at", "detail": late["detail"]}]
    problem_of(await post(msgspec.json.encode(good | {"offer_code": "a\0b"})), 400)
    problem_of(await post(msgspec.json.encode(good | {"offer_code": "none"})), 404)
    problem_of(await client.put(f"/api/rounds/weld-1/pledges/{uuid4()}", json={}, headers=token), 403)
    assert await market.conn.fetchval("SELECT count(*) FROM events") == before
    assert await market.conn.fetchval("SELECT count(*) FROM rounds") == 1
    assert (await client.post("/api/rounds/weld-1/close", headers=token)).status_code == 202
    conflict = problem_of(await client.post("/api/rounds/weld-1/close", headers=token), 409)
    assert (conflict["type"], conflict["state"]) == ("/problems/round-state-conflict", "closing")


async def test_an_internal_error_tells_nothing_of_itself(client: httpx.AsyncClient) -> None:
    for path, accept in (
        ("/api/broken", "*/*"),
        ("/broken", "*/*"),
        ("/broken", "text/html"),
        ("/en/broken", "text/html"),
    ):
        answer = await client.get(path, headers={"accept": accept})
        assert answer.status_code == 500
        assert answer.headers["x-request-id"]
        for secret in ("hunter2", "RuntimeError", "KeyError", "Traceback", "test_problems"):
            assert secret not in answer.text


async def test_people_get_pages(client: httpx.AsyncClient, market: Any, sign_in_as: Any) -> None:
    async def page(method: str, path: str, status: int, **options: Any) -> str:
        answer = await client.request(method, path, **options)
        assert answer.status_code == status, (path, answer.text[:300])
        assert answer.headers["content-type"].startswith("text/html")
        assert "</html>" in answer.text
        return answer.text

    assert 'lang="ko"' in await page("GET", "/nowhere", 404)
    assert 'lang="en"' in await page("GET", "/en/nowhere", 404)
    await page("GET", "/rounds/nowhere", 404)
    await page("GET", "/products/%00", 400)
    await page("GET", "/broken", 500)
    await page("DELETE", "/rounds", 405)
    await page("POST", "/sign-out", 403)  # without the token
    token = await token_of(client)
    await page("POST", "/sign-in", 413, content=b"x" * 1_000_001, headers=token | FORM)
    await page("POST", "/sign-in", 400, data={"email": "a\0b", "password": "x"}, headers=token)
    for path in ("/my/pledges", "/en/my/pledges"):
        away = await client.get(f"{path}?a=b")
        assert away.status_code == 303
        assert (
            away.headers["location"]
            == f"{path.removesuffix('/my/pledges')}/sign-in?next=%2Fmy%2Fpledges%3Fa%3Db"
        )
    await sign_in_as(client, "alpha@test.example")
    await page("GET", "/my/pledges", 403)
