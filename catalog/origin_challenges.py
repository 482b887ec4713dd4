"""Objections to origin claims: anybody signed in may raise one, a coordinator decides, an upheld one ends the claim."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from catalog.core.origin import OriginBasis
from catalog.core.origin_rule import OriginJudgment
from catalog.core.viewer import Viewer
from catalog.errors import OriginChallengeNotFound, OriginClaimNotFound, OriginClaimRefused
from catalog.events import Actor, record_event

Decision = Literal["upheld", "dismissed"]
DECISIONS: tuple[Decision, ...] = ("upheld", "dismissed")
QUEUE_MAX = 200
"""Most rows of one queue that a desk shows."""


class WaitingClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A live claim that nobody has verified yet, with all that its verifier needs, the lister's figures too."""

    id: UUID
    product_code: str
    product_ko: str
    product_en: str
    vendor_ko: str
    vendor_en: str
    basis: OriginBasis
    country: str
    domestic_content_bp: int | None
    evidence_file_id: UUID | None
    evidence_name: str | None
    evidence_note: str
    valid_until: str | None
    computed: OriginJudgment | None
    is_fictional: bool
    is_own: bool
    created_at: datetime


class OpenChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """An objection that waits for a decision."""

    id: UUID
    claim_id: UUID
    product_code: str
    product_ko: str
    product_en: str
    challenger_ko: str
    challenger_en: str
    vendor_ko: str
    vendor_en: str
    basis: OriginBasis
    country: str
    is_verified: bool
    reason: str
    evidence_file_id: UUID | None
    created_at: datetime


async def challenge_claim(
    conn: asyncpg.Connection,
    *,
    challenge_id: UUID,
    claim_id: UUID,
    reason: str,
    viewer: Viewer,
    actor: Actor,
    evidence_file_id: UUID | None = None,
) -> None:
    """Object to a live claim; the same id twice is one challenge, and one may be open per organization.

    The claim keeps its standing until a coordinator decides: an objection is not yet a finding.
    Raises OriginClaimNotFound; OriginClaimRefused `own_claim`, `already_challenged`.
    """
    claim = await conn.fetchrow(
        """
        SELECT p.code, c.organization_id,
               EXISTS (SELECT FROM origin_challenges x WHERE x.id = $2) AS is_repeated,
               EXISTS (SELECT FROM origin_challenges x WHERE x.claim_id = c.id AND x.organization_id = $3
                       AND x.decided_at IS NULL) AS is_open
        FROM origin_claims c JOIN products p ON p.id = c.product_id
        WHERE c.id = $1 AND c.withdrawn_at IS NULL AND p.state <> 'draft' FOR UPDATE OF c
        """,
        claim_id,
        challenge_id,
        viewer.organization_id,
    )
    if claim is None:
        raise OriginClaimNotFound(str(claim_id))
    if claim["is_repeated"]:
        return
    if claim["organization_id"] == viewer.organization_id:
        raise OriginClaimRefused(claim["code"], reason="own_claim")
    if claim["is_open"]:
        raise OriginClaimRefused(claim["code"], reason="already_challenged")
    await conn.execute(
        """
        INSERT INTO origin_challenges (id, claim_id, organization_id, person_id, reason, evidence_file_id)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        challenge_id,
        claim_id,
        viewer.organization_id,
        actor.person_id,
        reason,
        evidence_file_id,
    )
    await _tell(conn, claim["organization_id"], kind="origin.challenged", product=claim["code"])
    await record_event(
        conn,
        kind="origin.challenged",
        subject="product",
        subject_id=claim["code"],
        actor=actor,
        claim_id=str(claim_id),
        challenge_id=str(challenge_id),
    )


async def decide_challenge(
    conn: asyncpg.Connection,
    *,
    challenge_id: UUID,
    decision: Decision,
    note: str,
    decider_id: int,
    now: datetime,
    actor: Actor,
) -> None:
    """Uphold an objection, which withdraws the claim, or dismiss it; both sides are told.

    Nobody decides about their own claim or their own challenge. Raises OriginChallengeNotFound.
    """
    row = await conn.fetchrow(
        """
        UPDATE origin_challenges x
        SET decision = $2, decision_note = $3, decided_by = $4, decided_at = $5
        FROM origin_claims c JOIN products p ON p.id = c.product_id
        WHERE x.id = $1 AND x.decided_at IS NULL AND c.id = x.claim_id
          AND x.organization_id <> $4 AND c.organization_id <> $4
          AND EXISTS (SELECT FROM organizations o WHERE o.id = $4 AND o.kind = 'coordinator')
        RETURNING c.id AS claim_id, p.code, c.organization_id AS lister_id, x.organization_id AS challenger_id
        """,
        challenge_id,
        decision,
        note,
        decider_id,
        now,
    )
    if row is None:
        raise OriginChallengeNotFound(str(challenge_id))
    if decision == "upheld":
        await conn.execute(
            "UPDATE origin_claims SET withdrawn_at = $2 WHERE id = $1 AND withdrawn_at IS NULL",
            row["claim_id"],
            now,
        )
        # Other objections to the same claim have got what they asked for.
        await conn.execute(
            """
            UPDATE origin_challenges SET decision = 'upheld', decision_note = $2, decided_by = $3, decided_at = $4
            WHERE claim_id = $1 AND decided_at IS NULL AND organization_id <> $3
            """,
            row["claim_id"],
            note,
            decider_id,
            now,
        )
    for organization_id in (row["lister_id"], row["challenger_id"]):
        await _tell(
            conn, organization_id, kind="origin.challenge_decided", product=row["code"], decision=decision
        )
    await record_event(
        conn,
        kind=f"origin.challenge_{decision}",
        subject="product",
        subject_id=row["code"],
        actor=actor,
        challenge_id=str(challenge_id),
        note=note,
    )


async def _tell(conn: asyncpg.Connection, organization_id: int, *, kind: str, **data: str) -> None:
    await conn.execute(
        "INSERT INTO notifications (organization_id, kind, data) VALUES ($1, $2, $3)",
        organization_id,
        kind,
        data,
    )


async def list_waiting_claims(conn: asyncpg.Connection, *, verifier_id: int) -> tuple[WaitingClaim, ...]:
    """Live claims that are neither verified nor expired, with evidence first, the oldest first.

    `is_own` = the verifier's own, which somebody else has to look at.
    """
    rows = await conn.fetch(
        """
        SELECT json_build_object(
            'id', c.id, 'product_code', p.code, 'product_ko', p.name_ko, 'product_en', p.name_en,
            'vendor_ko', v.name_ko, 'vendor_en', v.name_en, 'basis', c.basis, 'country', c.country,
            'domestic_content_bp', c.domestic_content_bp, 'evidence_file_id', c.evidence_file_id,
            'evidence_name', f.name, 'evidence_note', c.evidence_note, 'valid_until', c.valid_until,
            'computed', c.computed, 'is_fictional', c.is_fictional,
            'is_own', c.organization_id = $2, 'created_at', c.created_at)::text
        FROM origin_claims c
        JOIN products p ON p.id = c.product_id
        JOIN organizations v ON v.id = c.organization_id
        LEFT JOIN files f ON f.id = c.evidence_file_id
        WHERE c.withdrawn_at IS NULL AND c.verified_at IS NULL
          AND (c.valid_until IS NULL OR c.valid_until >= (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date)
        ORDER BY c.evidence_file_id IS NULL, c.created_at, c.id LIMIT $1
        """,
        QUEUE_MAX,
        verifier_id,
    )
    return tuple(msgspec.json.decode(row[0], type=WaitingClaim) for row in rows)


async def list_open_challenges(conn: asyncpg.Connection) -> tuple[OpenChallenge, ...]:
    """Objections without a decision, the oldest first."""
    rows = await conn.fetch(
        """
        SELECT json_build_object(
            'id', x.id, 'claim_id', c.id, 'product_code', p.code, 'product_ko', p.name_ko,
            'product_en', p.name_en, 'challenger_ko', o.name_ko, 'challenger_en', o.name_en,
            'vendor_ko', v.name_ko, 'vendor_en', v.name_en, 'basis', c.basis, 'country', c.country,
            'is_verified', c.verified_at IS NOT NULL, 'reason', x.reason,
            'evidence_file_id', x.evidence_file_id, 'created_at', x.created_at)::text
        FROM origin_challenges x
        JOIN origin_claims c ON c.id = x.claim_id
        JOIN products p ON p.id = c.product_id
        JOIN organizations v ON v.id = c.organization_id
        JOIN organizations o ON o.id = x.organization_id
        WHERE x.decided_at IS NULL
        ORDER BY x.created_at, x.id LIMIT $1
        """,
        QUEUE_MAX,
    )
    return tuple(msgspec.json.decode(row[0], type=OpenChallenge) for row in rows)
