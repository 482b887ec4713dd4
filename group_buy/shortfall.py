"""A round that missed its first price does what was fixed before it opened: once more, carry over, or release."""

import asyncpg

from catalog.events import SYSTEM, record_event
from group_buy.allocating import release_holds, settle_outcomes
from group_buy.core.round import SINGLE_PRICE_TIME, Round


async def end_short(conn: asyncpg.Connection, buying_round: Round) -> None:
    """Move a closing round through shortfall to what its policy says; nobody pays, no hold stays.

    `extend` opens it once more for its days. `carry` opens a round with the same terms for as long as this one
    ran, and the commitments move there with their places and their money. Otherwise everybody is released. After
    the last two the price for one alone stays on offer for SINGLE_PRICE_TIME.
    """
    await _record(conn, buying_round, "shortfall")
    if buying_round.shortfall_policy == "extend" and buying_round.extended_at is None:
        await _extend(conn, buying_round)
    elif buying_round.shortfall_policy == "carry":
        await _carry_over(conn, buying_round)
    else:
        await _end(conn, buying_round, "released")
        await settle_outcomes(conn, buying_round)


async def _record(conn: asyncpg.Connection, buying_round: Round, state: str, **data: str) -> None:
    await record_event(
        conn, kind=f"round.{state}", subject="round", subject_id=buying_round.code, actor=SYSTEM, **data
    )


async def _extend(conn: asyncpg.Connection, buying_round: Round) -> None:
    """Open again, once. Holds go: they would not last, and new ones are asked for at the new deadline."""
    closes_at = await conn.fetchval(
        """
        UPDATE rounds SET state = 'open', closed_at = NULL, funding_due_at = NULL, extended_at = clock_timestamp(),
            fills_up_at = NULL, closes_at = clock_timestamp() + make_interval(days => extension_days)
        WHERE id = $1 AND state = 'closing' RETURNING closes_at
        """,
        buying_round.id,
    )
    await conn.execute(
        """
        WITH dropped AS (
            UPDATE charges SET state = 'released'
            WHERE round_id = $1 AND method = 'card' AND purpose = 'deposit' AND state IN ('due', 'failed')
            RETURNING id, attempt
        )
        INSERT INTO charge_events (charge_id, attempt, state) SELECT id, attempt, 'released' FROM dropped
        """,
        buying_round.id,
    )
    await release_holds(conn, buying_round)
    await _record(conn, buying_round, "open", closes_at=closes_at.isoformat())


async def _end(conn: asyncpg.Connection, buying_round: Round, state: str, **data: str) -> None:
    await conn.execute(
        """
        UPDATE rounds SET state = $2, decided_at = clock_timestamp(), quantity = 0,
            single_price_until = clock_timestamp() + $3
        WHERE id = $1 AND state = 'closing'
        """,
        buying_round.id,
        state,
        SINGLE_PRICE_TIME,
    )
    await _record(conn, buying_round, state, **data)


async def _carry_over(conn: asyncpg.Connection, buying_round: Round) -> None:
    code = await conn.fetchval(
        """
        INSERT INTO rounds (
            code, offer_id, vendor_id, coordinator_id, state, opens_at, closes_at, title_ko, title_en, audience,
            tiers, capacity, pack_size, list_unit_price_krw, allocation_rule, deposit_bp, lead_time_days,
            terms_ko, terms_en, is_illustrative, may_close_early, funding_window, withdrawal_lock,
            delivery_tolerance, survey_cap_krw, carried_from_id, installation_includes, installation_excludes,
            custody, commission_bp)
        SELECT regexp_replace(r.code, '-carried-[0-9]+$', '') || '-carried-' || r.id, r.offer_id, r.vendor_id,
               r.coordinator_id, 'open', clock_timestamp(), clock_timestamp() + (r.closes_at - r.opens_at),
               r.title_ko, r.title_en, r.audience, r.tiers, r.capacity, r.pack_size, r.list_unit_price_krw,
               r.allocation_rule, r.deposit_bp, r.lead_time_days, r.terms_ko, r.terms_en, r.is_illustrative,
               r.may_close_early, r.funding_window, r.withdrawal_lock, r.delivery_tolerance, r.survey_cap_krw, r.id,
               r.installation_includes, r.installation_excludes, r.custody, r.commission_bp
        FROM rounds r WHERE r.id = $1
        RETURNING code
        """,
        buying_round.id,
    )
    await record_event(
        conn,
        kind="round.open",
        subject="round",
        subject_id=code,
        actor=SYSTEM,
        carried_from=buying_round.code,
    )
    await conn.execute(
        "INSERT INTO round_guests (round_id, organization_id) "
        "SELECT n.id, g.organization_id FROM round_guests g, rounds n WHERE g.round_id = $1 AND n.code = $2",
        buying_round.id,
        code,
    )
    await _move_pledges(conn, buying_round, code)
    await _end(conn, buying_round, "carried_over", to=code)
    await settle_outcomes(conn, buying_round)


async def _move_pledges(conn: asyncpg.Connection, buying_round: Round, code: str) -> None:
    """Copy every placed pledge into the new round with its places and verified money. Cards are saved afresh."""
    await conn.execute(
        """
        UPDATE pledges p SET carried_to_id = gen_random_uuid(), outcome = 'carried'
        WHERE p.round_id = $1 AND 'placed' = (
            SELECT state FROM pledge_versions WHERE pledge_id = p.id ORDER BY version DESC LIMIT 1)
        """,
        buying_round.id,
    )
    await conn.execute(
        """
        WITH moved AS (
            SELECT p.*, n.id AS new_round_id, v.version, v.request_sha256
            FROM pledges p JOIN rounds n ON n.code = $2
            JOIN LATERAL (SELECT version, request_sha256 FROM pledge_versions
                          WHERE pledge_id = p.id ORDER BY version DESC LIMIT 1) v ON true
            WHERE p.round_id = $1 AND p.carried_to_id IS NOT NULL
        ), pledge AS (
            INSERT INTO pledges (id, round_id, buyer_id, person_id, funding)
            SELECT carried_to_id, new_round_id, buyer_id, person_id, funding FROM moved
        ), version AS (
            INSERT INTO pledge_versions (pledge_id, version, state, person_id, request_sha256)
            SELECT carried_to_id, 1, 'placed', person_id, request_sha256 FROM moved
        ), event AS (
            INSERT INTO events (kind, subject, subject_id, organization_id, data)
            SELECT 'pledge.carried', 'pledge', carried_to_id::text, buyer_id,
                   jsonb_build_object('round', $2::text, 'from', id) FROM moved
        )
        INSERT INTO pledge_lines (pledge_id, version, line_no, quantity_min, quantity_max, limit_unit_price_krw,
                                  priority_class, sequence)
        SELECT m.carried_to_id, 1, l.line_no, l.quantity_min, l.quantity_max, l.limit_unit_price_krw,
               l.priority_class, l.sequence
        FROM moved m JOIN pledge_lines l ON l.pledge_id = m.id AND l.version = m.version
        """,
        buying_round.id,
        code,
    )
    await conn.execute(
        """
        INSERT INTO pledge_fundings (pledge_id, version, kind, received_krw, verified_by)
        SELECT p.carried_to_id, bool_or(f.version >= 1)::int,
               (array_agg(f.kind ORDER BY f.received_krw DESC, f.version DESC))[1],
               sum(f.received_krw) - coalesce(max(back.krw), 0), (array_agg(f.verified_by ORDER BY f.version DESC))[1]
        FROM pledges p JOIN pledge_fundings f ON f.pledge_id = p.id
        LEFT JOIN (SELECT pledge_id, sum(amount_krw) AS krw FROM charges WHERE purpose = 'refund' GROUP BY pledge_id) back
             ON back.pledge_id = p.id
        WHERE p.round_id = $1 AND p.carried_to_id IS NOT NULL
        GROUP BY p.carried_to_id
        HAVING bool_and(f.kind <> 'deposit') OR sum(f.received_krw) > coalesce(max(back.krw), 0)
        """,
        buying_round.id,
    )
