"""Bulk listing for programs: PUT a file under an id of one's own making; the same PUT twice is one import."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import get, put
from litestar.params import FromPath, FromQuery, QueryParameter

from catalog.core.listing_rows import ImportKind
from catalog.importing import report_document
from catalog.imports import Import, get_import
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.import_files import ImportMode, take_import
from marketplace.web.pages.vendor_imports import UPLOAD_BYTES_MAX

FileName = Annotated[str, QueryParameter(min_length=1, max_length=255)]


class ImportAnswer(msgspec.Struct, frozen=True):
    """What became of a file; `report` is what `marketplace import --json` prints."""

    id: UUID
    kind: ImportKind
    file_name: str
    state: str
    report: dict[str, Any]


def _answer(found: Import) -> ImportAnswer:
    return ImportAnswer(found.id, found.kind, found.file_name, found.state, report_document(found.report))


@put(
    "/api/imports/{import_id:uuid}",
    opt={"audience": "lister"},
    tags=["imports"],
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def put_import(
    import_id: FromPath[UUID],
    request: AnyRequest,
    conn: Conn,
    user: User,
    kind: FromQuery[ImportKind],
    file_name: FromQuery[FileName],
    mode: FromQuery[ImportMode] = "check",
) -> ImportAnswer:
    """Check a file (the request's body), or apply it: all rows, or the good ones. Errors leave the catalog as it is.

    The format follows from the suffix of `file_name`. Answers 200 also where the file has errors: read `state`.
    Raises ImportNotAllowed; ImportIdReused where the id names another file.
    """
    me = signed_in(user)
    found = await take_import(
        conn,
        import_id=import_id,
        kind=kind,
        file_name=file_name,
        content=await request.body(),
        mode=mode,
        viewer=me.viewer,
        person_id=me.person_id,
    )
    return _answer(found)


@get("/api/imports/{import_id:uuid}", opt={"audience": "lister"}, tags=["imports"])
async def read_import(import_id: FromPath[UUID], conn: Conn, user: User) -> ImportAnswer:
    """Read what became of one's own file."""
    return _answer(await get_import(conn, import_id=import_id, viewer=signed_in(user).viewer))


IMPORTS_API = [put_import, read_import]
