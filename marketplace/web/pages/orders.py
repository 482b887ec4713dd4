"""Orders for their three parties: what is due today, the list, one order with its steps, forms and talk."""

from collections import defaultdict
from datetime import date
from typing import Any, Final, cast, get_args
from uuid import UUID, uuid4

import asyncpg
from litestar import Response, get, post
from litestar.params import FromPath

from group_buy.core.order import (
    Close,
    Confirm,
    Deliver,
    Inspect,
    Install,
    OrderState,
    OrderStep,
    RejectReason,
    due_steps,
)
from group_buy.errors import InvalidOrderStep, OrderStepRefused, SinglePurchaseConflict
from group_buy.order_talk import list_order_files, list_order_messages, say
from group_buy.ordering import take_order_step
from group_buy.orders import (
    PAGES_MAX,
    Order,
    get_order,
    list_due_orders,
    list_order_steps,
    list_orders,
    penalty_of,
)
from group_buy.papers import list_papers
from group_buy.transactions import transaction
from marketplace.accounts.access import CurrentUser
from marketplace.api.orders import require_party
from marketplace.deps import AnyRequest, Conn, Pool, User, signed_in
from marketplace.order_files import FILE_BYTES_MAX, FILES_AT_ONCE_MAX, keep_order_files, read_order_file
from marketplace.uploads import FileRefused
from marketplace.web.catalog_views import read_today
from marketplace.web.forms import Form, read_form
from marketplace.web.i18n import gettext
from marketplace.web.render import page_response, see_other

UPLOAD_BYTES_MAX: Final = FILES_AT_ONCE_MAX * FILE_BYTES_MAX + 64 * 1024
STATES: Final[tuple[OrderState, ...]] = get_args(OrderState)
REASONS: Final[tuple[RejectReason, ...]] = get_args(RejectReason)


def _section(me: CurrentUser) -> str:
    return {"factory": "my", "vendor": "vendor", "coordinator": "coordinator"}.get(me.organization_kind, "")


@get("/orders", opt={"audience": "member"}, include_in_schema=False)
async def orders_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """Show what is due from one's organization, and its orders; only of a state or a round if asked."""
    me = signed_in(user)
    asked = request.query_params.get("state", "")
    state = cast("OrderState", asked) if asked in STATES else None
    round_code = request.query_params.get("round", "").strip()[:100] or None
    number = request.query_params.get("page", "1")
    page = int(number) if number.isdecimal() and len(number) <= 3 else 1
    found = await list_orders(
        conn, organization_id=me.organization_id, state=state, round_code=round_code, page=page
    )
    today = await read_today(conn)
    is_plain = state is None and round_code is None and found.page == 1
    due = await list_due_orders(conn, organization_id=me.organization_id, today=today) if is_plain else []
    query = f"state={state or ''}&round={round_code or ''}&page="
    return page_response(
        request,
        "orders.html",
        section=_section(me),
        orders=found.orders,
        state=state,
        states=STATES,
        round_code=round_code,
        due_now=[each for each in due if each.due.on <= today],
        due_soon=[each for each in due if each.due.on > today],
        is_plain=is_plain,
        today=today,
        side=_section(me),
        pages={
            "number": found.page,
            "previous_href": f"?{query}{found.page - 1}" if found.page > 1 else None,
            "next_href": f"?{query}{found.page + 1}" if found.has_more else None,
            "is_last": found.page == PAGES_MAX,
        },
    )


async def _order_page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    order: Order,
    me: CurrentUser,
    *,
    errors: dict[str, str] | None = None,
    values: dict[str, str] | None = None,
    status: int = 200,
) -> Response[str]:
    steps = await list_order_steps(conn, order_id=order.id)
    files = defaultdict(list)
    for file in await list_order_files(conn, order_id=order.id):
        files[file.step_id or file.message_id].append(file)
    found = await list_papers(
        conn, organization_id=me.organization_id, subject="order", subject_id=order.number
    )
    today = await read_today(conn)
    side = {order.vendor_id: "vendor", order.buyer_id: "buyer"}.get(me.organization_id, "coordinator")
    due = due_steps(order.progress)
    own_due = [each for each in due if (each.on <= today if each.kind == "close" else each.side == side)]
    if errors and values and values.get("kind") and values["kind"] not in {each.kind for each in own_due}:
        errors = {"form": next(iter(errors.values()))}  # the form is no longer there to say it
    return page_response(
        request,
        "order.html",
        status_code=status,
        section=_section(me),
        order=order,
        steps=steps,
        files=files,
        messages=await list_order_messages(conn, order_id=order.id),
        states=STATES,
        due=due,
        own_due=own_due,
        late=penalty_of(order, steps, today=today),
        reasons=REASONS,
        today=today,
        papers=found.papers,
        side=side,
        step_id=str(uuid4()),
        message_id=str(uuid4()),
        errors=errors or {},
        values=values or {},
    )


@get("/orders/{number:str}", opt={"audience": "member"}, include_in_schema=False)
async def order_page(request: AnyRequest, number: FromPath[str], conn: Conn, user: User) -> Response[str]:
    """Show an order to its buyer, its vendor or the coordinator."""
    me = signed_in(user)
    order = await get_order(conn, number, organization_id=me.organization_id)
    return await _order_page(request, conn, order, me)


def _day(form: Form, name: str) -> date:
    try:
        return date.fromisoformat(form.text(name))
    except ValueError:
        raise InvalidOrderStep(f"/{name}", "a day such as 2026-12-31") from None


def _units(form: Form, name: str) -> int:
    found = form.whole(name, 0, 10**9)
    if found is None:
        raise InvalidOrderStep(f"/{name}", "a whole number of units")
    return found


def _read_step(form: Form) -> OrderStep:
    """The step of the form's kind. Raises InvalidOrderStep for a field that is none."""
    note = form.text("note")
    match form.text("kind"):
        case "confirm":
            return Confirm(_day(form, "promised_on"), note)
        case "deliver":
            return Deliver(_day(form, "done_on"), _units(form, "quantity"), note)
        case "install":
            return Install(_day(form, "done_on"), note)
        case "inspect":
            reason = cast("RejectReason", form.text("reason")) if form.text("reason") in REASONS else None
            return Inspect(
                _day(form, "done_on"), _units(form, "accepted"), _units(form, "rejected"), reason, note
            )
        case "close":
            return Close(note)
        case _:
            raise InvalidOrderStep("/kind", "one of the buttons of the page")


def _sentence(error: InvalidOrderStep) -> str:
    """What to do about a field, in the language of the page."""
    return {
        "promised_on": gettext("오늘부터 발주 뒤 3년 안의 날짜를 적으세요."),
        "done_on": gettext("앞 단계의 날짜부터 오늘까지의 날짜를 적으세요."),
        "quantity": gettext("1 이상, 아직 오지 않은 수량까지의 정수를 적으세요."),
        "accepted": gettext("0 이상, 검수를 기다리는 수량까지의 정수를 적으세요."),
        "rejected": gettext("합격과 불합격의 합이 검수를 기다리는 수량과 같아야 합니다."),
        "reason": gettext("불합격이 있으면 사유를 고르고, 없으면 비워 두세요."),
        "note": gettext("1,000자까지 적을 수 있습니다."),
        "text": gettext("1자에서 2,000자 사이로 적어 주세요."),
    }.get(error.pointer.removeprefix("/"), gettext("이 화면의 단추로 다시 해 주세요."))


def _refusal(error: OrderStepRefused | SinglePurchaseConflict) -> str:
    if isinstance(error, SinglePurchaseConflict):
        return gettext("구매기업이 취소한 단독 구매입니다. 바뀐 것은 없습니다.")
    return {
        "not_ordered": gettext("운영자가 아직 발주하지 않은 회차입니다. 바뀐 것은 없습니다."),
        "fell_away": gettext("수량이 없어진 주문입니다. 바뀐 것은 없습니다."),
        "nothing_open": gettext("남은 수량이 없습니다. 바뀐 것은 없습니다."),
        "in_warranty": gettext("보증 기간이 끝나야 종료할 수 있습니다. 바뀐 것은 없습니다."),
    }.get(
        error.reason,
        gettext("주문이 그사이 다른 단계로 갔습니다. 아래 내용을 확인하세요. 바뀐 것은 없습니다."),
    )


def _file_sentence(error: FileRefused) -> str:
    return {
        "too_many": gettext("한 번에 파일 세 개, 주문 하나에 100개까지 올릴 수 있습니다."),
        "empty": gettext("빈 파일입니다."),
        "too_large": gettext("파일 하나는 10 MiB까지입니다."),
        "not_a_picture_or_pdf": gettext("PNG, JPEG, PDF 파일만 받습니다."),
        "not_what_its_name_says": gettext("파일의 내용이 이름의 확장자와 다릅니다."),
    }.get(error.reason, str(error))


async def _write(request: AnyRequest, number: str, pool: Pool, user: User, *, is_talk: bool) -> Response[Any]:
    """Take a step or say something, with its files: all of it or, with the reason on the page, nothing."""
    me, form = require_party(user), await read_form(request)
    files = [(upload.name, upload.content) for upload in form.uploads.values()]
    own_id = form.uuid("message_id" if is_talk else "step_id")
    prefix = "talk_" if is_talk else ""
    status = 400
    try:
        async with transaction(pool) as conn:
            if is_talk:
                await say(conn, number=number, message_id=own_id, text=form.text("text"), actor=me.actor)
            else:
                await take_order_step(
                    conn, number=number, step_id=own_id, step=_read_step(form), actor=me.actor
                )
            await keep_order_files(conn, parent_id=own_id, files=files, actor=me.actor)
    except InvalidOrderStep as error:
        field = error.pointer.removeprefix("/")
        errors = {"form" if field == "kind" else field: _sentence(error)}
    except FileRefused as error:
        errors = {f"{prefix}files": _file_sentence(error)}
    except (OrderStepRefused, SinglePurchaseConflict) as error:
        errors, status = {"form": _refusal(error)}, 409
    else:
        notice = "order-said" if is_talk else f"order-{form.text('kind')}"
        return see_other(f"/orders/{number}", notice=notice)
    async with transaction(pool) as conn:
        order = await get_order(conn, number, organization_id=me.organization_id)
        return await _order_page(request, conn, order, me, errors=errors, values=form.texts, status=status)


@post(
    "/orders/{number:str}/steps",
    opt={"audience": "member"},
    include_in_schema=False,
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def order_step_submit(
    request: AnyRequest, number: FromPath[str], pool: Pool, user: User
) -> Response[Any]:
    """Take the step of the form, with its photos."""
    return await _write(request, number, pool, user, is_talk=False)


@post(
    "/orders/{number:str}/messages",
    opt={"audience": "member"},
    include_in_schema=False,
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def order_message_submit(
    request: AnyRequest, number: FromPath[str], pool: Pool, user: User
) -> Response[Any]:
    """Say something about the order, with files."""
    return await _write(request, number, pool, user, is_talk=True)


@get("/orders/{number:str}/files/{file_id:uuid}", opt={"audience": "member"}, include_in_schema=False)
async def order_file(
    number: FromPath[str], file_id: FromPath[UUID], conn: Conn, user: User
) -> Response[bytes]:
    """Hand out a file of an order to its three parties: pictures to look at, all else as a download."""
    me = signed_in(user)
    found = await read_order_file(conn, number=number, file_id=file_id, organization_id=me.organization_id)
    is_picture = found.media_type.startswith("image/")
    return Response(
        found.content,
        media_type=found.media_type,
        headers={
            "content-disposition": "inline" if is_picture else "attachment",
            "cache-control": "private, no-store",
        },
    )


ORDER_PAGES = [orders_page, order_page, order_step_submit, order_message_submit, order_file]
