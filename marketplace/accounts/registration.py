"""A vendor registers itself: the organization waits for approval, its first person may sign in and prepare."""

import asyncpg
import msgspec

from catalog.errors import RegistrationRefused
from catalog.vendor_life import register_vendor
from marketplace.accounts.passwords import hash_password


class Registered(msgspec.Struct, frozen=True):
    """Who came in."""

    organization_id: int
    person_id: int


async def register(
    conn: asyncpg.Connection,
    *,
    name_ko: str,
    name_en: str,
    business_number: str,
    phone: str | None,
    region: str | None,
    homepage: str | None,
    introduction_ko: str | None,
    person_name: str,
    email: str,
    password: str,
) -> Registered:
    """Enter a vendor and its first person, who lists and manages.

    Raises RegistrationRefused `business_number_taken`; `email_taken` for an address that somebody has: an
    existing account is never handed to whoever registers with its address.
    """
    organization_id = await register_vendor(
        conn,
        name_ko=name_ko,
        name_en=name_en,
        business_number=business_number,
        contact_email=email,
        contact_phone=phone,
        region=region,
        homepage=homepage,
        introduction_ko=introduction_ko,
    )
    person_id = await conn.fetchval(
        """
        INSERT INTO people (email, name, password_hash) VALUES (lower($1), $2, $3)
        ON CONFLICT (email) DO NOTHING RETURNING id
        """,
        email,
        person_name,
        await hash_password(password),
    )
    if person_id is None:
        raise RegistrationRefused(reason="email_taken")
    await conn.executemany(
        "INSERT INTO memberships (person_id, organization_id, role) VALUES ($1, $2, $3)",
        [(person_id, organization_id, role) for role in ("admin", "lister")],
    )
    return Registered(organization_id, person_id)
