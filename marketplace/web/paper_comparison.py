"""비교견적: a comparison of the site's page, written down in both languages as it stands now."""

from uuid import UUID

import asyncpg

from catalog.core.viewer import Viewer
from catalog.events import Actor
from group_buy.core.paper import ComparedItem, ComparisonGroup, ComparisonPaper, ComparisonRow
from group_buy.errors import PaperRefused
from group_buy.papers import NewPaper
from marketplace.web.comparison import Compared, Group, Row
from marketplace.web.comparison_file import cell_text
from marketplace.web.comparison_reading import read_comparison
from marketplace.web.formats import Lang
from marketplace.web.i18n import LANG
from marketplace.web.labels import label
from marketplace.web.paper_reading import read_party

LIST_LETTERS_MAX = 300
"""A cell of a paper is cut behind so many letters; the whole text is on the page."""


async def read_comparison_paper(
    conn: asyncpg.Connection, *, paper_id: UUID, ids: list[str], query: dict[str, str], actor: Actor
) -> NewPaper:
    """The comparison that an address names, for the factory that asks.

    Raises PaperRefused `too_few` where fewer than two things can be compared.
    """
    assert actor.organization_id is not None
    viewer = Viewer(actor.organization_id, "factory")
    comparison = await read_comparison(conn, ids=ids, query=query, viewer=viewer)
    if len(comparison.columns) < 2:
        raise PaperRefused("too_few")
    codes = [column.listing.code for column in comparison.columns]
    data = ComparisonPaper(
        buyer=await read_party(conn, actor.organization_id),
        items=tuple(_item(column) for column in comparison.columns),
        groups=tuple(_group(group) for group in comparison.groups),
        is_ranked=comparison.is_ranked,
        years=comparison.inputs.terms.years,
        is_illustrative=any(c.offer is not None and c.offer.is_illustrative for c in comparison.columns),
    )
    return NewPaper(
        id=paper_id,
        kind="comparison",
        subject="comparison",
        subject_id=" ".join(codes),
        owner_id=actor.organization_id,
        data=data,
    )


def _item(column: Compared) -> ComparedItem:
    listing = column.listing
    vendor = column.offer.vendor if column.offer else column.package.vendor if column.package else None
    return ComparedItem(
        name_ko=listing.name_ko,
        name_en=listing.name_en,
        vendor_ko=vendor.name_ko if vendor else "",
        vendor_en=vendor.name_en if vendor else "",
        unit_price_krw=column.offer.list_unit_price_krw if column.offer else None,
    )


def _group(group: Group) -> ComparisonGroup:
    return ComparisonGroup(
        name_ko=_said("ko", "compare_group", group.code),
        name_en=_said("en", "compare_group", group.code),
        rows=tuple(_row(row) for row in group.rows),
    )


def _row(row: Row) -> ComparisonRow:
    return ComparisonRow(
        name_ko=_said("ko", "compare_row", row.code) if row.code else row.name_ko,
        name_en=_said("en", "compare_row", row.code) if row.code else row.name_en or row.name_ko,
        cells_ko=_cells(row, "ko"),
        cells_en=_cells(row, "en"),
        best=tuple(n for n, cell in enumerate(row.cells) if cell.best),
    )


def _said(lang: Lang, kind: str, code: str) -> str:
    token = LANG.set(lang)
    try:
        return str(label(kind, code))
    finally:
        LANG.reset(token)


def _cells(row: Row, lang: Lang) -> tuple[str, ...]:
    token = LANG.set(lang)
    try:
        return tuple(_cut(cell_text(row, cell, lang)) for cell in row.cells)
    finally:
        LANG.reset(token)


def _cut(text: str) -> str:
    return text if len(text) <= LIST_LETTERS_MAX else f"{text[:LIST_LETTERS_MAX]}…"
