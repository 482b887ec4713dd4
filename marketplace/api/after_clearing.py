"""After clearing, as JSON: lapses and consents, orders and deliveries, site surveys, substitutes, single purchases."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import delete, get, post, put
from litestar.exceptions import PermissionDeniedException
from litestar.params import FromPath, JSONBody

from catalog.core.money import ROUND_KRW_MAX
from group_buy.after_clearing import (
    ChangeView,
    ConsentView,
    DecisionView,
    SurveyView,
    list_changes,
    list_consents,
    list_decisions,
    list_surveys,
)
from group_buy.consenting import answer_consent
from group_buy.delivering import order_round, record_delivery, settle_round
from group_buy.errors import PledgeNotFound, RoundNotFound
from group_buy.lapsing import lapse_pledges
from group_buy.rounds import get_round
from group_buy.single_purchasing import (
    SinglePurchase,
    buy_single,
    cancel_single,
    confirm_single,
    list_single_purchases,
)
from group_buy.substituting import RankedRound, Substitute, list_substitutes, rank_substitutes
from group_buy.surveying import accept_survey_quote, leave_after_survey, record_survey_quote
from marketplace.accounts.access import CurrentUser, belongs_to
from marketplace.deps import Conn, User, signed_in

Krw = Annotated[int, msgspec.Meta(ge=0, le=ROUND_KRW_MAX)]
Units = Annotated[int, msgspec.Meta(ge=0, le=2_000_000)]


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A yes or a no to a dearer price."""

    answer: Literal["yes", "no"]


class SurveyAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the buyer says to a quote of site work; leaving is for quotes above the round's cap."""

    answer: Literal["accept", "leave"]


class SurveyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What site work would cost: won without VAT."""

    quote_krw: Krw
    note: str = ""


class Quantity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number of units."""

    quantity: Units


class Ranking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a pledge goes when it wins nothing, best first; none = nowhere."""

    substitutes: tuple[Substitute, ...]


def require_seller(user: CurrentUser | None) -> CurrentUser:
    """The person, if they act for a vendor or a coordinator; whose round it is, the statement decides.

    Raises:
        PermissionDeniedException: of another kind, or without the role.
    """
    if not belongs_to(user, "operator") and not belongs_to(user, "lister"):
        raise PermissionDeniedException("this is for: operator, lister")
    return signed_in(user)


@get("/api/rounds/{code:str}/decisions", opt={"audience": "operator"}, tags=["after clearing"])
async def read_decisions(code: FromPath[str], conn: Conn, user: User) -> list[DecisionView]:
    """List the decisions of one's own round, with every step that was tried."""
    me = signed_in(user)
    buying_round = await get_round(conn, code, viewer=me.viewer)
    if buying_round.coordinator_id != me.organization_id:
        raise RoundNotFound(code)
    return await list_decisions(conn, round_id=buying_round.id, code=code)


@put(
    "/api/rounds/{code:str}/lapses/{pledge_id:uuid}",
    opt={"audience": "operator"},
    status_code=204,
    tags=["after clearing"],
)
async def record_lapse(code: FromPath[str], pledge_id: FromPath[UUID], conn: Conn, user: User) -> None:
    """Record that an allocated pledge will not be paid for: the round is decided again. Once is enough."""
    me = signed_in(user)
    await lapse_pledges(
        conn,
        code=code,
        pledge_ids=frozenset({pledge_id}),
        actor=me.actor,
        coordinator_id=me.organization_id,
    )


@get("/api/consents", opt={"audience": "buyer"}, tags=["after clearing"])
async def read_consents(conn: Conn, user: User) -> list[ConsentView]:
    """List the questions about dearer prices to one's own factory, the open ones first."""
    return await list_consents(conn, buyer_id=signed_in(user).organization_id)


@put(
    "/api/pledges/{pledge_id:uuid}/consents/{unit_price_krw:int}",
    opt={"audience": "buyer"},
    status_code=204,
    tags=["after clearing"],
)
async def put_consent(
    pledge_id: FromPath[UUID], unit_price_krw: FromPath[int], data: JSONBody[Answer], conn: Conn, user: User
) -> None:
    """Say yes or no to a dearer price; the same answer again changes nothing, a late or another one is refused."""
    await answer_consent(
        conn,
        pledge_id=pledge_id,
        unit_price_krw=min(unit_price_krw, ROUND_KRW_MAX),
        is_yes=data.answer == "yes",
        actor=signed_in(user).actor,
    )


@post("/api/rounds/{code:str}/order", opt={"audience": "operator"}, status_code=204, tags=["after clearing"])
async def post_order(code: FromPath[str], conn: Conn, user: User) -> None:
    """Record that the vendor got the order of a cleared round."""
    me = signed_in(user)
    await order_round(conn, code=code, coordinator_id=me.organization_id, actor=me.actor)


@put("/api/rounds/{code:str}/delivery", opt={"audience": "member"}, tags=["after clearing"])
async def put_delivery(
    code: FromPath[str], data: JSONBody[Quantity], conn: Conn, user: User
) -> dict[str, Any]:
    """Record how many units came, as the round's vendor or coordinator; they are shared by the round's rule."""
    me = require_seller(user)
    returned = await record_delivery(conn, code=code, quantity=data.quantity, actor=me.actor)
    return {"code": code, "quantity": data.quantity, "returned": returned}


@post("/api/rounds/{code:str}/settle", opt={"audience": "operator"}, status_code=204, tags=["after clearing"])
async def post_settled(code: FromPath[str], conn: Conn, user: User) -> None:
    """Record that every charge of a delivered round is final."""
    me = signed_in(user)
    await settle_round(conn, code=code, coordinator_id=me.organization_id, actor=me.actor)


@get("/api/allocation-changes", opt={"audience": "buyer"}, tags=["after clearing"])
async def read_changes(conn: Conn, user: User) -> list[ChangeView]:
    """List how one's own allocations changed after they were announced."""
    return await list_changes(conn, buyer_id=signed_in(user).organization_id)


@put(
    "/api/pledges/{pledge_id:uuid}/survey-quote",
    opt={"audience": "member"},
    status_code=204,
    tags=["after clearing"],
)
async def put_survey_quote(
    pledge_id: FromPath[UUID], data: JSONBody[SurveyRequest], conn: Conn, user: User
) -> None:
    """Record what site work at a buyer's site would cost, as the round's vendor or coordinator; the first stands."""
    me = require_seller(user)
    await record_survey_quote(
        conn, pledge_id=pledge_id, quote_krw=data.quote_krw, note=data.note, actor=me.actor
    )


@get("/api/pledges/{pledge_id:uuid}/survey", opt={"audience": "buyer"}, tags=["after clearing"])
async def read_survey(pledge_id: FromPath[UUID], conn: Conn, user: User) -> SurveyView:
    """Read the quote of site work for one's own pledge."""
    found = await list_surveys(conn, buyer_id=signed_in(user).organization_id, pledge_id=pledge_id)
    if not found:
        raise PledgeNotFound(pledge_id)
    return found[0]


@put(
    "/api/pledges/{pledge_id:uuid}/survey-answer",
    opt={"audience": "buyer"},
    status_code=204,
    tags=["after clearing"],
)
async def put_survey_answer(
    pledge_id: FromPath[UUID], data: JSONBody[SurveyAnswer], conn: Conn, user: User
) -> None:
    """Accept the quote of site work, or leave free of charge where it is above the round's cap."""
    answer = accept_survey_quote if data.answer == "accept" else leave_after_survey
    await answer(conn, pledge_id=pledge_id, actor=signed_in(user).actor)


@get("/api/pledges/{pledge_id:uuid}/substitutes", opt={"audience": "buyer"}, tags=["pledges"])
async def read_substitutes(pledge_id: FromPath[UUID], conn: Conn, user: User) -> list[RankedRound]:
    """List where one's own pledge goes when it wins nothing, best first."""
    return await list_substitutes(conn, pledge_id=pledge_id, buyer_id=signed_in(user).organization_id)


@put("/api/pledges/{pledge_id:uuid}/substitutes", opt={"audience": "buyer"}, tags=["pledges"])
async def put_substitutes(
    pledge_id: FromPath[UUID], data: JSONBody[Ranking], conn: Conn, user: User
) -> list[RankedRound]:
    """Say where a pledge goes when it wins nothing; replaces what was said."""
    me = signed_in(user)
    await rank_substitutes(
        conn, pledge_id=pledge_id, buyer=me.viewer, person_id=me.person_id, substitutes=data.substitutes
    )
    return await list_substitutes(conn, pledge_id=pledge_id, buyer_id=me.organization_id)


@delete("/api/pledges/{pledge_id:uuid}/substitutes", opt={"audience": "buyer"}, tags=["pledges"])
async def delete_substitutes(pledge_id: FromPath[UUID], conn: Conn, user: User) -> None:
    """Take the ranking back: the pledge goes nowhere when it wins nothing."""
    me = signed_in(user)
    await rank_substitutes(conn, pledge_id=pledge_id, buyer=me.viewer, person_id=me.person_id, substitutes=())


@get("/api/single-purchases", opt={"audience": "member"}, tags=["single purchases"])
async def read_single_purchases(conn: Conn, user: User) -> list[SinglePurchase]:
    """List the single purchases that one's organization buys, sells or coordinates, the newest first."""
    return await list_single_purchases(conn, organization_id=signed_in(user).organization_id)


@put(
    "/api/rounds/{code:str}/single-purchases/{purchase_id:uuid}",
    opt={"audience": "buyer"},
    tags=["single purchases"],
)
async def put_single_purchase(
    code: FromPath[str], purchase_id: FromPath[UUID], data: JSONBody[Quantity], conn: Conn, user: User
) -> SinglePurchase:
    """Buy alone at the frozen price after a shortfall, under an id made by the client."""
    me = signed_in(user)
    return await buy_single(
        conn,
        purchase_id=purchase_id,
        round_code=code,
        quantity=data.quantity,
        buyer=me.viewer,
        person_id=me.person_id,
    )


@post(
    "/api/single-purchases/{purchase_id:uuid}/cancel",
    opt={"audience": "buyer"},
    status_code=204,
    tags=["single purchases"],
)
async def post_single_cancel(purchase_id: FromPath[UUID], conn: Conn, user: User) -> None:
    """Take one's own purchase back while the vendor has not confirmed it."""
    await cancel_single(conn, purchase_id=purchase_id, actor=signed_in(user).actor)


@post(
    "/api/single-purchases/{purchase_id:uuid}/confirm",
    opt={"audience": "lister"},
    status_code=204,
    tags=["single purchases"],
)
async def post_single_confirm(purchase_id: FromPath[UUID], conn: Conn, user: User) -> None:
    """Confirm, as its vendor, that a single purchase will be delivered."""
    await confirm_single(conn, purchase_id=purchase_id, actor=signed_in(user).actor)


AFTER_CLEARING_API = [
    read_decisions,
    record_lapse,
    read_consents,
    put_consent,
    post_order,
    put_delivery,
    post_settled,
    read_changes,
    put_survey_quote,
    read_survey,
    put_survey_answer,
    read_substitutes,
    put_substitutes,
    delete_substitutes,
    read_single_purchases,
    put_single_purchase,
    post_single_cancel,
    post_single_confirm,
]
