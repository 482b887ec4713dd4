"""The thread of an offer, or of a product that is sold on quote: ask, and read what was answered."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from catalog.core.offer_terms import Offer
from catalog.core.product import Product
from catalog.errors import InvalidText, ProductNotFound, TooManyQuestions
from catalog.offers import get_offer
from catalog.own_listings import list_offer_terms, read_product_terms
from catalog.products import get_product
from catalog.questions import ThreadKind, ask, hide_question, list_thread
from marketplace.accounts.access import CurrentUser, belongs_to, viewer_of
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.web.catalog_views import item_path
from marketplace.web.forms import read_form
from marketplace.web.i18n import gettext
from marketplace.web.render import page_response, see_other


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a thread is about."""

    thread: ThreadKind
    id: int
    code: str
    path: str
    item_path: str
    vendor_id: int
    vendor_ko: str
    vendor_en: str
    name_ko: str
    name_en: str


async def _offer(conn: asyncpg.Connection, code: str, user: CurrentUser | None) -> tuple[Subject, Offer]:
    offer = await get_offer(conn, code=code, viewer=viewer_of(user))
    return (
        Subject(
            thread="offer",
            id=offer.id,
            code=code,
            path=f"/offers/{code}/questions",
            item_path=item_path(offer.subject.kind, offer.subject.code),
            vendor_id=offer.vendor.id,
            vendor_ko=offer.vendor.name_ko,
            vendor_en=offer.vendor.name_en,
            name_ko=offer.subject.name_ko,
            name_en=offer.subject.name_en,
        ),
        offer,
    )


async def _product(conn: asyncpg.Connection, code: str, user: CurrentUser | None) -> Subject:
    product: Product = await get_product(conn, code=code, viewer=viewer_of(user))
    if not (await read_product_terms(conn, product_id=product.id)).asks_quote:
        raise ProductNotFound(code)
    return Subject(
        thread="product",
        id=product.id,
        code=code,
        path=f"/products/{code}/questions",
        item_path=item_path("product", code),
        vendor_id=product.vendor.id,
        vendor_ko=product.vendor.name_ko,
        vendor_en=product.vendor.name_en,
        name_ko=product.name_ko,
        name_en=product.name_en,
    )


async def _page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    user: CurrentUser | None,
    subject: Subject,
    *,
    offer: Offer | None = None,
    errors: dict[str, str] | None = None,
    values: dict[str, str] | None = None,
) -> Response[str]:
    terms = (await list_offer_terms(conn, offer_ids=[offer.id])).get(offer.code) if offer else None
    return page_response(
        request,
        "questions.html",
        status_code=400 if errors else 200,
        section="search",
        subject=subject,
        offer=offer,
        terms=terms,
        questions=await list_thread(
            conn, thread=subject.thread, subject_id=subject.id, viewer=viewer_of(user)
        ),
        may_ask=belongs_to(user, "buyer"),
        may_hide=belongs_to(user, "operator"),
        question_id=str(uuid4()),
        errors=errors or {},
        values=values or {},
    )


async def _ask(
    request: AnyRequest, conn: asyncpg.Connection, me: CurrentUser, subject: Subject, offer: Offer | None
) -> Response[Any]:
    form = await read_form(request)
    try:
        await ask(
            conn,
            question_id=form.uuid("question_id"),
            thread=subject.thread,
            subject_id=subject.id,
            vendor_id=subject.vendor_id,
            text=form.text("text"),
            actor=me.actor,
        )
    except InvalidText:
        errors = {"text": gettext("1자에서 2,000자 사이로 적어 주세요.")}
    except TooManyQuestions:
        errors = {
            "text": gettext("답변을 기다리는 질문이 이미 다섯 개입니다. 답변을 받은 뒤 다시 물어보세요.")
        }
    else:
        return see_other(subject.path, notice="question-asked")
    return await _page(
        request, conn, me, subject, offer=offer, errors=errors, values={"text": form.text("text")}
    )


@get("/offers/{code:str}/questions", opt={"audience": "anyone"}, include_in_schema=False)
async def offer_questions_page(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[str]:
    """Show an offer's terms and its thread."""
    subject, offer = await _offer(conn, code, user)
    return await _page(request, conn, user, subject, offer=offer)


@post("/offers/{code:str}/questions", opt={"audience": "buyer"}, include_in_schema=False)
async def offer_question_submit(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[Any]:
    """Ask about an offer that this factory may see."""
    me = signed_in(user)
    subject, offer = await _offer(conn, code, me)
    return await _ask(request, conn, me, subject, offer)


@get("/products/{code:str}/questions", opt={"audience": "anyone"}, include_in_schema=False)
async def product_questions_page(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[str]:
    """Show the thread of a product on quote."""
    return await _page(request, conn, user, await _product(conn, code, user))


@post("/products/{code:str}/questions", opt={"audience": "buyer"}, include_in_schema=False)
async def product_question_submit(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[Any]:
    """Ask for a quote, or about a product on quote."""
    me = signed_in(user)
    return await _ask(request, conn, me, await _product(conn, code, me), None)


@post("/coordinator/questions/{question_id:uuid}/hide", opt={"audience": "operator"}, include_in_schema=False)
async def question_hide_submit(
    request: AnyRequest, question_id: FromPath[UUID], conn: Conn, user: User
) -> Response[Any]:
    """Take an improper question off the page."""
    await hide_question(conn, question_id=question_id, actor=signed_in(user).actor)
    form = await read_form(request)
    back = form.text("back")
    is_thread = back.startswith(("/offers/", "/products/")) and back.endswith("/questions")
    return see_other(back if is_thread else "/coordinator/vendors", notice="question-hidden")


QUESTION_PAGES = [
    offer_questions_page,
    offer_question_submit,
    product_questions_page,
    product_question_submit,
    question_hide_submit,
]
