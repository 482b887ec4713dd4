"""Bulk listing for vendors: bring a file, read what it would do and what is wrong, then apply it."""

from pathlib import PurePosixPath
from typing import Any, Final, cast
from urllib.parse import quote
from uuid import UUID, uuid4

import asyncpg
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath, FromQuery

from catalog.core.import_rows import FILE_BYTES_MAX, SUFFIXES
from catalog.core.listing_rows import IMPORT_KINDS, ImportKind
from catalog.core.viewer import Viewer
from catalog.errors import UnknownKind
from catalog.exporting import EXPORT_SUFFIXES, export_rows, write_export
from catalog.importing.error_file import write_error_file
from catalog.importing.header_choices import remember_header_choices
from catalog.importing.kinds import KINDS
from catalog.imports import Import, ask_to_stop, get_import, list_imports
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.import_files import ImportMode, apply_kept_import, read_kept_file, take_import
from marketplace.web.i18n import LANG, gettext
from marketplace.web.import_views import known_columns, report_view, unknown_columns
from marketplace.web.render import page_response, see_other

UPLOAD_BYTES_MAX: Final = FILE_BYTES_MAX + 64 * 1024
"""The largest file and the other fields of its form."""
POLL_SECONDS: Final = 2
"""How often the page of a long import asks for its progress."""
LEAVE_OUT: Final = "-"
"""The choice that a column of a file is left out; an empty choice leaves the question open."""
VENDOR_KINDS: Final[tuple[ImportKind, ...]] = tuple(
    kind for kind in IMPORT_KINDS if "vendor" in KINDS[kind].writers
)


async def _imports_page(
    request: AnyRequest, conn: asyncpg.Connection, viewer: Viewer, *, status_code: int = 200, **context: Any
) -> Response[str]:
    shown = {
        "section": "vendor",
        "kinds": VENDOR_KINDS,
        "suffixes": SUFFIXES,
        "export_suffixes": EXPORT_SUFFIXES,
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
        may_wait=True,
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
    viewer = signed_in(user).viewer
    found = await get_import(conn, import_id=import_id, viewer=viewer)
    view = report_view(found)
    response = page_response(
        request,
        "vendor_import.html",
        section="vendor",
        report=view,
        unknown_columns=await unknown_columns(conn, found) if view.has_unknown_columns else [],
        columns=await known_columns(conn, found) if view.has_unknown_columns else [],
    )
    if view.is_running:
        response.headers["refresh"] = str(POLL_SECONDS)
    return response


@post("/vendor/imports/{import_id:uuid}/columns", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_import_columns(
    request: AnyRequest, import_id: FromPath[UUID], conn: Conn, user: User
) -> Response[Any]:
    """Remember what the unknown columns are, and look at the file again."""
    me = signed_in(user)
    found = await get_import(conn, import_id=import_id, viewer=me.viewer)
    form = await request.form()
    allowed = {name for name, _ in await known_columns(conn, found)}
    choices: dict[str, str | None] = {}
    for position, column in enumerate(found.report.header.unknown if found.report.header else ()):
        chosen = str(form.get(f"column-{position}", ""))
        if chosen == LEAVE_OUT:
            choices[column.name] = None
        elif chosen in allowed:
            choices[column.name] = chosen
    await remember_header_choices(conn, organization_id=me.organization_id, kind=found.kind, choices=choices)
    return _to_report(
        await apply_kept_import(
            conn,
            import_id=import_id,
            mode="check",
            viewer=me.viewer,
            person_id=me.person_id,
            may_wait=True,
        )
    )


@get("/vendor/imports/{import_id:uuid}/errors-file", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_import_errors_file(import_id: FromPath[UUID], conn: Conn, user: User) -> Response[bytes]:
    """Give the file back with a column that says what is wrong in each row."""
    viewer = signed_in(user).viewer
    found = await get_import(conn, import_id=import_id, viewer=viewer)
    content, suffix = await write_error_file(
        conn,
        kind=found.kind,
        content=await read_kept_file(conn, found),
        file_name=found.file_name,
        viewer=viewer,
        in_english=LANG.get() == "en",
    )
    name = quote(PurePosixPath(found.file_name).stem + f"-errors{suffix}")
    return Response(
        content,
        media_type="application/octet-stream",
        headers={
            "content-disposition": f"attachment; filename=\"errors{suffix}\"; filename*=UTF-8''{name}",
            "cache-control": "no-store",
        },
    )


@post("/vendor/imports/{import_id:uuid}/stop", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_import_stop(import_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Stop a long import; nothing of it is written."""
    viewer = signed_in(user).viewer
    await ask_to_stop(conn, import_id=import_id, viewer=viewer)
    return see_other(f"/vendor/imports/{import_id}", notice="import-stopping")


@post("/vendor/imports/{import_id:uuid}/resume", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_import_resume(import_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Set a stopped import going again, in the mode that it had."""
    me = signed_in(user)
    found = await get_import(conn, import_id=import_id, viewer=me.viewer)
    return _to_report(
        await apply_kept_import(
            conn,
            import_id=import_id,
            mode=found.mode,
            viewer=me.viewer,
            person_id=me.person_id,
            may_wait=True,
        )
    )


@get("/vendor/export", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_export(
    conn: Conn, user: User, kind: FromQuery[str] = "products", suffix: FromQuery[str] = ".xlsx"
) -> Response[bytes]:
    """Everything of one's own, in the shape that the import reads as all unchanged. Raises UnknownKind."""
    me = signed_in(user)
    if kind not in VENDOR_KINDS:
        raise UnknownKind(kind, allowed=VENDOR_KINDS)
    rows = await export_rows(conn, kind=kind, owner_id=me.organization_id)
    content = write_export(kind, rows, suffix=suffix)
    return Response(
        content,
        media_type="application/octet-stream",
        headers={
            "content-disposition": f'attachment; filename="{kind}{suffix}"',
            "cache-control": "no-store",
        },
    )


@post("/vendor/imports/{import_id:uuid}/apply", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_import_apply(import_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Apply a checked file; if the catalog changed so that it has errors now, nothing is written."""
    me = signed_in(user)
    return _to_report(
        await apply_kept_import(
            conn,
            import_id=import_id,
            mode="apply",
            viewer=me.viewer,
            person_id=me.person_id,
            may_wait=True,
        )
    )


@post("/vendor/imports/{import_id:uuid}/take-good-rows", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_import_take_good_rows(import_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Apply the rows without errors and leave the others."""
    me = signed_in(user)
    return _to_report(
        await apply_kept_import(
            conn,
            import_id=import_id,
            mode="take_good_rows",
            viewer=me.viewer,
            person_id=me.person_id,
            may_wait=True,
        )
    )


VENDOR_IMPORT_PAGES = [
    vendor_imports_page,
    vendor_imports_submit,
    vendor_import_page,
    vendor_import_apply,
    vendor_import_take_good_rows,
    vendor_import_columns,
    vendor_import_errors_file,
    vendor_import_stop,
    vendor_import_resume,
    vendor_export,
]
