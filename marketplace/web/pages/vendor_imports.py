"""Bulk listing for vendors: bring a file, read what it would do and what is wrong, then apply it."""

from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID, uuid4

import asyncpg
import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath

from catalog.core.import_rows import FILE_BYTES_MAX
from catalog.core.listing_rows import IMPORT_KINDS, ImportKind
from catalog.core.viewer import Viewer
from catalog.importing.kinds import KINDS
from catalog.imports import Import, get_import, list_imports
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.import_files import ImportMode, apply_kept_import, take_import
from marketplace.web.i18n import LANG, gettext
from marketplace.web.render import page_response, see_other

UPLOAD_BYTES_MAX: Final = FILE_BYTES_MAX + 64 * 1024
"""The largest file and the other fields of its form."""
VENDOR_KINDS: Final[tuple[ImportKind, ...]] = tuple(
    kind for kind in IMPORT_KINDS if "vendor" in KINDS[kind].writers
)


class ErrorView(msgspec.Struct, frozen=True):
    """What is wrong where, in the language of the page."""

    line: int
    column: str
    found: str
    expected: str


class ReportView(msgspec.Struct, frozen=True, kw_only=True):
    """A file and what became of it, as `vendor_import.html` takes it."""

    id: str
    kind: ImportKind
    file_name: str
    at: datetime
    state: str
    new: int
    changed: int
    unchanged: int
    missing: int
    errors: list[ErrorView]
    error_count: int
    good_row_count: int
    may_apply: bool
    may_take_good_rows: bool


def report_view(found: Import) -> ReportView:
    """The report in the language of the page, with what may be done next."""
    report, is_english = found.report, LANG.get() == "en"
    writable = report.new + report.changed
    is_open = found.state != "applied"
    return ReportView(
        id=str(found.id),
        kind=found.kind,
        file_name=found.file_name,
        at=found.applied_at or found.created_at,
        state="applied_partly" if not is_open and report.errors else found.state,
        new=report.new,
        changed=report.changed,
        unchanged=report.unchanged,
        missing=report.missing,
        errors=[
            ErrorView(e.line, e.column, e.found, e.expected if is_english else e.expected_ko or e.expected)
            for e in report.errors
        ],
        error_count=len(report.errors),
        good_row_count=writable,
        may_apply=is_open and not report.errors and writable > 0,
        may_take_good_rows=is_open and bool(report.errors) and writable > 0,
    )


async def _imports_page(
    request: AnyRequest, conn: asyncpg.Connection, viewer: Viewer, *, status_code: int = 200, **context: Any
) -> Response[str]:
    shown = {
        "section": "vendor",
        "kinds": VENDOR_KINDS,
        "import_id": str(uuid4()),
        "imports": [report_view(found) for found in await list_imports(conn, viewer=viewer)],
        "errors": {},
        "values": {},
    }
    return page_response(request, "vendor_imports.html", status_code=status_code, **shown | context)


@get("/vendor/imports", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_imports_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """Show the form and the files brought lately."""
    return await _imports_page(request, conn, signed_in(user).viewer)


@post(
    "/vendor/imports",
    opt={"audience": "lister"},
    include_in_schema=False,
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def vendor_imports_submit(request: AnyRequest, conn: Conn, user: User) -> Response[Any]:
    """Keep the file, check it (or apply it at once if it has no errors), and go to its report."""
    me = signed_in(user)
    form = await request.form()
    kind, upload = str(form.get("kind", "")), form.get("file")
    errors = {}
    if kind not in VENDOR_KINDS:
        errors["kind"] = gettext("목록에서 종류를 고르세요.")
    if not isinstance(upload, UploadFile) or not upload.filename:
        errors["file"] = gettext("올릴 파일을 고르세요.")
    if errors or not isinstance(upload, UploadFile):
        return await _imports_page(
            request, conn, me.viewer, status_code=400, errors=errors, values={"kind": kind}
        )
    mode: ImportMode = "apply" if form.get("mode") == "apply" else "check"
    found = await take_import(
        conn,
        import_id=_read_id(str(form.get("import_id", ""))),
        kind=cast("ImportKind", kind),
        file_name=upload.filename,
        content=await upload.read(),
        mode=mode,
        viewer=me.viewer,
        person_id=me.person_id,
    )
    return _to_report(found)


def _read_id(text: str) -> UUID:
    """The id that the form brought, so that a second press of the button is no second import."""
    try:
        return UUID(text)
    except ValueError:
        return uuid4()


def _to_report(found: Import) -> Response[Any]:
    notice = "import-applied" if found.state == "applied" else None
    return see_other(f"/vendor/imports/{found.id}", notice=notice)


@get("/vendor/imports/{import_id:uuid}", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_import_page(
    request: AnyRequest, import_id: FromPath[UUID], conn: Conn, user: User
) -> Response[str]:
    """Show what became of one file."""
    found = await get_import(conn, import_id=import_id, viewer=signed_in(user).viewer)
    return page_response(request, "vendor_import.html", section="vendor", report=report_view(found))


@post("/vendor/imports/{import_id:uuid}/apply", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_import_apply(import_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Apply a checked file; if the catalog changed so that it has errors now, nothing is written."""
    me = signed_in(user)
    return _to_report(
        await apply_kept_import(
            conn, import_id=import_id, mode="apply", viewer=me.viewer, person_id=me.person_id
        )
    )


@post("/vendor/imports/{import_id:uuid}/take-good-rows", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_import_take_good_rows(import_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Apply the rows without errors and leave the others."""
    me = signed_in(user)
    return _to_report(
        await apply_kept_import(
            conn, import_id=import_id, mode="take_good_rows", viewer=me.viewer, person_id=me.person_id
        )
    )


VENDOR_IMPORT_PAGES = [
    vendor_imports_page,
    vendor_imports_submit,
    vendor_import_page,
    vendor_import_apply,
    vendor_import_take_good_rows,
]
