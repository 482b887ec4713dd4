"""List something in ten minutes, and edit it later: forms of products, package models and offers, with drafts."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

import asyncpg
import msgspec
from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from catalog.change_requests import edit_listing
from catalog.core.listing_rows import ImportKind
from catalog.core.package_model import PACKAGE_TYPES
from catalog.core.product import CATEGORIES
from catalog.errors import DraftNotFound, ListingRefused
from catalog.listing.fields import LISTING_KINDS, read_listing
from catalog.listing.publishing import (
    Published,
    drop_draft,
    find_published,
    finish_draft,
    get_draft,
    publish_listing,
    publish_product,
    save_draft,
    set_listing_state,
)
from catalog.reference_data import list_spec_definitions
from catalog.vendor_life import get_profile
from marketplace.accounts.access import CurrentUser, viewer_of
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.uploads import FileRefused, keep_pdf
from marketplace.web.forms import Form, field_errors, read_form
from marketplace.web.i18n import gettext
from marketplace.web.listing_forms import (
    SLOT_ROWS_MORE,
    FormSection,
    SlotRow,
    padded,
    read_fields,
    sections_of,
    shown_values,
    stored_slots,
    typed_slots,
)
from marketplace.web.pages.vendor_onboarding import UPLOAD_BYTES_MAX, file_error
from marketplace.web.render import page_response, see_other

SUGGESTIONS_MAX: Final = 500
FIXED_FIELDS: Final = ("category", "package_type", "product", "package_model")
"""What a form is about: chosen before it is shown, and carried along."""

_DRAFTS: Final = UUID("5b0c3b54-4d8b-4ea0-9b43-5f4d0f6b7a11")


class Suggestion(msgspec.Struct, frozen=True):
    """One entry of a datalist."""

    value: str
    text: str


class Editing(msgspec.Struct, frozen=True, kw_only=True):
    """What a form is shown for."""

    kind: ImportKind
    code: str | None
    draft_id: UUID
    fields: dict[str, str]
    slots: Sequence[SlotRow] = ()


def _kind(text: str) -> ImportKind:
    for kind in LISTING_KINDS:
        if kind == text:
            return kind
    raise NotFoundException(f"no listings of kind {text!r}")


async def _suggest(
    conn: asyncpg.Connection, me: CurrentUser, kind: ImportKind, category: str
) -> dict[str, list[Suggestion]]:
    """What fields offer while typing: makers, the category's subcategories, products to build a package of."""
    found: dict[str, list[Suggestion]] = {}
    if kind == "products":
        makers = await conn.fetch("SELECT name, name_ko FROM makers ORDER BY name LIMIT $1", SUGGESTIONS_MAX)
        found["makers"] = [Suggestion(row["name"], row["name_ko"]) for row in makers]
        rows = await conn.fetch(
            "SELECT DISTINCT subcategory FROM products WHERE category = $1 AND state = 'published' ORDER BY 1 LIMIT 100",
            category,
        )
        found["subcategories"] = [Suggestion(row["subcategory"], "") for row in rows]
    if kind == "package-models":
        rows = await conn.fetch(
            """
            SELECT p.code, p.name_ko FROM products p JOIN organizations v ON v.id = p.vendor_id
            WHERE p.vendor_id = $1 AND p.state <> 'retired'
               OR p.state = 'published' AND v.state = 'active'
                  AND (p.visibility = 'public' OR p.visibility = 'members' AND $2::bigint IS NOT NULL)
            ORDER BY p.vendor_id <> $1, p.code LIMIT $3
            """,
            me.organization_id,
            viewer_of(me).organization_id,
            SUGGESTIONS_MAX,
        )
        found["products"] = [Suggestion(f"{row['code']} · {row['name_ko']}", "") for row in rows]
    return found


async def _form_page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    me: CurrentUser,
    editing: Editing,
    *,
    errors: Mapping[str, str] | None = None,
    is_kept: bool = False,
    status_code: int = 200,
) -> Response[str]:
    sections = await _sections(conn, editing)
    slots = editing.slots or stored_slots(editing.fields)
    file_id = editing.fields.get("datasheet") or None
    file_name = file_id and await conn.fetchval(
        "SELECT name FROM files WHERE id::text = $1 AND organization_id = $2", file_id, me.organization_id
    )
    return page_response(
        request,
        "vendor_listing_form.html",
        status_code=status_code,
        section="vendor",
        kind=editing.kind,
        code=editing.code,
        sections=sections,
        slots=padded(slots),
        suggestions=await _suggest(conn, me, editing.kind, editing.fields.get("category", "")),
        fixed={name: editing.fields.get(name, "") for name in FIXED_FIELDS if editing.fields.get(name)},
        draft_id=str(editing.draft_id),
        request_id=str(uuid4()),
        datasheet_name=file_name,
        is_kept=is_kept,
        errors=dict(errors or {}),
        values=shown_values(sections, editing.fields),
    )


async def _sections(conn: asyncpg.Connection, editing: Editing) -> list[FormSection]:
    definitions = await list_spec_definitions(conn)
    return sections_of(editing.kind, editing.fields, definitions, is_new=editing.code is None)


async def _read(
    request: AnyRequest, conn: asyncpg.Connection, me: CurrentUser, kind: ImportKind, code: str | None
) -> tuple[Form, Editing, dict[str, str]]:
    """The posted form as fields; a PDF is kept at once, so that an error elsewhere does not lose it."""
    form = await read_form(request)
    fixed = {name: form.text(name) for name in FIXED_FIELDS if form.text(name)}
    draft_id = uuid5(_DRAFTS, f"{me.organization_id}:{kind}:{code}") if code else form.uuid("draft_id")
    bare = Editing(kind=kind, code=code, draft_id=draft_id, fields=fixed)
    fields = {**read_fields(form, await _sections(conn, bare)), **fixed}
    errors: dict[str, str] = {}
    if kind == "products" and "datasheet_id" in form.texts:
        fields["datasheet"] = form.text("datasheet_id")
    upload = form.uploads.get("datasheet")
    if upload is not None:
        try:
            fields["datasheet"] = str(
                await keep_pdf(conn, name=upload.name, content=upload.content, actor=me.actor)
            )
        except FileRefused as refused:
            errors["datasheet"] = file_error(refused)
    slots = typed_slots(form) if kind == "package-models" else ()
    return form, msgspec.structs.replace(bare, fields=fields, slots=slots), errors


@get("/vendor/listings/{kind:str}/new", opt={"audience": "vendor"}, include_in_schema=False)
async def listing_new_page(request: AnyRequest, kind: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Show an empty form, or the choice of what it is about."""
    me, listing_kind = signed_in(user), _kind(kind)
    given = {name: request.query_params.get(name, "") for name in FIXED_FIELDS}
    fields = {name: value for name, value in given.items() if value}
    needed = {"products": ("category", CATEGORIES), "package-models": ("package_type", PACKAGE_TYPES)}
    if listing_kind in needed and fields.get(needed[listing_kind][0]) not in needed[listing_kind][1]:
        return page_response(
            request,
            "vendor_listing_choice.html",
            section="vendor",
            kind=listing_kind,
            choices=needed[listing_kind][1],
        )
    if listing_kind == "offers":
        fields |= {"capacity": "100", "pack_size": "1", "audience": "public"}
    editing = Editing(kind=listing_kind, code=None, draft_id=uuid4(), fields=fields)
    return await _form_page(request, conn, me, editing)


@post(
    "/vendor/listings/{kind:str}/new",
    opt={"audience": "vendor"},
    include_in_schema=False,
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def listing_new_submit(
    request: AnyRequest, kind: FromPath[str], conn: Conn, user: User
) -> Response[Any]:
    """Publish, keep as a draft, or show more rows. What cannot be published is kept as typed."""
    me, listing_kind = signed_in(user), _kind(kind)
    form, editing, errors = await _read(request, conn, me, listing_kind, None)
    action = form.text("action")
    if action == "more":
        editing = msgspec.structs.replace(editing, slots=padded(editing.slots, more=SLOT_ROWS_MORE))
        return await _form_page(request, conn, me, editing)
    if action == "publish" and not errors:
        code = await find_published(conn, draft_id=editing.draft_id, vendor_id=me.organization_id)
        if code is None:
            published, errors = await _publish(conn, me, editing)
            code = published.code
            if code is not None:
                await finish_draft(conn, draft_id=editing.draft_id, code=code, actor=me.actor)
        if code is not None:
            return see_other("/vendor", notice="listing-published")
    await save_draft(
        conn, draft_id=editing.draft_id, kind=listing_kind, code=None, fields=editing.fields, actor=me.actor
    )
    if action == "draft" and not errors:
        return see_other("/vendor", notice="draft-saved")
    return await _form_page(request, conn, me, editing, errors=errors, is_kept=True, status_code=400)


async def _publish(
    conn: asyncpg.Connection, me: CurrentUser, editing: Editing
) -> tuple[Published, dict[str, str]]:
    profile = await get_profile(conn, vendor_id=me.organization_id)
    try:
        if editing.kind == "products":
            published = await publish_product(
                conn, fields=editing.fields, actor=me.actor, is_fictional=profile.is_fictional
            )
        else:
            published = await publish_listing(conn, kind=editing.kind, fields=editing.fields, actor=me.actor)
    except ListingRefused as refused:
        if refused.reason in {"offer", "invalid"}:
            raise
        return Published(), {"form": refusal(refused)}
    return published, field_errors(published.errors)


def refusal(refused: ListingRefused) -> str:
    """Why a vendor cannot publish now, and what to do."""
    return {
        "pending": gettext(
            "아직 승인 전이라 공개할 수 없습니다. 적은 내용은 보관했습니다. 체크리스트를 마저 채워 주세요."
        ),
        "action_needed": gettext(
            "요건 하나가 더는 맞지 않아 새로 공개할 수 없습니다. 적은 내용은 보관했습니다."
        ),
    }.get(refused.reason, gettext("활동이 정지되어 공개할 수 없습니다. 적은 내용은 보관했습니다."))


@get("/vendor/drafts/{draft_id:uuid}", opt={"audience": "vendor"}, include_in_schema=False)
async def draft_page(request: AnyRequest, draft_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Go on with a draft."""
    me = signed_in(user)
    draft = await get_draft(conn, draft_id=draft_id, vendor_id=me.organization_id)
    if draft.code is not None:
        return see_other(f"/vendor/listings/{draft.kind}/{draft.code}")
    editing = Editing(kind=draft.kind, code=None, draft_id=draft.id, fields=draft.fields)
    return await _form_page(request, conn, me, editing, is_kept=True)


@post("/vendor/drafts/{draft_id:uuid}/drop", opt={"audience": "vendor"}, include_in_schema=False)
async def draft_drop_submit(draft_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Throw a draft away."""
    await drop_draft(conn, draft_id=draft_id, vendor_id=signed_in(user).organization_id)
    return see_other("/vendor", notice="draft-dropped")


@get("/vendor/listings/{kind:str}/{code:str}", opt={"audience": "vendor"}, include_in_schema=False)
async def listing_page(
    request: AnyRequest, kind: FromPath[str], code: FromPath[str], conn: Conn, user: User
) -> Response[str]:
    """Show an own listing's form, with what was typed last and not sent."""
    me, listing_kind = signed_in(user), _kind(kind)
    listing = await read_listing(conn, kind=listing_kind, code=code, vendor_id=me.organization_id)
    draft_id = uuid5(_DRAFTS, f"{me.organization_id}:{listing_kind}:{code}")
    fields = listing.fields
    is_kept = False
    try:
        fields = fields | (await get_draft(conn, draft_id=draft_id, vendor_id=me.organization_id)).fields
        is_kept = True
    except DraftNotFound:
        pass
    editing = Editing(kind=listing_kind, code=code, draft_id=draft_id, fields=fields)
    return await _form_page(request, conn, me, editing, is_kept=is_kept)


@post(
    "/vendor/listings/{kind:str}/{code:str}",
    opt={"audience": "vendor"},
    include_in_schema=False,
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def listing_submit(
    request: AnyRequest, kind: FromPath[str], code: FromPath[str], conn: Conn, user: User
) -> Response[Any]:
    """Edit an own listing: at once, or as a request to the coordinator."""
    me, listing_kind = signed_in(user), _kind(kind)
    stored = await read_listing(conn, kind=listing_kind, code=code, vendor_id=me.organization_id)
    form, editing, errors = await _read(request, conn, me, listing_kind, code)
    if form.text("action") == "more":
        editing = msgspec.structs.replace(editing, slots=padded(editing.slots, more=SLOT_ROWS_MORE))
        return await _form_page(request, conn, me, editing)
    if not errors:
        edited = await edit_listing(
            conn,
            request_id=form.uuid("request_id"),
            kind=listing_kind,
            code=code,
            fields=editing.fields,
            actor=me.actor,
        )
        if edited.outcome != "refused":
            await drop_draft(conn, draft_id=editing.draft_id, vendor_id=me.organization_id)
            return see_other("/vendor", notice=f"listing-{edited.outcome}")
        errors = field_errors(edited.errors)
    await save_draft(
        conn, draft_id=editing.draft_id, kind=listing_kind, code=code, fields=editing.fields, actor=me.actor
    )
    editing = msgspec.structs.replace(editing, fields=stored.fields | editing.fields)
    return await _form_page(request, conn, me, editing, errors=errors, is_kept=True, status_code=400)


@post("/vendor/listings/{kind:str}/{code:str}/retire", opt={"audience": "vendor"}, include_in_schema=False)
async def listing_retire_submit(
    kind: FromPath[str], code: FromPath[str], conn: Conn, user: User
) -> Response[Any]:
    """Take an own listing off the market."""
    await set_listing_state(conn, kind=_kind(kind), code=code, state="retired", actor=signed_in(user).actor)
    return see_other("/vendor", notice="listing-retired")


@post("/vendor/listings/{kind:str}/{code:str}/publish", opt={"audience": "vendor"}, include_in_schema=False)
async def listing_publish_submit(
    kind: FromPath[str], code: FromPath[str], conn: Conn, user: User
) -> Response[Any]:
    """Put an own listing back as it was."""
    await set_listing_state(conn, kind=_kind(kind), code=code, state="published", actor=signed_in(user).actor)
    return see_other("/vendor", notice="listing-written")


VENDOR_LISTING_PAGES = [
    listing_new_page,
    listing_new_submit,
    draft_page,
    draft_drop_submit,
    listing_page,
    listing_submit,
    listing_retire_submit,
    listing_publish_submit,
]
