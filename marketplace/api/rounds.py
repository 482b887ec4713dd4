"""Rounds and pledges as JSON: read, open, close early, pledge by PUT, change, verify funding."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, get, post, put
from litestar.params import FromPath, JSONBody

from group_buy.closing import begin_closing
from group_buy.core.clearing import AllocationRule
from group_buy.core.pledge import Funding, LineInput, Pledge
from group_buy.core.round import Round, RoundPolicies, RoundState
from group_buy.meeting_demands import tell_demanding
from group_buy.pledging import change_pledge, get_pledge, place_pledge
from group_buy.receiving import FundingKind, mark_transferred, verify_funding
from group_buy.rounds import Progress, get_round, get_round_code, list_rounds, open_round, read_progress
from marketplace.accounts.access import viewer_of
from marketplace.deps import Config, Conn, Live, User, signed_in

LISTED_STATES: tuple[RoundState, ...] = (
    "announced",
    "open",
    "fill_up",
    "closing",
    "cleared",
    "released",
    "settled",
)


Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""A point in time with its offset: without one, nobody knows which it is."""


class RoundView(msgspec.Struct, frozen=True):
    """A round with its live progress."""

    buying_round: Round
    progress: Progress


class PledgeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a buyer asks for: how it is funded, and up to eight lines."""

    lines: tuple[LineInput, ...]
    funding: Funding = "transfer"


class PledgeChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lines of a pledge's next version; none = withdraw."""

    lines: tuple[LineInput, ...]


class RoundRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new round on an offer; instants in UTC, `deposit_bp` in basis points."""

    code: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{2,60}$")]
    offer_code: str
    closes_at: Instant
    opens_at: Instant | None = None
    allocation_rule: AllocationRule = "pro_rata"
    deposit_bp: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 1000
    may_close_early: bool = False
    policies: RoundPolicies = RoundPolicies()


class FundingRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What backs a transfer pledge; `received_krw` is the won that arrived, for a deposit."""

    kind: FundingKind
    received_krw: Annotated[int, msgspec.Meta(ge=0, le=10**15)] = 0


class RoundsController(Controller):
    """`/api/rounds`"""

    path = "/api/rounds"
    tags = ("rounds",)

    @get("/", opt={"audience": "anyone"})
    async def list_all(self, conn: Conn, user: User) -> list[Round]:
        """List the rounds one may see, the soonest deadline first."""
        return await list_rounds(conn, viewer=viewer_of(user), states=LISTED_STATES)

    @get("/{code:str}", opt={"audience": "anyone"})
    async def read(self, code: FromPath[str], conn: Conn, user: User) -> RoundView:
        """Read one round and where it stands."""
        buying_round = await get_round(conn, code, viewer=viewer_of(user))
        return RoundView(buying_round, await read_progress(conn, buying_round))

    @post("/", opt={"audience": "operator"})
    async def open(self, data: JSONBody[RoundRequest], conn: Conn, user: User, config: Config) -> Round:
        """Open a round on an offer, now or at a later time."""
        me = signed_in(user)
        now = await conn.fetchval("SELECT clock_timestamp()")
        opened = await open_round(
            conn,
            code=data.code,
            offer_code=data.offer_code,
            coordinator_id=me.organization_id,
            opens_at=data.opens_at or now,
            closes_at=data.closes_at,
            allocation_rule=data.allocation_rule,
            deposit_bp=data.deposit_bp,
            may_close_early=data.may_close_early,
            funding_window=timedelta(hours=config.funding_window_hours),
            policies=data.policies,
            settlement=config.settlement,
            actor=me.actor,
        )
        await tell_demanding(conn, opened)
        return opened

    @post("/{code:str}/close", opt={"audience": "operator"}, status_code=202)
    async def close(self, code: FromPath[str], conn: Conn, user: User) -> dict[str, Any]:
        """Stop the pledges of a round before its deadline; clearing follows once the money is confirmed."""
        me = signed_in(user)
        await get_round(conn, code, viewer=me.viewer)
        await begin_closing(conn, code=code, actor=me.actor, coordinator_id=me.organization_id, early=True)
        return {"code": code, "state": "closing"}

    @put("/{code:str}/pledges/{pledge_id:uuid}", opt={"audience": "buyer"})
    async def pledge(
        self,
        code: FromPath[str],
        pledge_id: FromPath[UUID],
        data: JSONBody[PledgeRequest],
        conn: Conn,
        user: User,
        live: Live,
    ) -> Pledge:
        """Place a pledge under an id made by the client; the same request twice is one pledge."""
        me = signed_in(user)
        live.changed(code)
        return await place_pledge(
            conn,
            round_code=code,
            pledge_id=pledge_id,
            buyer=me.viewer,
            person_id=me.person_id,
            funding=data.funding,
            lines=data.lines,
        )


class PledgesController(Controller):
    """`/api/pledges`"""

    path = "/api/pledges"
    tags = ("pledges",)

    @get("/{pledge_id:uuid}", opt={"audience": "buyer"})
    async def read(self, pledge_id: FromPath[UUID], conn: Conn, user: User) -> Pledge:
        """Read one's own pledge."""
        return await get_pledge(conn, pledge_id, buyer_id=signed_in(user).organization_id)

    @put("/{pledge_id:uuid}/versions/{version:int}", opt={"audience": "buyer"})
    async def change(
        self,
        pledge_id: FromPath[UUID],
        version: FromPath[int],
        data: JSONBody[PledgeChange],
        conn: Conn,
        user: User,
        live: Live,
    ) -> Pledge:
        """Write the next version of a pledge; without lines it is withdrawn."""
        me = signed_in(user)
        changed = await change_pledge(
            conn,
            pledge_id=pledge_id,
            buyer=me.viewer,
            person_id=me.person_id,
            version=version,
            lines=data.lines,
        )
        live.changed(await get_round_code(conn, changed.round_id))
        return changed

    @put("/{pledge_id:uuid}/funding", opt={"audience": "operator"}, status_code=204)
    async def fund(
        self, pledge_id: FromPath[UUID], data: JSONBody[FundingRequest], conn: Conn, user: User
    ) -> None:
        """Confirm what backs a transfer pledge: from now on it counts."""
        me = signed_in(user)
        await verify_funding(
            conn,
            pledge_id=pledge_id,
            coordinator_id=me.organization_id,
            kind=data.kind,
            received_krw=data.received_krw,
            actor=me.actor,
        )


class ChargesController(Controller):
    """`/api/charges`"""

    path = "/api/charges"
    tags = ("charges",)

    @post("/{charge_id:uuid}/received", opt={"audience": "operator"}, status_code=204)
    async def received(self, charge_id: FromPath[UUID], conn: Conn, user: User) -> None:
        """Record that a balance arrived, or a refund was paid out, by transfer."""
        me = signed_in(user)
        await mark_transferred(conn, charge_id=charge_id, coordinator_id=me.organization_id, actor=me.actor)
