"""Sponsorships for programs: the coordinator's offers, the sponsor's consent, what is owed and paid."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, JSONBody

from catalog.core.money import ROUND_KRW_MAX
from group_buy.core.sponsorship import SponsorshipKind
from group_buy.sponsor_parts import MEMBERS_MAX
from group_buy.sponsor_reading import (
    SponsorshipView,
    find_promises,
    list_round_sponsorships,
    list_sponsorships,
)
from group_buy.sponsoring import (
    NOTE_LENGTH_MAX,
    confirm_sponsorship,
    make_sponsorship,
    release_sponsorship,
    revoke_sponsorship,
)
from marketplace.deps import Conn, User, signed_in, signing

Code = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class SponsorshipRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share of each member's total (`share_bp`, at most `krw_max` won each), or a top-up of `krw_max` won for all."""

    sponsor: Code
    kind: SponsorshipKind
    members: Annotated[tuple[Code, ...], msgspec.Meta(min_length=1, max_length=MEMBERS_MAX)]
    share_bp: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | None = None
    krw_max: Annotated[int, msgspec.Meta(ge=1, le=ROUND_KRW_MAX)] | None = None
    note: Annotated[str, msgspec.Meta(max_length=NOTE_LENGTH_MAX)] = ""


@get("/api/my/sponsorships", opt={"audience": "member"}, tags=["sponsors"])
async def read_my_sponsorships(conn: Conn, user: User) -> list[SponsorshipView]:
    """List what one's own organization was asked to sponsor, with what it owes and paid, at most 200."""
    return await list_sponsorships(conn, sponsor_id=signed_in(user).organization_id)


@get("/api/my/promises", opt={"audience": "buyer"}, tags=["sponsors"])
async def read_my_promises(conn: Conn, user: User) -> list[SponsorshipView]:
    """List what sponsors have confirmed for one's own factory; other members are not named."""
    return await find_promises(conn, buyer_id=signed_in(user).organization_id)


@get("/api/rounds/{code:str}/sponsorships", opt={"audience": "operator"}, tags=["sponsors"])
async def read_sponsorships(code: FromPath[str], conn: Conn, user: User) -> list[SponsorshipView]:
    """List the sponsorships of one's own round, at most 200; none for another's."""
    return await list_round_sponsorships(conn, code=code, coordinator_id=signed_in(user).organization_id)


@put(
    "/api/rounds/{code:str}/sponsorships/{sponsorship_id:uuid}",
    opt={"audience": "operator"},
    status_code=204,
    tags=["sponsors"],
)
async def put_sponsorship(
    code: FromPath[str],
    sponsorship_id: FromPath[UUID],
    data: JSONBody[SponsorshipRequest],
    conn: Conn,
    user: User,
) -> None:
    """Offer a sponsorship under an id of one's own making. Raises RoundNotFound, InvalidSponsorship, SponsorshipRefused."""
    await make_sponsorship(
        conn,
        sponsorship_id=sponsorship_id,
        round_code=code,
        sponsor_code=data.sponsor,
        kind=data.kind,
        share_bp=data.share_bp,
        krw_max=data.krw_max,
        member_codes=data.members,
        note=data.note,
        actor=signed_in(user).actor,
    )


@post(
    "/api/sponsorships/{sponsorship_id:uuid}/confirm",
    opt={"audience": "member"},
    status_code=204,
    tags=["sponsors"],
)
async def post_confirmation(sponsorship_id: FromPath[UUID], conn: Conn, user: User) -> None:
    """Confirm, as its sponsor; once is enough. Raises SponsorshipNotFound, SponsorshipRefused."""
    await confirm_sponsorship(conn, sponsorship_id=sponsorship_id, actor=signing(user).actor)


@post(
    "/api/sponsorships/{sponsorship_id:uuid}/revoke",
    opt={"audience": "member"},
    status_code=204,
    tags=["sponsors"],
)
async def post_revocation(sponsorship_id: FromPath[UUID], conn: Conn, user: User) -> None:
    """Take back, as its sponsor or coordinator, before the close. Raises SponsorshipNotFound, SponsorshipRefused."""
    await revoke_sponsorship(conn, sponsorship_id=sponsorship_id, actor=signing(user).actor)


@post(
    "/api/sponsorships/{sponsorship_id:uuid}/release",
    opt={"audience": "operator"},
    status_code=200,
    tags=["sponsors"],
)
async def post_release(sponsorship_id: FromPath[UUID], conn: Conn, user: User) -> dict[str, int]:
    """Let a sponsor off what is unpaid; its members owe it. Raises SponsorshipNotFound, SponsorshipRefused."""
    krw = await release_sponsorship(conn, sponsorship_id=sponsorship_id, actor=signed_in(user).actor)
    return {"released_krw": krw}


SPONSORSHIPS_API = [
    read_my_sponsorships,
    read_my_promises,
    read_sponsorships,
    put_sponsorship,
    post_confirmation,
    post_revocation,
    post_release,
]
