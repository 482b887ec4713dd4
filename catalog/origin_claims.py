"""Origin claims: made by who lists a product, verified by somebody else who saw the evidence.

A false label of domestic origin is punishable (대외무역법, for domestic goods since 2022-12-11), so a claim is
never shown as verified on its maker's word.
"""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from catalog.core.origin import DOMESTIC_COUNTRY, OriginBasis
from catalog.core.viewer import Viewer
from catalog.errors import OriginClaimNotFound, OriginClaimRefused, ProductNotFound
from catalog.events import SYSTEM, Actor, record_event

MAY_VERIFY: Final = ("coordinator", "partner")
"""Kinds of organization that may confirm evidence: no seller confirms another's."""


async def claim_origin(
    conn: asyncpg.Connection,
    *,
    claim_id: UUID,
    product_code: str,
    viewer: Viewer,
    basis: OriginBasis,
    country: str,
    domestic_content_bp: int | None = None,
    evidence_file_id: UUID | None = None,
    evidence_note: str = "",
    valid_until: date | None = None,
    computed: dict[str, Any] | None = None,
    is_fictional: bool = False,
    actor: Actor = SYSTEM,
) -> None:
    """State where a product comes from; an older live claim is withdrawn. The same id twice is one claim.

    The claim belongs to who lists the product, also where a coordinator enters it. `computed` is what
    `catalog.core.origin_rule` was asked and answered; `value_content` needs it, and it must bear the claim out.
    Raises ProductNotFound; OriginClaimRefused `not_the_lister`, `rule_not_met`, `not_your_file`.
    """
    if basis == "value_content" and (
        computed is None or (country == DOMESTIC_COUNTRY and not computed["domestic"])
    ):
        raise OriginClaimRefused(product_code, reason="rule_not_met")
    product = await conn.fetchrow(
        "SELECT id, vendor_id, state FROM products WHERE code = $1 FOR UPDATE", product_code
    )
    if product is None:
        raise ProductNotFound(product_code)
    if product["vendor_id"] != viewer.organization_id and not viewer.is_coordinator:
        if product["state"] == "draft":
            raise ProductNotFound(product_code)
        raise OriginClaimRefused(product_code, reason="not_the_lister")
    if await conn.fetchval("SELECT EXISTS (SELECT FROM origin_claims WHERE id = $1)", claim_id):
        return
    if evidence_file_id is not None and not await conn.fetchval(
        "SELECT EXISTS (SELECT FROM files WHERE id = $1 AND organization_id = ANY ($2::bigint[]))",
        evidence_file_id,
        [product["vendor_id"], viewer.organization_id],
    ):
        raise OriginClaimRefused(product_code, reason="not_your_file")
    await conn.execute(
        """
        UPDATE origin_claims SET withdrawn_at = clock_timestamp()
        WHERE product_id = $1 AND withdrawn_at IS NULL
        """,
        product["id"],
    )
    await conn.execute(
        """
        INSERT INTO origin_claims
            (id, product_id, organization_id, basis, country, domestic_content_bp, evidence_file_id,
             evidence_note, valid_until, is_fictional, computed)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        claim_id,
        product["id"],
        product["vendor_id"],
        basis,
        country,
        domestic_content_bp,
        evidence_file_id,
        evidence_note,
        valid_until,
        is_fictional,
        computed,
    )
    await record_event(
        conn,
        kind="origin.claimed",
        subject="product",
        subject_id=product_code,
        actor=actor,
        claim_id=str(claim_id),
        basis=basis,
        country=country,
    )


async def verify_origin_claim(
    conn: asyncpg.Connection, *, claim_id: UUID, verifier_id: int, now: datetime, actor: Actor = SYSTEM
) -> None:
    """Confirm that the evidence bears the claim out. `verifier_id` is the organization that looked.

    Raises OriginClaimNotFound; OriginClaimRefused `own_claim`, `not_a_verifier`, `challenged`, `no_evidence`,
    `expired` or `already_verified`.
    """
    claim = await conn.fetchrow(
        """
        SELECT p.code, c.organization_id, c.verified_at, c.valid_until < ($2::timestamptz
                   AT TIME ZONE 'Asia/Seoul')::date AS is_expired,
               c.evidence_file_id IS NOT NULL OR c.is_fictional AS has_evidence,
               EXISTS (SELECT FROM organizations o WHERE o.id = $3 AND o.kind = ANY ($4)) AS may_verify,
               EXISTS (SELECT FROM origin_challenges x WHERE x.claim_id = c.id AND x.decided_at IS NULL)
                   AS is_challenged
        FROM origin_claims c JOIN products p ON p.id = c.product_id
        WHERE c.id = $1 AND c.withdrawn_at IS NULL FOR UPDATE OF c
        """,
        claim_id,
        now,
        verifier_id,
        MAY_VERIFY,
    )
    if claim is None:
        raise OriginClaimNotFound(str(claim_id))
    refusals = {
        "already_verified": claim["verified_at"] is not None,
        "own_claim": claim["organization_id"] == verifier_id,
        "not_a_verifier": not claim["may_verify"],
        "challenged": claim["is_challenged"],
        "no_evidence": not claim["has_evidence"],
        "expired": claim["is_expired"],
    }
    for reason, applies in refusals.items():
        if applies:
            raise OriginClaimRefused(claim["code"], reason=reason)
    await conn.execute(
        "UPDATE origin_claims SET verified_by = $2, verified_at = $3 WHERE id = $1",
        claim_id,
        verifier_id,
        now,
    )
    await record_event(
        conn,
        kind="origin.verified",
        subject="product",
        subject_id=claim["code"],
        actor=actor,
        claim_id=str(claim_id),
    )
    await conn.execute(
        "INSERT INTO notifications (organization_id, kind, data) VALUES ($1, 'origin.verified', $2)",
        claim["organization_id"],
        {"product": claim["code"]},
    )


async def withdraw_origin_claim(
    conn: asyncpg.Connection, *, claim_id: UUID, viewer: Viewer, now: datetime
) -> None:
    """Take a live claim back; its maker or a coordinator may. Raises OriginClaimNotFound."""
    withdrawn = await conn.fetchval(
        """
        UPDATE origin_claims SET withdrawn_at = $4
        WHERE id = $1 AND withdrawn_at IS NULL AND (organization_id = $2 OR $3) RETURNING id
        """,
        claim_id,
        viewer.organization_id,
        viewer.is_coordinator,
        now,
    )
    if withdrawn is None:
        raise OriginClaimNotFound(str(claim_id))
