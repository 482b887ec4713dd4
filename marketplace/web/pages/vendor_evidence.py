"""A vendor's statements about its products: origin with its computation and evidence, standards, R&D outcomes."""

from collections.abc import Mapping
from typing import Any, Final, cast
from uuid import UUID, uuid4

import asyncpg
import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath

from catalog.core.completeness import completeness
from catalog.core.origin import ORIGIN_BASES
from catalog.core.product import Product
from catalog.core.standard import DECLARABLE, STANDARDS, StandardEvidence
from catalog.errors import EvidenceRefused, ProductNotFound
from catalog.origin_claims import claim_origin, withdraw_origin_claim
from catalog.products import get_product, list_products_by_codes
from catalog.reference_data import list_spec_definitions
from catalog.standards import (
    ResearchOutcome,
    file_research_outcome,
    file_standard,
    find_research_outcome,
    list_supported_standards,
    remove_standard,
)
from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.evidence_files import EVIDENCE_BYTES_MAX, keep_evidence, read_evidence
from marketplace.web.catalog_views import origin_view, read_today
from marketplace.web.evidence_form import OriginForm, read_origin_form
from marketplace.web.i18n import gettext
from marketplace.web.pages.products import standard_views
from marketplace.web.render import page_response, see_other

UPLOAD_BYTES_MAX: Final = EVIDENCE_BYTES_MAX + 64 * 1024
PAGE_SIZE: Final = 50
"""Products on one page of the list; as many as one answer of the catalog holds."""


class OwnProductView(msgspec.Struct, frozen=True, kw_only=True):
    """One product of the list: how complete it is, and how far its origin is proven."""

    code: str
    name_ko: str
    name_en: str
    category: str
    completeness_bp: int
    missing_count: int
    origin_standing: str | None
    is_challenged: bool


async def _own_product(conn: asyncpg.Connection, code: str, me: CurrentUser) -> Product:
    product = await get_product(conn, code=code, viewer=me.viewer)
    if product.vendor.id != me.organization_id:
        raise ProductNotFound(code)
    return product


@get("/vendor/evidence", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_evidence_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """List one's own products, the least complete first within a page."""
    me = signed_in(user)
    number = max(int(page), 1) if (page := request.query_params.get("page", "1")).isdecimal() else 1
    codes = await conn.fetch(
        """
        SELECT code, count(*) OVER () AS total FROM products WHERE vendor_id = $1 AND state <> 'retired'
        ORDER BY code LIMIT $2 OFFSET $3
        """,
        me.organization_id,
        PAGE_SIZE,
        (min(number, 10_000) - 1) * PAGE_SIZE,
    )
    found = [row["code"] for row in codes]
    products = await list_products_by_codes(conn, codes=found, viewer=me.viewer)
    definitions = await list_spec_definitions(conn)
    standards = await list_supported_standards(conn, codes=found)
    today = await read_today(conn)
    rows = []
    for product in products:
        full = completeness(product, definitions=definitions, has_standard=bool(standards.get(product.code)))
        origin = origin_view(product.origin, today=today)
        rows.append(
            OwnProductView(
                code=product.code,
                name_ko=product.name_ko,
                name_en=product.name_en,
                category=product.category,
                completeness_bp=full.score_bp,
                missing_count=len(full.missing),
                origin_standing=origin.standing if origin else None,
                is_challenged=origin is not None and origin.is_challenged,
            )
        )
    rows.sort(key=lambda row: (row.completeness_bp, row.code))
    page_count = -(-codes[0]["total"] // PAGE_SIZE) if codes else 1
    return page_response(
        request,
        "vendor_evidence.html",
        section="vendor",
        products=rows,
        pages={
            "number": number,
            "count": page_count,
            "previous_href": f"?page={number - 1}" if number > 1 else None,
            "next_href": f"?page={number + 1}" if number < page_count else None,
        },
    )


async def _product_evidence_page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    product: Product,
    *,
    status_code: int = 200,
    judged: OriginForm | None = None,
    errors: Mapping[str, str] = {},
    values: Mapping[str, str] = {},
) -> Response[str]:
    today = await read_today(conn)
    supports = (await list_supported_standards(conn, codes=[product.code])).get(product.code, ())
    definitions = await list_spec_definitions(conn, required_for=[product.category, product.subcategory])
    return page_response(
        request,
        "vendor_product_evidence.html",
        status_code=status_code,
        section="vendor",
        product=product,
        completeness=completeness(product, definitions=definitions, has_standard=bool(supports)),
        origin=origin_view(product.origin, today=today),
        bases=ORIGIN_BASES,
        judgment=judged.judgment if judged else None,
        claim_id=str(uuid4()),
        standards=standard_views(supports, today=today),
        known_standards={code: standard.name for code, standard in STANDARDS.items()},
        evidence_kinds=DECLARABLE,
        research=await find_research_outcome(conn, product_code=product.code),
        errors=errors,
        values=values,
    )


@get("/vendor/evidence/{code:str}", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_product_evidence_page(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[str]:
    """Show what is stated about one's own product, and the forms to state more."""
    return await _product_evidence_page(request, conn, await _own_product(conn, code, signed_in(user)))


async def _read_form(request: AnyRequest) -> tuple[dict[str, str], UploadFile | None]:
    form = await request.form()
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    upload = form.get("file")
    return fields, upload if isinstance(upload, UploadFile) and upload.filename else None


async def _keep(
    conn: asyncpg.Connection, product: Product, upload: UploadFile | None, me: CurrentUser
) -> UUID | None:
    if upload is None:
        return None
    return await keep_evidence(
        conn,
        product_code=product.code,
        file_name=upload.filename,
        content=await upload.read(),
        viewer=me.viewer,
        person_id=me.person_id,
    )


def _sentence(refused: EvidenceRefused) -> str:
    return {
        "file_type": gettext("PDF, PNG, JPEG 파일만 받습니다."),
        "file_size": gettext("파일은 비어 있지 않고 10 MiB 이하여야 합니다."),
        "no_document": gettext("번호와 발급 기관, 문서 파일이 모두 있어야 합니다."),
        "unknown_standard": gettext("목록에서 규격과 근거를 고르세요."),
    }.get(refused.reason, str(refused))


@post(
    "/vendor/evidence/{code:str}/origin",
    opt={"audience": "lister"},
    include_in_schema=False,
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def vendor_origin_submit(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[Any]:
    """Compute the rule and show its steps, or file the claim with its evidence; nothing typed is lost."""
    me = signed_in(user)
    product = await _own_product(conn, code, me)
    fields, upload = await _read_form(request)
    form = read_origin_form(fields, today=await read_today(conn))
    errors = dict(form.errors)
    is_filing = fields.get("action") == "claim"
    if is_filing and not errors and not form.is_borne_out:
        errors["form"] = gettext("계산 결과가 국산 기준에 미치지 못해 국산으로 주장할 수 없습니다.")
    if errors or not is_filing:
        return await _product_evidence_page(
            request,
            conn,
            product,
            status_code=400 if errors else 200,
            judged=form,
            errors=errors,
            values=fields,
        )
    try:
        file_id = await _keep(conn, product, upload, me)
    except EvidenceRefused as refused:
        return await _product_evidence_page(
            request,
            conn,
            product,
            status_code=400,
            judged=form,
            errors={"file": _sentence(refused)},
            values=fields,
        )
    await claim_origin(
        conn,
        claim_id=_read_id(fields.get("claim_id", "")),
        product_code=code,
        viewer=me.viewer,
        basis=form.basis,
        country=form.country,
        domestic_content_bp=form.domestic_content_bp,
        evidence_file_id=file_id,
        evidence_note=form.evidence_note,
        valid_until=form.valid_until,
        computed=msgspec.to_builtins(form.judgment) if form.judgment else None,
        actor=me.actor,
    )
    return see_other(f"/vendor/evidence/{code}", notice="origin-claimed")


def _read_id(text: str) -> UUID:
    """The id that the form brought, so that a second press of the button is no second claim."""
    try:
        return UUID(text)
    except ValueError:
        return uuid4()


@post("/vendor/evidence/{code:str}/origin/withdraw", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_origin_withdraw(code: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Take one's own live claim back."""
    me = signed_in(user)
    product = await _own_product(conn, code, me)
    if product.origin is not None:
        now = await conn.fetchval("SELECT clock_timestamp()")
        await withdraw_origin_claim(conn, claim_id=product.origin.id, viewer=me.viewer, now=now)
    return see_other(f"/vendor/evidence/{code}", notice="origin-withdrawn")


@post(
    "/vendor/evidence/{code:str}/standards",
    opt={"audience": "lister"},
    include_in_schema=False,
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def vendor_standard_submit(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[Any]:
    """State support for a standard, or take it back."""
    me = signed_in(user)
    product = await _own_product(conn, code, me)
    fields, upload = await _read_form(request)
    if fields.get("action") == "remove":
        await remove_standard(
            conn, product_code=code, standard=fields.get("standard", ""), viewer=me.viewer, actor=me.actor
        )
        return see_other(f"/vendor/evidence/{code}", notice="evidence-saved")
    try:
        await file_standard(
            conn,
            product_code=code,
            standard=fields.get("standard", ""),
            evidence=cast("StandardEvidence", fields.get("evidence", "")),
            reference=fields.get("reference", "").strip()[:200],
            issuer=fields.get("issuer", "").strip()[:200],
            evidence_file_id=await _keep(conn, product, upload, me),
            viewer=me.viewer,
            actor=me.actor,
        )
    except EvidenceRefused as refused:
        errors = {"standard": _sentence(refused)}
        return await _product_evidence_page(
            request, conn, product, status_code=400, errors=errors, values=fields
        )
    return see_other(f"/vendor/evidence/{code}", notice="evidence-saved")


@post(
    "/vendor/evidence/{code:str}/research",
    opt={"audience": "lister"},
    include_in_schema=False,
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def vendor_research_submit(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[Any]:
    """Tag one's own product as the outcome of a public R&D project, with its document."""
    me = signed_in(user)
    product = await _own_product(conn, code, me)
    fields, upload = await _read_form(request)
    outcome = ResearchOutcome(
        project_id=fields.get("project_id", "").strip(),
        program_ko=fields.get("program_ko", "").strip()[:200],
        program_en=fields.get("program_en", "").strip()[:200],
        document_title=fields.get("document_title", "").strip()[:200],
    )
    errors = {}
    if not 3 <= len(outcome.project_id) <= 60 or not outcome.program_ko:
        errors["research"] = gettext("과제 번호(3~60자)와 사업 이름을 적어 주세요.")
    else:
        try:
            await file_research_outcome(
                conn,
                product_code=code,
                outcome=outcome,
                document_file_id=await _keep(conn, product, upload, me),
                viewer=me.viewer,
                actor=me.actor,
            )
        except EvidenceRefused as refused:
            errors["research"] = _sentence(refused)
    if errors:
        return await _product_evidence_page(
            request, conn, product, status_code=400, errors=errors, values=fields
        )
    return see_other(f"/vendor/evidence/{code}", notice="evidence-saved")


@get("/evidence/{file_id:uuid}", opt={"audience": "member"}, include_in_schema=False)
async def evidence_file(file_id: FromPath[UUID], conn: Conn, user: User) -> Response[bytes]:
    """Hand out a file of evidence to who brought it or to a coordinator, as a download only."""
    found = await read_evidence(conn, file_id=file_id, viewer=signed_in(user).viewer)
    return Response(
        found.content,
        media_type=found.media_type,
        headers={
            "content-disposition": "attachment",
            "x-content-type-options": "nosniff",
            "cache-control": "private, no-store",
        },
    )


VENDOR_EVIDENCE_PAGES = [
    vendor_evidence_page,
    vendor_product_evidence_page,
    vendor_origin_submit,
    vendor_origin_withdraw,
    vendor_standard_submit,
    vendor_research_submit,
    evidence_file,
]
