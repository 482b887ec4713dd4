"""From errors to answers: one table, RFC 9457 problems for programs and a readable page for people."""

import re
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException

import catalog.errors as catalog_errors
import group_buy.errors as group_buy_errors
import search_config.errors as search_errors
from catalog.core.image_files import UnfitImage
from group_buy.gateway import GatewayRefused, GatewayUnavailable, WebhookRefused
from marketplace.accounts.sessions import SignInRefused, TooManyAttempts
from marketplace.db import DatabaseUnavailable
from marketplace.uploads import FileRefused

PROBLEMS: Final[dict[type[Exception], int]] = {
    catalog_errors.NotFound: 404,
    catalog_errors.TooManyCodes: 400,
    catalog_errors.TooManyImages: 409,
    UnfitImage: 400,
    catalog_errors.ImportNotAllowed: 403,
    catalog_errors.UnknownKind: 400,
    catalog_errors.ImportIdReused: 409,
    catalog_errors.OriginClaimRefused: 409,
    catalog_errors.EvidenceRefused: 409,
    catalog_errors.ListingRefused: 409,
    catalog_errors.VendorStateConflict: 409,
    catalog_errors.ChangeRequestStale: 409,
    catalog_errors.RecommendationRefused: 409,
    catalog_errors.RegistrationRefused: 409,
    catalog_errors.TooManyQuestions: 409,
    catalog_errors.AnswerRefused: 400,
    catalog_errors.ReasonMissing: 400,
    catalog_errors.InvalidText: 400,
    catalog_errors.InvalidDemand: 400,
    catalog_errors.DemandStateConflict: 409,
    search_errors.UnknownField: 400,
    search_errors.InvalidFilterValue: 400,
    search_errors.SearchUnavailable: 503,
    group_buy_errors.RoundNotFound: 404,
    group_buy_errors.InvitationNotFound: 404,
    group_buy_errors.ConsentNotFound: 404,
    group_buy_errors.PledgeNotFound: 404,
    group_buy_errors.SinglePurchaseNotFound: 404,
    group_buy_errors.OrderNotFound: 404,
    group_buy_errors.OrderStepRefused: 409,
    group_buy_errors.InvalidOrderStep: 400,
    group_buy_errors.PaperNotFound: 404,
    group_buy_errors.PaperRefused: 409,
    group_buy_errors.InvalidPaper: 400,
    group_buy_errors.ChargeNotFound: 404,
    group_buy_errors.InvoiceNotFound: 404,
    group_buy_errors.TaxInvoiceNotFound: 404,
    group_buy_errors.GuaranteeNotFound: 404,
    group_buy_errors.PayoutBatchNotFound: 404,
    group_buy_errors.OrganizationUnknown: 404,
    group_buy_errors.ApprovalNumberRefused: 409,
    group_buy_errors.GuaranteeExceeded: 409,
    group_buy_errors.BankLineNotFound: 404,
    group_buy_errors.SponsorshipNotFound: 404,
    group_buy_errors.InvalidSponsorship: 400,
    group_buy_errors.SponsorshipRefused: 409,
    group_buy_errors.ReferenceNotFound: 404,
    group_buy_errors.BankLineRefused: 409,
    group_buy_errors.BankFileRefused: 400,
    group_buy_errors.RoundNotOpen: 409,
    group_buy_errors.ConsentClosed: 409,
    group_buy_errors.SurveyQuoteStands: 409,
    group_buy_errors.SinglePriceOver: 409,
    group_buy_errors.SinglePurchaseConflict: 409,
    group_buy_errors.RoundStateConflict: 409,
    group_buy_errors.IdReused: 409,
    group_buy_errors.AlreadyPledged: 409,
    group_buy_errors.PledgeMayOnlyHelp: 409,
    group_buy_errors.VersionConflict: 409,
    group_buy_errors.ChargeStateConflict: 409,
    group_buy_errors.InvalidPledge: 400,
    group_buy_errors.InvalidRound: 400,
    group_buy_errors.CardNotPossible: 400,
    GatewayUnavailable: 503,
    GatewayRefused: 502,
    WebhookRefused: 400,
    FileRefused: 400,
    SignInRefused: 401,
    TooManyAttempts: 429,
    DatabaseUnavailable: 503,
}
"""Every error that a request may end in, with its status. `test_problems.py` proves the table complete."""

RETRY_AFTER_SECONDS: Final = 5
UNSTORABLE: Final = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
"""PostgreSQL's text holds every character but NUL."""

log = structlog.get_logger("marketplace.problems")


class Problem(msgspec.Struct, frozen=True):
    """An RFC 9457 problem before it is written; `members` are the error's own facts."""

    type: str
    status: int
    title: str
    detail: str
    members: dict[str, Any]


def kebab(name: str) -> str:
    """RoundNotOpen -> round-not-open."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def find_status(error: Exception) -> int | None:
    """Look an error up in the table, by its class or the nearest base of it."""
    for kind in type(error).__mro__:
        if kind in PROBLEMS:
            return PROBLEMS[kind]
    return None


def describe(error: Exception) -> Problem:
    """Turn any error into a problem. What is not in the table is a bug: 500 without details."""
    status = find_status(error)
    if status is not None:
        name = kebab(type(error).__name__)
        members = {
            key: value for key, value in vars(error).items() if key != "detail" and not key.startswith("_")
        }
        if "pointer" in members:
            members["errors"] = [{"pointer": members.pop("pointer"), "detail": str(error)}]
        return Problem(f"/problems/{name}", status, name.replace("-", " "), str(error), members)
    if isinstance(error, UNSTORABLE):
        return Problem(
            "/problems/invalid-request", 400, "invalid request", "A NUL character cannot be stored.", {}
        )
    if isinstance(error, ValidationException):
        return Problem(
            "/problems/invalid-request",
            400,
            "invalid request",
            error.detail,
            {"errors": list(_pointers(error))},
        )
    if isinstance(error, HTTPException):
        name = {400: "invalid-request", 401: "not-signed-in", 403: "not-allowed", 404: "not-found"}.get(
            error.status_code, f"http-{error.status_code}"
        )
        return Problem(f"/problems/{name}", error.status_code, name.replace("-", " "), error.detail, {})
    return Problem(
        "/problems/internal-error", 500, "internal error", "Something failed on our side; it is logged.", {}
    )


def _pointers(error: ValidationException) -> list[dict[str, str]]:
    extra = error.extra if isinstance(error.extra, list) else []
    return [
        {"pointer": _pointer(str(item.get("key", ""))), "detail": str(item.get("message", ""))}
        for item in extra
        if isinstance(item, dict)
    ]


def _pointer(key: str) -> str:
    """`lines[0].quantity_max` as an RFC 6901 pointer: `/lines/0/quantity_max`."""
    return "/" + re.sub(r"\[(\d+)\]", r"/\1", key).replace(".", "/")


def handle_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer any error: a page where a person asked for one, else a problem."""
    problem = describe(error)
    if problem.status >= 500:
        log.error("request failed", path=request.url.path, problem=problem.type, exc_info=error)
    if _wants_page(request):
        return _page(request, problem)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if problem.status in {429, 503}:
        headers["Retry-After"] = str(problem.members.get("retry_after_seconds", RETRY_AFTER_SECONDS))
    body = {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        **problem.members,
    }
    return Response(
        msgspec.json.encode(body, enc_hook=str),
        status_code=problem.status,
        media_type="application/problem+json",
        headers=headers,
    )


def _wants_page(request: Request[Any, Any, Any]) -> bool:
    is_program = request.scope["path"].startswith(("/api/", "/webhooks/", "/health/", "/schema"))
    return not is_program and "text/html" in request.headers.get("accept", "")


def _page(request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
    from marketplace.web.render import page_response, redirect_to_sign_in  # noqa: PLC0415 - render needs this module

    if (
        problem.status == 401
        and request.scope.get("user") is None
        and problem.type != "/problems/sign-in-refused"
    ):
        return redirect_to_sign_in(request)
    return page_response(
        request,
        "error.html",
        status_code=problem.status,
        problem=problem,
        media_type=MediaType.HTML,
    )
