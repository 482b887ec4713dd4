"""A factory's demands: what it needs, by when, at which price at most. Coordinators and pooling pick them up."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from litestar import Response, get, post
from litestar.params import FromPath

from catalog.core.money import CAPACITY_MAX, ROUND_KRW_MAX
from catalog.demands import CATEGORIES, DemandInput, list_demands, place_demand, withdraw_demand
from catalog.errors import DemandStateConflict, InvalidDemand
from group_buy.transactions import transaction
from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest, Conn, Pool, User, signed_in
from marketplace.web.forms import Form, read_form
from marketplace.web.i18n import gettext
from marketplace.web.render import page_response, see_other


async def _demands_page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    me: CurrentUser,
    *,
    form: Form | None = None,
    errors: dict[str, str] | None = None,
) -> Response[str]:
    return page_response(
        request,
        "demands.html",
        status_code=400 if errors else 200,
        section="my",
        demands=await list_demands(conn, factory_id=me.organization_id),
        categories=CATEGORIES,
        demand_id=form.text("demand_id") if form is not None else str(uuid4()),
        values=form.texts if form is not None else {},
        errors=errors or {},
    )


@get("/my/demands", opt={"audience": "buyer"}, include_in_schema=False)
async def demands_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """List one's own demands, with the form for a new one."""
    return await _demands_page(request, conn, signed_in(user))


def _read_demand(form: Form) -> DemandInput | dict[str, str]:
    """The demand that was typed, or what is wrong by field."""
    errors: dict[str, str] = {}
    numbers: dict[str, int | None] = {}
    limits = {
        "quantity_min": CAPACITY_MAX,
        "quantity_max": CAPACITY_MAX,
        "ceiling_unit_price_krw": ROUND_KRW_MAX,
    }
    for name, most in limits.items():
        numbers[name] = form.whole(name, 1, most)
        if numbers[name] is None and (form.text(name) or name == "quantity_max"):
            errors[name] = gettext("1 이상의 정수를 적으세요.")
    needed_by = None
    if form.text("needed_by"):
        try:
            needed_by = date.fromisoformat(form.text("needed_by"))
        except ValueError:
            errors["needed_by"] = gettext("날짜를 고르세요.")
    quantity_max = numbers["quantity_max"]
    if errors or quantity_max is None:
        return errors
    return DemandInput(
        category=form.text("category"),
        quantity_max=quantity_max,
        quantity_min=numbers["quantity_min"] or 1,
        subcategory=form.optional("subcategory"),
        ceiling_unit_price_krw=numbers["ceiling_unit_price_krw"],
        needed_by=needed_by,
        note=form.text("note"),
    )


@post("/my/demands", opt={"audience": "buyer"}, include_in_schema=False)
async def demand_submit(request: AnyRequest, pool: Pool, user: User) -> Response[Any]:
    """Say what the factory needs."""
    me, form = signed_in(user), await read_form(request)
    wanted = _read_demand(form)
    errors = wanted if isinstance(wanted, dict) else {}
    if isinstance(wanted, DemandInput):
        try:
            async with transaction(pool) as conn:
                await place_demand(conn, demand_id=form.uuid("demand_id"), wanted=wanted, actor=me.actor)
            return see_other("/my/demands", notice="demand-kept")
        except InvalidDemand as refusal:
            errors = _explained(refusal)
        except DemandStateConflict:
            errors = {"form": gettext("이 수요는 이미 저장되어 있습니다. 새로 적으려면 화면을 새로 여세요.")}
    async with transaction(pool) as conn:
        return await _demands_page(request, conn, me, form=form, errors=errors)


def _explained(refusal: InvalidDemand) -> dict[str, str]:
    """The field that is wrong, with what to do about it."""
    texts = {
        "category": gettext("분류를 고르세요."),
        "subcategory": gettext("100자까지 적으세요."),
        "quantity_min": gettext("최소 수량은 최대 수량보다 클 수 없습니다."),
        "quantity_max": gettext("1 이상 100만 이하의 정수를 적으세요."),
        "needed_by": gettext("오늘부터 10년 안의 날짜를 고르세요."),
        "note": gettext("1000자까지 적으세요."),
    }
    field = refusal.pointer.removeprefix("/")
    if field not in texts:
        return {"form": gettext("열린 수요가 너무 많습니다. 필요 없는 것을 먼저 거두세요.")}
    return {field: texts[field]}


@post("/my/demands/{demand_id:uuid}/withdraw", opt={"audience": "buyer"}, include_in_schema=False)
async def demand_withdraw_submit(demand_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Take a demand back."""
    await withdraw_demand(conn, demand_id=demand_id, actor=signed_in(user).actor)
    return see_other("/my/demands", notice="demand-withdrawn")


DEMAND_PAGES = [demands_page, demand_submit, demand_withdraw_submit]
