"""Origin claims under examination: the coordinator verifies them and decides objections; anybody signed in may object."""

from typing import Any, Final
from uuid import UUID, uuid4

from litestar import Response, get, post
from litestar.params import FromPath

from catalog.core.viewer import Viewer
from catalog.errors import OriginClaimNotFound
from catalog.origin_challenges import (
    DECISIONS,
    challenge_claim,
    decide_challenge,
    list_open_challenges,
    list_waiting_claims,
)
from catalog.origin_claims import verify_origin_claim
from catalog.products import get_product
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.web.render import page_response, see_other

REASON_LENGTH_MIN: Final = 10
REASON_LENGTH_MAX: Final = 2_000


@get("/coordinator/origin", opt={"audience": "operator"}, include_in_schema=False)
async def origin_desk_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """Show the claims that wait to be verified and the objections that wait to be decided."""
    me = signed_in(user)
    return page_response(
        request,
        "coordinator_origin.html",
        section="coordinator",
        claims=await list_waiting_claims(conn, verifier_id=me.organization_id),
        challenges=await list_open_challenges(conn),
    )


@post("/coordinator/origin/{claim_id:uuid}/verify", opt={"audience": "operator"}, include_in_schema=False)
async def origin_verify_submit(claim_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Confirm that the evidence bears a claim out."""
    me = signed_in(user)
    now = await conn.fetchval("SELECT clock_timestamp()")
    await verify_origin_claim(
        conn, claim_id=claim_id, verifier_id=me.organization_id, now=now, actor=me.actor
    )
    return see_other("/coordinator/origin", notice="origin-verified")


@post(
    "/coordinator/origin/challenges/{challenge_id:uuid}",
    opt={"audience": "operator"},
    include_in_schema=False,
)
async def origin_decide_submit(
    request: AnyRequest, challenge_id: FromPath[UUID], conn: Conn, user: User
) -> Response[Any]:
    """Uphold or dismiss an objection, with the reason that both sides read."""
    me = signed_in(user)
    form = await request.form()
    decision, note = str(form.get("decision", "")), str(form.get("note", "")).strip()
    if decision not in DECISIONS or not note:
        return see_other("/coordinator/origin", notice="reason-needed")
    now = await conn.fetchval("SELECT clock_timestamp()")
    await decide_challenge(
        conn,
        challenge_id=challenge_id,
        decision=decision,
        note=note[:REASON_LENGTH_MAX],
        decider_id=me.organization_id,
        now=now,
        actor=me.actor,
    )
    return see_other("/coordinator/origin", notice="challenge-decided")


@post("/products/{code:str}/origin/challenges", opt={"audience": "member"}, include_in_schema=False)
async def challenge_submit(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Object to the live claim of a product that this member may see; not to one's own."""
    me = signed_in(user)
    form = await request.form()
    claim_id = _uuid(str(form.get("claim_id", "")))
    reason = str(form.get("reason", "")).strip()
    await _require_claim(conn, code=code, claim_id=claim_id, viewer=me.viewer)
    if not REASON_LENGTH_MIN <= len(reason) <= REASON_LENGTH_MAX:
        return see_other(f"/products/{code}", notice="reason-needed")
    await challenge_claim(
        conn,
        challenge_id=_uuid(str(form.get("challenge_id", ""))),
        claim_id=claim_id,
        reason=reason,
        viewer=me.viewer,
        actor=me.actor,
    )
    return see_other(f"/products/{code}", notice="origin-challenged")


async def _require_claim(conn: Conn, *, code: str, claim_id: UUID, viewer: Viewer) -> None:
    """The claim is the product's live one, and the product is the viewer's to see."""
    product = await get_product(conn, code=code, viewer=viewer)
    if product.origin is None or product.origin.id != claim_id:
        raise OriginClaimNotFound(str(claim_id))


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return uuid4()


ORIGIN_DESK_PAGES = [origin_desk_page, origin_verify_submit, origin_decide_submit, challenge_submit]
