"""The versions of a package, what each had, and what changed from one to the next; a product's PDF."""

from collections.abc import Sequence

import msgspec
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from catalog.own_listings import read_product_terms
from catalog.package_details import VersionEntry, VersionLine, list_versions
from catalog.package_models import get_package_model
from catalog.products import get_product
from marketplace.accounts.access import viewer_of
from marketplace.deps import AnyRequest, Conn, User
from marketplace.uploads import read_pdf
from marketplace.web.catalog_views import HiddenName
from marketplace.web.pdf_answers import pdf_response
from marketplace.web.render import page_response


class LineChange(msgspec.Struct, frozen=True, kw_only=True):
    """A component of a version, and how it differs from the version before: "", "added", "removed", "changed"."""

    slot: str
    quantity: int
    code: str | None
    name_ko: str
    name_en: str
    change: str


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """One version as `package_versions.html` takes it."""

    entry: VersionEntry
    lines: list[LineChange]


def line_changes(lines: Sequence[VersionLine], before: Sequence[VersionLine] | None) -> list[LineChange]:
    """The lines of a version beside those of the one before; hidden components are not compared."""
    old = {line.code: line.quantity for line in before or () if line.code}
    shown = [_line(line, _change(line, old) if before is not None and line.code else "") for line in lines]
    kept = {line.code for line in lines}
    return shown + [_line(line, "removed") for line in before or () if line.code and line.code not in kept]


def _change(line: VersionLine, old: dict[str, int]) -> str:
    if line.code not in old:
        return "added"
    return "" if old[line.code] == line.quantity else "changed"


def _line(line: VersionLine, change: str) -> LineChange:
    hidden = HiddenName()
    return LineChange(
        slot=line.slot,
        quantity=line.quantity,
        code=line.code,
        name_ko=line.name_ko or hidden.ko,
        name_en=line.name_en or hidden.en,
        change=change,
    )


@get("/packages/{code:str}/versions", opt={"audience": "anyone"}, include_in_schema=False)
async def package_versions_page(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[str]:
    """List the versions of a package, the newest first. Rounds and quotes keep the one they were made with."""
    viewer = viewer_of(user)
    package = await get_package_model(conn, code=code, viewer=viewer)
    entries = await list_versions(conn, package_id=package.id, viewer=viewer)
    older: list[Sequence[VersionLine] | None] = [entry.lines for entry in entries[1:]]
    versions = [
        VersionView(entry=entry, lines=line_changes(entry.lines, before))
        for entry, before in zip(entries, [*older, None], strict=True)
    ]
    return page_response(
        request, "package_versions.html", section="search", package=package, versions=versions
    )


@get("/products/{code:str}/datasheet", opt={"audience": "anyone"}, include_in_schema=False)
async def datasheet(code: FromPath[str], conn: Conn, user: User) -> Response[bytes]:
    """The PDF of a product that the visitor may see."""
    product = await get_product(conn, code=code, viewer=viewer_of(user))
    terms = await read_product_terms(conn, product_id=product.id)
    found = await read_pdf(conn, file_id=terms.datasheet_file_id) if terms.datasheet_file_id else None
    if found is None:
        raise NotFoundException(f"product {code!r} has no datasheet")
    return pdf_response(*found)


PACKAGE_VERSION_PAGES = [package_versions_page, datasheet]
