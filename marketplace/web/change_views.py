"""A change request as its pages show it: one row a field, before and after."""

from datetime import datetime

import msgspec

from catalog.change_requests import ChangeRequest
from catalog.core.listing_columns import SPEC_PREFIX
from catalog.core.listing_rows import ImportKind
from marketplace.web.labels import label


class FieldChange(msgspec.Struct, frozen=True):
    """One field; `name` is in the language of the page, empty texts mean "nothing"."""

    name: str
    before: str
    after: str


class ChangeView(msgspec.Struct, frozen=True, kw_only=True):
    """A request for the page."""

    id: str
    kind: ImportKind
    code: str
    path: str
    vendor_ko: str
    vendor_en: str
    state: str
    reason: str
    created_at: datetime
    decided_at: datetime | None
    fields: list[FieldChange]


def change_view(change: ChangeRequest) -> ChangeView:
    """The request with its fields named."""
    paths = {"products": "products", "package-models": "packages", "offers": "offers"}
    suffix = "/questions" if change.kind == "offers" else ""
    return ChangeView(
        id=str(change.id),
        kind=change.kind,
        code=change.code,
        path=f"/{paths[change.kind]}/{change.code}{suffix}",
        vendor_ko=change.vendor_ko,
        vendor_en=change.vendor_en,
        state=change.state,
        reason=change.reason or "",
        created_at=change.created_at,
        decided_at=change.decided_at,
        fields=[
            FieldChange(field_name(name), change.before.get(name, ""), after)
            for name, after in change.after.items()
        ],
    )


def field_name(name: str) -> str:
    """What a field of a listing is called; a spec by its code."""
    return label("field", name.removeprefix(SPEC_PREFIX))
