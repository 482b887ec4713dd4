"""Sponsorships: the coordinator names sponsor and members of a round, the sponsor confirms and sees what it owes."""

import re
from decimal import Decimal
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
from litestar import Response, get, post
from litestar.params import FromPath

from catalog.core.money import ROUND_KRW_MAX
from group_buy.core.round import Round
from group_buy.core.sponsorship import SponsorshipKind
from group_buy.errors import InvalidSponsorship, SponsorshipRefused
from group_buy.sponsor_reading import list_round_sponsorships, list_sponsorships
from group_buy.sponsoring import (
    confirm_sponsorship,
    make_sponsorship,
    release_sponsorship,
    revoke_sponsorship,
)
from group_buy.transactions import transaction
from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest, Conn, Pool, User, signed_in, signing
from marketplace.web.forms import Form, read_form
from marketplace.web.labels import label
from marketplace.web.pages.coordinator import own_round
from marketplace.web.render import page_response, see_other
from marketplace.web.round_views import read_goods, shown_round

PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,2})?")


async def _round_page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    me: CurrentUser,
    code: str,
    *,
    status_code: int = 200,
    **context: Any,
) -> Response[str]:
    buying_round: Round = await own_round(conn, code, me)
    members = await conn.fetch(
        """
        SELECT o.code, o.name_ko, o.name_en FROM organizations o
        WHERE o.kind = 'factory' AND o.state = 'active' AND EXISTS (
            SELECT FROM pledges p WHERE p.buyer_id = o.id AND p.round_id = $1)
        ORDER BY o.name_ko LIMIT 1000
        """,
        buying_round.id,
    )
    sponsors = await conn.fetch(
        "SELECT code, name_ko, name_en FROM organizations WHERE state = 'active' AND id <> $1 ORDER BY name_ko LIMIT 1000",
        buying_round.vendor_id,
    )
    shown: dict[str, Any] = {
        "section": "coordinator",
        "buying_round": shown_round(buying_round, await read_goods(conn, offer_id=buying_round.offer_id)),
        "sponsorships": await list_round_sponsorships(conn, code=code, coordinator_id=me.organization_id),
        "may_make": buying_round.state in {"draft", "announced", "open", "fill_up"},
        "pledged": [dict(row) for row in members],
        "sponsors": [dict(row) for row in sponsors],
        "sponsorship_id": str(uuid4()),
        "errors": {},
        "values": {},
        "ticked": set(),
    }
    return page_response(request, "sponsorships.html", status_code=status_code, **shown | context)


@get("/coordinator/rounds/{code:str}/sponsorships", opt={"audience": "operator"}, include_in_schema=False)
async def round_sponsorships_page(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[str]:
    """Show a round's sponsorships, and the form for one more while the round is open."""
    return await _round_page(request, conn, signed_in(user), code)


def _read_won(form: Form, name: str) -> int | None:
    """Won as typed, with commas or without; None where nothing was typed."""
    text = form.text(name).replace(",", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and 1 <= int(text) <= ROUND_KRW_MAX):
        raise InvalidSponsorship(f"/{name}", "sum", "whole won")
    return int(text)


def _read_share(form: Form) -> int:
    """Percent as typed, to two decimals, as basis points."""
    text = form.text("share_percent").removesuffix("%").strip()
    if PERCENT.fullmatch(text) is None:
        raise InvalidSponsorship("/share_percent", "share", "percent with at most two decimals")
    return int(Decimal(text) * 100)


def _members_of(form: Form) -> list[str]:
    """Ticked boxes and typed codes, one a line or between commas."""
    return [
        code.strip()
        for name in ("member", "members")
        for code in re.split(r"[;,\s]+", form.text(name))
        if code.strip()
    ]


@post("/coordinator/rounds/{code:str}/sponsorships", opt={"audience": "operator"}, include_in_schema=False)
async def sponsorship_submit(
    request: AnyRequest, code: FromPath[str], pool: Pool, user: User
) -> Response[Any]:
    """Offer a sponsorship to its sponsor."""
    me, form = signed_in(user), await read_form(request)
    kind = form.text("kind")
    try:
        if kind not in {"share", "top_up"}:
            raise InvalidSponsorship("/kind", "kind", "share or top_up")
        async with transaction(pool) as conn:
            await make_sponsorship(
                conn,
                sponsorship_id=form.uuid("sponsorship_id"),
                round_code=code,
                sponsor_code=form.text("sponsor"),
                kind=cast("SponsorshipKind", kind),
                share_bp=_read_share(form) if kind == "share" else None,
                krw_max=_read_won(form, "krw_max"),
                member_codes=_members_of(form),
                note=form.text("note"),
                actor=me.actor,
            )
    except InvalidSponsorship as refusal:
        field = {"share_bp": "share_percent"}.get(refusal.pointer[1:], refusal.pointer[1:])
        text = label("sponsorship_error", refusal.reason)
        errors = {field: f"{text} ({refusal.found})" if refusal.found else text}
    except SponsorshipRefused as refusal:
        errors = {"form": label("sponsorship_refusal", refusal.reason)}
    else:
        return see_other(f"/coordinator/rounds/{code}/sponsorships", notice="sponsorship-made")
    async with transaction(pool) as conn:
        return await _round_page(
            request,
            conn,
            me,
            code,
            status_code=409 if "form" in errors else 400,
            errors=errors,
            values=form.texts,
            ticked=set(re.split(r"[;\s]+", form.text("member"))),
        )


@post(
    "/coordinator/rounds/{code:str}/sponsorships/{sponsorship_id:uuid}/revoke",
    opt={"audience": "operator"},
    include_in_schema=False,
)
async def round_revoke_submit(
    request: AnyRequest, code: FromPath[str], sponsorship_id: FromPath[UUID], pool: Pool, user: User
) -> Response[Any]:
    """Take a sponsorship back before the round closes."""
    me = signed_in(user)
    try:
        async with transaction(pool) as conn:
            await own_round(conn, code, me)
            await revoke_sponsorship(conn, sponsorship_id=sponsorship_id, actor=me.actor)
    except SponsorshipRefused as refusal:
        return await _refused_on_round(request, pool, me, code, refusal)
    return see_other(f"/coordinator/rounds/{code}/sponsorships", notice="sponsorship-revoked")


@post(
    "/coordinator/rounds/{code:str}/sponsorships/{sponsorship_id:uuid}/release",
    opt={"audience": "operator"},
    include_in_schema=False,
)
async def release_submit(
    request: AnyRequest, code: FromPath[str], sponsorship_id: FromPath[UUID], pool: Pool, user: User
) -> Response[Any]:
    """Let a sponsor off what it has not paid: the members owe it. Asks for a tick, for it cannot be undone."""
    me, form = signed_in(user), await read_form(request)
    if not form.is_checked("confirmed"):
        return see_other(f"/coordinator/rounds/{code}/sponsorships")
    try:
        async with transaction(pool) as conn:
            await own_round(conn, code, me)
            await release_sponsorship(conn, sponsorship_id=sponsorship_id, actor=me.actor)
    except SponsorshipRefused as refusal:
        return await _refused_on_round(request, pool, me, code, refusal)
    return see_other(f"/coordinator/rounds/{code}/sponsorships", notice="sponsorship-released")


async def _refused_on_round(
    request: AnyRequest, pool: asyncpg.Pool, me: CurrentUser, code: str, refusal: SponsorshipRefused
) -> Response[str]:
    errors = {"form": label("sponsorship_refusal", refusal.reason)}
    async with transaction(pool) as conn:
        return await _round_page(request, conn, me, code, status_code=409, errors=errors)


async def _my_page(
    request: AnyRequest, conn: asyncpg.Connection, me: CurrentUser, error: str = ""
) -> Response[str]:
    return page_response(
        request,
        "my_sponsorships.html",
        status_code=409 if error else 200,
        section="sponsor",
        sponsorships=await list_sponsorships(conn, sponsor_id=me.organization_id),
        errors={"form": error} if error else {},
    )


@get("/my/sponsorships", opt={"audience": "member"}, include_in_schema=False)
async def my_sponsorships_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """What the organization was asked to sponsor, has promised, owes and paid."""
    return await _my_page(request, conn, signed_in(user))


@post(
    "/my/sponsorships/{sponsorship_id:uuid}/{answer:str}", opt={"audience": "member"}, include_in_schema=False
)
async def my_answer_submit(
    request: AnyRequest, sponsorship_id: FromPath[UUID], answer: FromPath[str], pool: Pool, user: User
) -> Response[Any]:
    """Confirm a sponsorship (`confirm`), or take it back (`revoke`)."""
    me = signing(user)
    answers = {"confirm": confirm_sponsorship, "revoke": revoke_sponsorship}
    if answer not in answers:
        return see_other("/my/sponsorships")
    try:
        async with transaction(pool) as conn:
            await answers[answer](conn, sponsorship_id=sponsorship_id, actor=me.actor)
    except SponsorshipRefused as refusal:
        async with transaction(pool) as conn:
            return await _my_page(request, conn, me, label("sponsorship_refusal", refusal.reason))
    return see_other(
        "/my/sponsorships", notice=f"sponsorship-{answer}ed" if answer == "confirm" else "sponsorship-revoked"
    )


SPONSORSHIP_PAGES = [
    round_sponsorships_page,
    sponsorship_submit,
    round_revoke_submit,
    release_submit,
    my_sponsorships_page,
    my_answer_submit,
]
