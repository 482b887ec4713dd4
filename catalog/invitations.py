"""Who is invited to an offer: kept by its vendor, and never shown to those invited (they are rivals)."""

import asyncpg
from msgspec import Struct

from catalog.core.business_number import InvalidBusinessNumber, read_business_number
from catalog.errors import OfferNotFound, OrganizationNotFound
from catalog.events import Actor, record_event
from catalog.notices import notify


class Invited(Struct, frozen=True, kw_only=True):
    """An organization that an offer's vendor invited."""

    code: str
    name_ko: str
    name_en: str


async def list_invited(conn: asyncpg.Connection, *, offer_code: str, vendor_id: int) -> list[Invited]:
    """Who is invited to an own offer. Raises OfferNotFound, also for another vendor's."""
    offer_id = await _own_offer_id(conn, offer_code, vendor_id)
    rows = await conn.fetch(
        """
        SELECT o.code, o.name_ko, o.name_en FROM offer_invitations i JOIN organizations o ON o.id = i.organization_id
        WHERE i.offer_id = $1 ORDER BY o.name_ko, o.id
        """,
        offer_id,
    )
    return [Invited(**dict(row)) for row in rows]


async def invite(conn: asyncpg.Connection, *, offer_code: str, who: str, actor: Actor) -> str:
    """Invite a factory, named by its code or business number, to an own offer; return its code. Twice is once.

    Names are not searched for, so nobody reads the list of members here. Raises OfferNotFound,
    OrganizationNotFound.
    """
    offer_id = await _own_offer_id(conn, offer_code, actor.organization_id)
    try:
        number: str | None = read_business_number(who)
    except InvalidBusinessNumber:
        number = None
    guest = await conn.fetchrow(
        """
        SELECT id, code FROM organizations
        WHERE kind = 'factory' AND state = 'active' AND (code = lower($1) OR business_number = $2) ORDER BY id LIMIT 1
        """,
        who.strip(),
        number,
    )
    if guest is None:
        raise OrganizationNotFound(who.strip())
    inserted = await conn.fetchval(
        """
        INSERT INTO offer_invitations (offer_id, organization_id) VALUES ($1, $2)
        ON CONFLICT DO NOTHING RETURNING organization_id
        """,
        offer_id,
        guest["id"],
    )
    if inserted is not None:
        await record_event(
            conn,
            kind="offer.invited",
            subject="offer",
            subject_id=offer_code,
            actor=actor,
            organization=guest["code"],
        )
        await notify(
            conn,
            organization_id=guest["id"],
            kind="offer.invited",
            path=f"/offers/{offer_code}/questions",
            code=offer_code,
        )
    return str(guest["code"])


async def uninvite(conn: asyncpg.Connection, *, offer_code: str, guest_code: str, actor: Actor) -> None:
    """Take an invitation to an own offer back. Raises OfferNotFound, OrganizationNotFound."""
    offer_id = await _own_offer_id(conn, offer_code, actor.organization_id)
    removed = await conn.fetchval(
        """
        DELETE FROM offer_invitations i USING organizations o
        WHERE i.offer_id = $1 AND o.id = i.organization_id AND o.code = $2 RETURNING o.id
        """,
        offer_id,
        guest_code,
    )
    if removed is None:
        raise OrganizationNotFound(guest_code)
    await record_event(
        conn,
        kind="offer.uninvited",
        subject="offer",
        subject_id=offer_code,
        actor=actor,
        organization=guest_code,
    )


async def _own_offer_id(conn: asyncpg.Connection, code: str, vendor_id: int | None) -> int:
    found: int | None = await conn.fetchval(
        "SELECT id FROM offers WHERE code = $1 AND vendor_id = $2", code, vendor_id
    )
    if found is None:
        raise OfferNotFound(code)
    return found
