"""Make a round on an offer with everything that is fixed before it opens, beside the demands it could meet."""

import re
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from catalog.core.money import ROUND_KRW_MAX
from catalog.demands import list_open_demands
from catalog.errors import OfferNotFound
from group_buy.core.clearing import AllocationRule
from group_buy.core.round import RoundPolicies, ShortfallPolicy
from group_buy.errors import InvalidRound
from group_buy.meeting_demands import list_demands_for_offer, tell_demanding
from group_buy.repeating import SCHEDULE_MAX, schedule_rounds
from group_buy.rounds import KOREA, open_round
from group_buy.transactions import transaction
from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest, Config, Conn, Pool, User, signed_in
from marketplace.web.forms import Form, read_form
from marketplace.web.i18n import gettext
from marketplace.web.pages.coordinator import own_round
from marketplace.web.render import page_response, see_other
from marketplace.web.round_views import read_now

RULES: Final[tuple[AllocationRule, ...]] = ("pro_rata", "time", "price_time")
POLICIES: Final[tuple[ShortfallPolicy, ...]] = ("release", "extend", "carry", "lower_tier")
CODE: Final = re.compile(r"[a-z0-9][a-z0-9-]{2,60}")


class WrongFields(Exception):
    """What is wrong with the form, by field."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(", ".join(errors))
        self.errors = errors


async def _list_offers(conn: asyncpg.Connection) -> list[dict[str, Any]]:
    """Published offers that a round could be made on, by vendor and name."""
    rows = await conn.fetch(
        """
        SELECT o.code, coalesce(m.name_ko, p.name_ko) AS name_ko, coalesce(m.name_en, p.name_en) AS name_en,
               g.name_ko AS vendor_ko, g.name_en AS vendor_en
        FROM offers o JOIN organizations g ON g.id = o.vendor_id AND g.state = 'active'
        LEFT JOIN products p ON p.id = o.product_id
        LEFT JOIN package_versions v ON v.id = o.package_version_id
        LEFT JOIN package_models m ON m.id = v.package_model_id
        WHERE o.state = 'published'
          AND coalesce(o.valid_until, 'infinity') >= (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date
        ORDER BY g.name_ko, 2, o.id LIMIT 500
        """
    )
    return [dict(row) for row in rows]


async def _new_round_page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    *,
    offer: str,
    values: dict[str, str],
    errors: dict[str, str],
) -> Response[str]:
    demands = await list_demands_for_offer(conn, offer_code=offer) if offer else await list_open_demands(conn)
    return page_response(
        request,
        "coordinator_new_round.html",
        status_code=400 if errors else 200,
        section="coordinator",
        offers=await _list_offers(conn),
        offer=offer,
        demands=demands,
        rules=RULES,
        policies=POLICIES,
        values=values,
        errors=errors,
    )


@get("/coordinator/rounds/new", opt={"audience": "operator"}, include_in_schema=False)
async def new_round_page(request: AnyRequest, conn: Conn) -> Response[str]:
    """The form for a round, with the demands that the chosen offer could meet."""
    offer = request.query_params.get("offer", "")[:200]
    return await _new_round_page(request, conn, offer=offer, values={}, errors={})


class _Numbers:
    """Reads numbers and instants of the form, and remembers what is wrong."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.errors: dict[str, str] = {}

    def number(self, name: str, most: int, *, least: int = 0) -> int | None:
        """A whole number, or None where nothing was typed."""
        found = self.form.whole(name, least, most)
        if found is None and self.form.text(name):
            text = gettext("%(least)s부터 %(most)s까지의 정수를 적으세요.")
            self.errors[name] = text % {"least": f"{least:,}", "most": f"{most:,}"}
        return found

    def instant(self, name: str) -> datetime | None:
        """A moment in Korea, or None where nothing was typed."""
        if not self.form.text(name):
            return None
        try:
            return datetime.fromisoformat(self.form.text(name)).replace(tzinfo=KOREA)
        except ValueError:
            self.errors[name] = gettext("날짜와 시각을 고르세요(한국 시각).")
            return None


class _Wanted(msgspec.Struct, frozen=True):
    """A round as the form describes it; None for an opening now."""

    code: str
    opens_at: datetime | None
    closes_at: datetime
    allocation_rule: AllocationRule
    deposit_bp: int
    policies: RoundPolicies


def _read_wanted(form: Form) -> _Wanted:
    """Read the form. Raises WrongFields."""
    read = _Numbers(form)
    percent = read.number("deposit_percent", 100)
    policies = RoundPolicies(
        shortfall_policy=next(
            (each for each in POLICIES if each == form.text("shortfall_policy")), "release"
        ),
        extension_days=read.number("extension_days", 90) or 0,
        fallback_quantity_min=read.number("fallback_quantity_min", 10**6, least=1),
        fills_up_at=read.instant("fills_up_at"),
        withdrawal_lock_hours=read.number("withdrawal_lock_hours", 2160) or 0,
        delivery_tolerance=read.number("delivery_tolerance", 10**6) or 0,
        family=form.text("family")[:100] or None,
        family_position=read.number("family_position", 1000, least=1),
        survey_cap_krw=read.number("survey_cap_krw", ROUND_KRW_MAX),
    )
    opens_at, closes_at = read.instant("opens_at"), read.instant("closes_at")
    if not CODE.fullmatch(form.text("code")):
        read.errors["code"] = gettext("소문자, 숫자, 붙임표로 3~61자를 적으세요.")
    if closes_at is None:
        read.errors.setdefault("closes_at", gettext("날짜와 시각을 고르세요(한국 시각)."))
    if read.errors or closes_at is None:
        raise WrongFields(read.errors)
    return _Wanted(
        code=form.text("code"),
        opens_at=opens_at,
        closes_at=closes_at,
        allocation_rule=next((each for each in RULES if each == form.text("allocation_rule")), "pro_rata"),
        deposit_bp=(10 if percent is None else percent) * 100,
        policies=policies,
    )


def _explained(refusal: InvalidRound) -> dict[str, str]:
    """The field that breaks a rule, with the rule."""
    texts = {
        "code": gettext("이 코드는 이미 쓰고 있습니다. 다른 코드를 적으세요."),
        "offer_code": gettext(
            "이 공급 조건으로는 열 수 없습니다. 단가, 공급 한도, 묶음 단위, 유효 기간을 확인하세요."
        ),
        "closes_at": gettext("마감은 시작보다 뒤이고 지금보다 뒤여야 합니다."),
        "extension_days": gettext("연장을 고르면 1~90일을, 아니면 비워 두세요."),
        "fallback_quantity_min": gettext(
            "더 적은 수량으로 성사를 고른 때만, 첫 단가 수량보다 적게 적으세요."
        ),
        "fills_up_at": gettext("시작과 마감 사이여야 합니다."),
        "withdrawal_lock_hours": gettext("0~2160시간을 적으세요."),
        "delivery_tolerance": gettext("첫 단가 수량보다 적게 적으세요."),
        "family": gettext("묶음 이름과 순서를 함께 적으세요."),
        "family_position": gettext(
            "우리 기관의 묶음에서 비어 있고, 이미 마감한 회차보다 뒤인 순서를 적으세요."
        ),
        "survey_cap_krw": gettext("0원 이상을 적으세요."),
    }
    field = refusal.pointer.rpartition("/")[2]
    return {field if field in texts else "form": texts.get(field, refusal.detail)}


@post("/coordinator/rounds/new", opt={"audience": "operator"}, include_in_schema=False)
async def new_round_submit(request: AnyRequest, pool: Pool, user: User, config: Config) -> Response[Any]:
    """Make the round, and tell the factories whose demands it could meet."""
    me, form = signed_in(user), await read_form(request)
    offer = form.text("offer_code")[:200]
    try:
        wanted = _read_wanted(form)
        async with transaction(pool) as conn:
            await _open(conn, me, config, form, offer, wanted)
        return see_other(f"/coordinator/rounds/{wanted.code}", notice="round-opened")
    except WrongFields as wrong:
        errors = wrong.errors
    except InvalidRound as refusal:
        errors = _explained(refusal)
    except OfferNotFound:
        errors = {"offer_code": gettext("목록에서 공급 조건을 고르세요.")}
    async with transaction(pool) as conn:
        return await _new_round_page(request, conn, offer=offer, values=form.texts, errors=errors)


async def _open(
    conn: asyncpg.Connection, me: CurrentUser, config: Config, form: Form, offer: str, wanted: _Wanted
) -> None:
    opened = await open_round(
        conn,
        code=wanted.code,
        offer_code=offer,
        coordinator_id=me.organization_id,
        opens_at=wanted.opens_at or await read_now(conn),
        closes_at=wanted.closes_at,
        allocation_rule=wanted.allocation_rule,
        deposit_bp=wanted.deposit_bp,
        may_close_early=form.is_checked("may_close_early"),
        funding_window=timedelta(hours=0 if config.is_demo else config.funding_window_hours),
        policies=wanted.policies,
        settlement=config.settlement,
        actor=me.actor,
    )
    await tell_demanding(conn, opened)


@post("/coordinator/rounds/{code:str}/schedule", opt={"audience": "operator"}, include_in_schema=False)
async def schedule_submit(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Announce several rounds of the same kind, one every so many days."""
    me, form = signed_in(user), await read_form(request)
    buying_round = await own_round(conn, code, me)
    first = form.whole("first_in_days", 0, 365)
    every, count = form.whole("every_days", 1, 365), form.whole("count", 1, SCHEDULE_MAX)
    if first is None or every is None or count is None:
        return see_other(f"/coordinator/rounds/{code}", notice="schedule-refused")
    scheduled = await schedule_rounds(
        conn,
        buying_round=buying_round,
        first_opens_at=await read_now(conn) + timedelta(days=first),
        every_days=every,
        count=count,
        actor=me.actor,
    )
    return see_other(f"/coordinator/rounds/{scheduled[0].code}", notice="rounds-scheduled")


NEW_ROUND_PAGES = [new_round_page, new_round_submit, schedule_submit]
