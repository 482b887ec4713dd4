"""Origin claims: made by who lists a product, verified by somebody else who saw the evidence.

A false label of domestic origin is punishable (대외무역법, for domestic goods since 2022-12-11), so a claim is
never shown as verified on its maker's word.
"""

from datetime import date, datetime
from uuid import UUID

import asyncpg

from catalog.core.origin import OriginBasis
from catalog.core.viewer import Viewer
from catalog.errors import OriginClaimNotFound, OriginClaimRefused, ProductNotFound


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
    is_fictional: bool = False,
) -> None:
    """State where a product comes from; an older live claim is withdrawn. The same id twice is one claim.

    The claim belongs to who lists the product, also where a coordinator enters it.
    Raises ProductNotFound; OriginClaimRefused `not_the_lister`.
    """
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
             evidence_note, valid_until, is_fictional)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
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
    )


async def verify_origin_claim(
    conn: asyncpg.Connection, *, claim_id: UUID, verifier_id: int, now: datetime
) -> None:
    """Confirm that the evidence bears the claim out. `verifier_id` is the organization that looked.

    Raises OriginClaimNotFound; OriginClaimRefused `own_claim`, `no_evidence`, `expired` or
    `already_verified`.
    """
    claim = await conn.fetchrow(
        """
        SELECT p.code, c.organization_id, c.verified_at, c.valid_until < ($2::timestamptz
                   AT TIME ZONE 'Asia/Seoul')::date AS is_expired,
               c.evidence_file_id IS NOT NULL OR c.is_fictional AS has_evidence
        FROM origin_claims c JOIN products p ON p.id = c.product_id
        WHERE c.id = $1 AND c.withdrawn_at IS NULL FOR UPDATE OF c
        """,
        claim_id,
        now,
    )
    if claim is None:
        raise OriginClaimNotFound(str(claim_id))
    if claim["verified_at"] is not None:
        raise OriginClaimRefused(claim["code"], reason="already_verified")
    if claim["organization_id"] == verifier_id:
        raise OriginClaimRefused(claim["code"], reason="own_claim")
    if not claim["has_evidence"]:
        raise OriginClaimRefused(claim["code"], reason="no_evidence")
    if claim["is_expired"]:
        raise OriginClaimRefused(claim["code"], reason="expired")
    await conn.execute(
        "UPDATE origin_claims SET verified_by = $2, verified_at = $3 WHERE id = $1",
        claim_id,
        verifier_id,
        now,
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
