"""Draw up what the tax office is told about a round: originals once, then differences; and keep its approval numbers."""

from datetime import date

import asyncpg
import msgspec

from catalog.core.business_number import InvalidBusinessNumber, read_business_number
from catalog.events import Actor, record_event
from group_buy.core.tax_invoice import InvalidApprovalNumber, TaxInvoice, TaxParty, read_approval_number
from group_buy.errors import ApprovalNumberRefused, InvalidRound, RoundNotFound, TaxInvoiceNotFound


async def draw_up_tax_invoices(conn: asyncpg.Connection, *, code: str, written_on: date, actor: Actor) -> int:
    """Add a row for every allocation whose rows do not add up to what it is now; return how many.

    The first row of an allocation is the original. Each later one is the signed difference in units, supply value
    and VAT, so that rows always sum to the allocation to the won. `written_on` is the day of supply in Korea.

    Raises:
        RoundNotFound: not a round of this vendor or coordinator.
        InvalidRound: the day is in the future, or not of this or the last year.
    """
    round_id = await conn.fetchval(
        "SELECT id FROM rounds WHERE code = $1 AND $2 IN (vendor_id, coordinator_id) FOR NO KEY UPDATE",
        code,
        actor.organization_id,
    )
    if round_id is None:
        raise RoundNotFound(code)
    today = await conn.fetchval("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date")
    if not date(today.year - 1, 1, 1) <= written_on <= today:
        raise InvalidRound("/written_on", "a day of this or the last year, not after today")
    rows = await conn.fetch(
        """
        INSERT INTO tax_invoices (allocation_id, entry_no, kind, written_on, quantity, supply_krw, vat_krw, total_krw,
                                  person_id)
        SELECT a.id, 1 + coalesce(t.entry_no, 0),
               CASE WHEN t.entry_no IS NULL THEN 'original' WHEN a.quantity = 0 THEN 'cancel'
                    WHEN a.quantity < t.quantity THEN 'return' ELSE 'change' END,
               $2, a.quantity - coalesce(t.quantity, 0), a.supply_krw - coalesce(t.supply_krw, 0),
               a.vat_krw - coalesce(t.vat_krw, 0), a.total_krw - coalesce(t.total_krw, 0), $3
        FROM current_allocations a
        LEFT JOIN (SELECT allocation_id, max(entry_no) AS entry_no, sum(quantity) AS quantity, sum(supply_krw) AS supply_krw,
                          sum(vat_krw) AS vat_krw, sum(total_krw) AS total_krw
                   FROM tax_invoices GROUP BY allocation_id) t ON t.allocation_id = a.id
        WHERE a.round_id = $1 AND (a.supply_krw, a.vat_krw) <> (coalesce(t.supply_krw, 0), coalesce(t.vat_krw, 0))
        ORDER BY a.id
        RETURNING kind
        """,
        round_id,
        written_on,
        actor.person_id,
    )
    if rows:
        originals = sum(row["kind"] == "original" for row in rows)
        await record_event(
            conn,
            kind="round.tax_invoices",
            subject="round",
            subject_id=code,
            actor=actor,
            originals=originals,
            corrections=len(rows) - originals,
        )
    return len(rows)


_PARTY = """
    SELECT o.id, jsonb_build_object(
        'business_number', coalesce(o.business_number, ''), 'name', o.name_ko,
        'representative', coalesce(b.representative, ''), 'address', coalesce(b.address, ''),
        'business_type', coalesce(b.business_type, ''), 'business_item', coalesce(b.business_item, ''),
        'email', coalesce(b.email, '')) AS party
    FROM organizations o LEFT JOIN billing_profiles b ON b.organization_id = o.id
"""


async def list_tax_invoices(
    conn: asyncpg.Connection, *, code: str, organization_id: int, limit: int = 10_000
) -> list[TaxInvoice]:
    """A round's rows in the order in which they were drawn up, for its vendor or coordinator. Raises RoundNotFound."""
    if not await conn.fetchval(
        "SELECT EXISTS (SELECT FROM rounds WHERE code = $1 AND $2 IN (vendor_id, coordinator_id))",
        code,
        organization_id,
    ):
        raise RoundNotFound(code)
    rows = await conn.fetch(
        f"""
        SELECT t.id, t.kind, t.written_on, r.code, i.number, r.title_ko, t.quantity, a.unit_price_krw,
               t.supply_krw, t.vat_krw, t.total_krw,
               NOT EXISTS (SELECT FROM charges c WHERE c.allocation_id = a.id
                           AND c.purpose IN ('balance', 'sponsored') AND c.state = 'due'),
               n.approval_number, first_n.approval_number, vendor.party, buyer.party
        FROM tax_invoices t
        JOIN current_allocations a ON a.id = t.allocation_id
        JOIN rounds r ON r.id = a.round_id
        JOIN invoices i ON i.allocation_id = a.id
        JOIN ({_PARTY}) vendor ON vendor.id = r.vendor_id
        JOIN ({_PARTY}) buyer ON buyer.id = a.buyer_id
        LEFT JOIN tax_invoice_approvals n ON n.tax_invoice_id = t.id
        LEFT JOIN tax_invoices o ON o.allocation_id = t.allocation_id AND o.entry_no = 1
        LEFT JOIN tax_invoice_approvals first_n ON first_n.tax_invoice_id = o.id
        WHERE r.code = $1 ORDER BY t.id LIMIT $2
        """,
        code,
        limit,
    )
    return [
        TaxInvoice(*list(row)[:-2], *(msgspec.convert(party, TaxParty) for party in list(row)[-2:]))
        for row in rows
    ]


async def count_waiting_changes(conn: asyncpg.Connection, *, code: str) -> int:
    """Allocations of a round whose tax invoices do not add up to what they are now."""
    count: int = await conn.fetchval(
        """
        SELECT count(*) FROM current_allocations a JOIN rounds r ON r.id = a.round_id
        WHERE r.code = $1 AND a.total_krw <> (
            SELECT coalesce(sum(total_krw), 0) FROM tax_invoices t WHERE t.allocation_id = a.id)
        """,
        code,
    )
    return count


async def record_approval(
    conn: asyncpg.Connection, *, tax_invoice_id: int, approval_number: str, actor: Actor
) -> None:
    """Keep the number under which the tax office took a row; the first stands, the same again changes nothing.

    Raises:
        TaxInvoiceNotFound: no row of a round of this vendor or coordinator.
        ApprovalNumberRefused: not of the tax office's shape, of another row, or the row has another one.
    """
    try:
        number = read_approval_number(approval_number)
    except InvalidApprovalNumber:
        raise ApprovalNumberRefused(tax_invoice_id, reason="shape") from None
    row = await conn.fetchrow(
        """
        SELECT r.code, n.approval_number,
               EXISTS (SELECT FROM tax_invoice_approvals x
                       WHERE x.approval_number = $3 AND x.tax_invoice_id <> t.id) AS is_taken
        FROM tax_invoices t
        JOIN allocations a ON a.id = t.allocation_id
        JOIN rounds r ON r.id = a.round_id
        LEFT JOIN tax_invoice_approvals n ON n.tax_invoice_id = t.id
        WHERE t.id = $1 AND $2 IN (r.vendor_id, r.coordinator_id)
        """,
        tax_invoice_id,
        actor.organization_id,
        number,
    )
    if row is None:
        raise TaxInvoiceNotFound(tax_invoice_id)
    if row["approval_number"] == number:
        return
    if row["is_taken"] or row["approval_number"] is not None:
        raise ApprovalNumberRefused(tax_invoice_id, reason="taken" if row["is_taken"] else "exists")
    await conn.execute(
        "INSERT INTO tax_invoice_approvals (tax_invoice_id, approval_number, person_id) VALUES ($1, $2, $3)",
        tax_invoice_id,
        number,
        actor.person_id,
    )
    await record_event(
        conn,
        kind="tax_invoice.approved",
        subject="tax_invoice",
        subject_id=str(tax_invoice_id),
        actor=actor,
        round=row["code"],
        approval_number=number,
    )


class BillingProfile(msgspec.Struct, frozen=True):
    """What the tax office and a bank ask of an organization; empty where nobody has said."""

    business_number: str = ""
    representative: str = ""
    address: str = ""
    business_type: str = ""
    business_item: str = ""
    email: str = ""
    bank: str = ""
    account: str = ""
    account_holder: str = ""


PROFILE_LENGTH_MAX = 200


async def get_billing_profile(conn: asyncpg.Connection, *, organization_id: int) -> BillingProfile:
    """Read an organization's own profile."""
    row = await conn.fetchrow(
        """
        SELECT coalesce(o.business_number, ''), coalesce(b.representative, ''), coalesce(b.address, ''),
               coalesce(b.business_type, ''), coalesce(b.business_item, ''), coalesce(b.email, ''),
               coalesce(b.bank, ''), coalesce(b.account, ''), coalesce(b.account_holder, '')
        FROM organizations o LEFT JOIN billing_profiles b ON b.organization_id = o.id WHERE o.id = $1
        """,
        organization_id,
    )
    return BillingProfile() if row is None else BillingProfile(*row)


async def change_billing_profile(conn: asyncpg.Connection, profile: BillingProfile, *, actor: Actor) -> None:
    """Write an organization's own profile; a business number that is there already stays.

    Raises InvalidRound with the field's pointer: nobody represents, a text above PROFILE_LENGTH_MAX letters, a business
    number that nobody can have, an account with other things than digits and hyphens.
    """
    if not profile.representative:
        raise InvalidRound("/representative", "the name of the representative, as registered")
    for name in BillingProfile.__struct_fields__:
        if len(getattr(profile, name)) > PROFILE_LENGTH_MAX:
            raise InvalidRound(f"/{name}", f"at most {PROFILE_LENGTH_MAX} letters")
    plain = profile.account.replace("-", "")
    if plain and not (plain.isascii() and plain.isdigit() and 6 <= len(plain) <= 24):
        raise InvalidRound("/account", "an account number of 6 to 24 digits")
    if profile.email and "@" not in profile.email:
        raise InvalidRound("/email", "an address for mail")
    try:
        number = read_business_number(profile.business_number) if profile.business_number else None
    except InvalidBusinessNumber:
        raise InvalidRound("/business_number", "ten digits with a right check digit") from None
    await conn.execute(
        "UPDATE organizations SET business_number = $2 WHERE id = $1 AND business_number IS NULL AND $2::text IS NOT NULL",
        actor.organization_id,
        number,
    )
    await conn.execute(
        """
        INSERT INTO billing_profiles (organization_id, representative, address, business_type, business_item, email,
                                      bank, account, account_holder, person_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (organization_id) DO UPDATE SET
            representative = excluded.representative, address = excluded.address, business_type = excluded.business_type,
            business_item = excluded.business_item, email = excluded.email, bank = excluded.bank,
            account = excluded.account, account_holder = excluded.account_holder, person_id = excluded.person_id,
            changed_at = clock_timestamp()
        """,
        actor.organization_id,
        profile.representative,
        profile.address,
        profile.business_type,
        profile.business_item,
        profile.email,
        profile.bank,
        plain,
        profile.account_holder,
        actor.person_id,
    )
    await record_event(
        conn,
        kind="organization.billing_changed",
        subject="organization",
        subject_id=str(actor.organization_id),
        actor=actor,
    )
