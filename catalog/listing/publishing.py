"""A vendor's new listings: drafts that keep what was typed, and publishing them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

import asyncpg
from msgspec import Struct

from catalog.core.first_listing import check_first_product
from catalog.core.import_rows import RowError
from catalog.core.listing_columns import SPEC_PREFIX
from catalog.core.listing_rows import ImportKind
from catalog.core.slug import make_code, make_free_code
from catalog.core.viewer import Viewer
from catalog.errors import DraftNotFound, ListingRefused
from catalog.events import Actor, record_event
from catalog.listing.fields import check_listing, field_names, read_listing, write_listing
from catalog.origin_claims import claim_origin
from catalog.reference_data import list_spec_definitions

OFFER_CAPACITY = 100
"""Units that a product's first offer can deliver, until its vendor says otherwise."""


class Draft(Struct, frozen=True, kw_only=True):
    """What a vendor typed and has not published; `code` is the listing that it edits."""

    id: UUID
    kind: ImportKind
    code: str | None
    fields: dict[str, str]
    updated_at: datetime


class Published(Struct, frozen=True, kw_only=True):
    """A new listing's code, or what is wrong with its fields; `offer_code` where it has a price."""

    code: str | None = None
    offer_code: str | None = None
    errors: tuple[RowError, ...] = ()


async def save_draft(
    conn: asyncpg.Connection,
    *,
    draft_id: UUID,
    kind: ImportKind,
    code: str | None,
    fields: Mapping[str, str],
    actor: Actor,
) -> UUID:
    """Keep what was typed, right or wrong; return the draft's id. A listing that is edited has one draft.

    Raises DraftNotFound where the id is another vendor's.
    """
    kept: UUID | None = await conn.fetchval(
        """
        INSERT INTO listing_drafts AS d (id, vendor_id, person_id, kind, code, fields) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (id) DO UPDATE SET fields = excluded.fields, updated_at = clock_timestamp()
        WHERE d.vendor_id = excluded.vendor_id AND d.kind = excluded.kind
        RETURNING id
        """,
        draft_id,
        actor.organization_id,
        actor.person_id,
        kind,
        code,
        dict(fields),
    )
    if kept is None:
        raise DraftNotFound(str(draft_id))
    return kept


async def get_draft(conn: asyncpg.Connection, *, draft_id: UUID, vendor_id: int) -> Draft:
    """The vendor's own draft. Raises DraftNotFound."""
    row = await conn.fetchrow(
        "SELECT id, kind, code, fields, updated_at FROM listing_drafts WHERE id = $1 AND vendor_id = $2",
        draft_id,
        vendor_id,
    )
    if row is None:
        raise DraftNotFound(str(draft_id))
    return Draft(**dict(row))


async def list_drafts(conn: asyncpg.Connection, *, vendor_id: int) -> list[Draft]:
    """The vendor's drafts, the newest first."""
    rows = await conn.fetch(
        """
        SELECT id, kind, code, fields, updated_at FROM listing_drafts WHERE vendor_id = $1
        ORDER BY updated_at DESC LIMIT 50
        """,
        vendor_id,
    )
    return [Draft(**dict(row)) for row in rows]


async def drop_draft(conn: asyncpg.Connection, *, draft_id: UUID, vendor_id: int) -> None:
    """Throw the vendor's own draft away; one that is gone is gone."""
    await conn.execute("DELETE FROM listing_drafts WHERE id = $1 AND vendor_id = $2", draft_id, vendor_id)


async def find_published(conn: asyncpg.Connection, *, draft_id: UUID, vendor_id: int) -> str | None:
    """The code that a form was published under before; forms of one id wait for each other."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext('listing form'), hashtext($1))", str(draft_id))
    code: str | None = await conn.fetchval(
        """
        SELECT data ->> 'code' FROM events
        WHERE subject = 'draft' AND subject_id = $1 AND kind = 'draft.published' AND organization_id = $2
        ORDER BY id LIMIT 1
        """,
        str(draft_id),
        vendor_id,
    )
    return code


async def finish_draft(conn: asyncpg.Connection, *, draft_id: UUID, code: str, actor: Actor) -> None:
    """Note that a form was published, so that a second press of its button is no second listing."""
    await drop_draft(conn, draft_id=draft_id, vendor_id=_vendor_of(actor))
    await record_event(
        conn, kind="draft.published", subject="draft", subject_id=str(draft_id), actor=actor, code=code
    )


async def require_may_publish(conn: asyncpg.Connection, *, vendor_id: int) -> None:
    """Raises ListingRefused (`pending`, `action_needed`, `suspended`, `terminated`) unless all is in order."""
    reason: Literal["pending", "suspended", "terminated", "action_needed"] | None = await conn.fetchval(
        """
        SELECT CASE WHEN state <> 'active' THEN state WHEN action_needed_at IS NOT NULL THEN 'action_needed' END
        FROM organizations WHERE id = $1
        """,
        vendor_id,
    )
    if reason is not None:
        raise ListingRefused(reason=reason)


async def publish_product(
    conn: asyncpg.Connection, *, fields: Mapping[str, str], actor: Actor, is_fictional: bool = False
) -> Published:
    """List a new product, with an offer where it has a price and an origin claim where it makes one.

    `fields` are those of the form: the listing's own and `price_krw`, `capacity`, `origin`
    (`unknown`, `domestic` or a country). Raises ListingRefused.
    """
    vendor_id = _vendor_of(actor)
    await require_may_publish(conn, vendor_id=vendor_id)
    completed = await _complete_product(conn, fields, is_fictional=is_fictional)
    definitions = await list_spec_definitions(conn)
    errors = check_first_product(completed, definitions=definitions)
    own = _own_fields("products", completed)
    errors += _without(
        await check_listing(conn, kind="products", fields=own, vendor_id=vendor_id),
        columns={error.column for error in errors},
    )
    if errors:
        return Published(errors=errors)
    await write_listing(conn, kind="products", fields=own, vendor_id=vendor_id)
    code = own["code"]
    offer_code = None
    if completed.get("price_krw"):
        offer = {
            "code": await _free_code(conn, "offer", code),
            "product": code,
            "list_unit_price_krw": completed["price_krw"],
            "capacity": completed.get("capacity") or str(OFFER_CAPACITY),
            "lead_time_days": completed["lead_time_days"],
            "warranty_months": completed["warranty_months"],
            "is_illustrative": "yes" if is_fictional else "no",
        }
        wrong = await write_listing(conn, kind="offers", fields=offer, vendor_id=vendor_id)
        if wrong:
            raise ListingRefused(reason="offer", detail="; ".join(error.expected for error in wrong))
        offer_code = offer["code"]
    await _claim(conn, code, completed.get("origin", "unknown"), actor=actor)
    await _record(conn, "products", code, actor)
    return Published(code=code, offer_code=offer_code)


async def publish_listing(
    conn: asyncpg.Connection, *, kind: ImportKind, fields: Mapping[str, str], actor: Actor
) -> Published:
    """List a new package model or offer. Raises ListingRefused."""
    vendor_id = _vendor_of(actor)
    await require_may_publish(conn, vendor_id=vendor_id)
    own = _own_fields(kind, fields) | {"state": "published"}
    names = (
        (fields.get("name_ko", ""),)
        if kind == "package-models"
        else ("offer", fields.get("product") or fields.get("package_model") or "")
    )
    own["code"] = await _free_code(conn, *names)
    if kind == "package-models":
        own["name_en"] = own.get("name_en") or own.get("name_ko", "")
        own["summary_en"] = own.get("summary_en") or own.get("summary_ko", "")
    errors = await write_listing(conn, kind=kind, fields=own, vendor_id=vendor_id)
    if errors:
        return Published(errors=errors)
    await _record(conn, kind, own["code"], actor)
    return Published(code=own["code"], offer_code=own["code"] if kind == "offers" else None)


async def set_listing_state(
    conn: asyncpg.Connection,
    *,
    kind: ImportKind,
    code: str,
    state: Literal["published", "retired"],
    actor: Actor,
) -> None:
    """Take an own listing off the market, or put it back as it was.

    Raises NotFound (of its kind); ListingRefused where the vendor may not publish.
    """
    vendor_id = _vendor_of(actor)
    listing = await read_listing(conn, kind=kind, code=code, vendor_id=vendor_id)
    if listing.state == state:
        return
    if state == "published":
        await require_may_publish(conn, vendor_id=vendor_id)
    errors = await write_listing(
        conn, kind=kind, fields=listing.fields | {"state": state}, vendor_id=vendor_id
    )
    if errors:
        raise ListingRefused(reason="invalid", detail="; ".join(error.expected for error in errors))
    await record_event(
        conn,
        kind=f"listing.{state}",
        subject=kind,
        subject_id=code,
        actor=actor,
        before=listing.state,
        after=state,
    )


def _vendor_of(actor: Actor) -> int:
    assert actor.organization_id is not None, "only organizations list things"
    return actor.organization_id


def _own_fields(kind: ImportKind, fields: Mapping[str, str]) -> dict[str, str]:
    """The listing's own fields among a form's, without those that only code sets."""
    names = field_names(kind) - {"vendor"}
    return {
        name: value
        for name, value in fields.items()
        if name in names or (kind == "products" and name.startswith(SPEC_PREFIX))
    }


def _without(errors: tuple[RowError, ...], *, columns: set[str]) -> tuple[RowError, ...]:
    return tuple(error for error in errors if error.column not in columns)


async def _complete_product(
    conn: asyncpg.Connection, fields: Mapping[str, str], *, is_fictional: bool
) -> dict[str, str]:
    """The form with what its vendor need not type: a code, a known maker's facts, names and marks."""
    done = {name: value.strip() for name, value in fields.items()}
    maker = await conn.fetchrow(
        "SELECT name, name_ko, country FROM makers WHERE $1 <> '' AND (name = $1 OR name_ko = $1) ORDER BY id LIMIT 1",
        done.get("maker", ""),
    )
    if maker is not None:
        done |= {"maker": maker["name"], "maker_ko": maker["name_ko"], "maker_country": maker["country"]}
    elif done.get("maker"):
        done["maker_ko"] = done["maker"]
        done["maker_country"] = done.get("maker_country") or "KR"
    done["code"] = await _free_code(conn, done.get("maker", ""), done.get("model", ""))
    done["name_en"] = done.get("name_en") or f"{done.get('maker', '')} {done.get('model', '')}".strip()
    done["subcategory"] = done.get("subcategory") or done.get("category", "")
    done["state"], done["visibility"] = "published", "public"
    # A vendor's own paper about a product is a second-hand source until the maker's is seen.
    done["verification"] = "fictional" if is_fictional else "secondary"
    done["source_title"] = done.get("source_title") or f"{done.get('model', '')} PDF"
    return done


async def _free_code(conn: asyncpg.Connection, *names: str) -> str:
    """A code that no listing has; imports of the kind wait for each other, so it is still free when written."""
    base = make_code(*names)
    rows = await conn.fetch(
        """
        SELECT code FROM products WHERE starts_with(code, $1)
        UNION SELECT code FROM package_models WHERE starts_with(code, $1)
        UNION SELECT code FROM offers WHERE starts_with(code, $1)
        """,
        base,
    )
    return make_free_code(*names, taken={row["code"] for row in rows})


async def _claim(conn: asyncpg.Connection, code: str, origin: str, *, actor: Actor) -> None:
    """State the origin as the vendor does; "unknown" states nothing."""
    country = {"domestic": "KR", "unknown": "", "": ""}.get(origin, origin)
    if country:
        await claim_origin(
            conn,
            claim_id=uuid4(),
            product_code=code,
            viewer=Viewer(actor.organization_id, "vendor"),
            basis="self_declared",
            country=country,
        )


async def _record(conn: asyncpg.Connection, kind: ImportKind, code: str, actor: Actor) -> None:
    await record_event(conn, kind="listing.published", subject=kind, subject_id=code, actor=actor)
