"""What answers while the search engine is down: the words as they are, straight from PostgreSQL, capped."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from catalog.core.viewer import Viewer
from catalog.projection import project_package_models, project_products
from marketplace.web.search_form import PAGE_SIZE, SearchForm
from search_config.documents import CatalogDocument
from search_config.engine import SearchHit, SearchPage

FOUND_MAX: Final = 300
WORDS_MAX: Final = 10


async def search_plainly(
    conn: asyncpg.Connection, *, form: SearchForm, viewer: Viewer, page_size: int = PAGE_SIZE
) -> SearchPage:
    """Find listings that hold every word as it is written; names first come first, no facets, no corrections."""
    words = [word for word in form.text.lower().split() if word][:WORDS_MAX]
    rows = await conn.fetch(
        """
        SELECT kind, id FROM (
            SELECT 'package_model' AS kind, m.id, m.name_ko AS name, m.visibility, m.vendor_id,
                   concat_ws(' ', m.code, m.name_ko, m.name_en, v.name_ko, v.name_en, n.summary_ko,
                             n.summary_en, array_to_string(n.industries, ' ')) AS said
            FROM package_models m
            JOIN organizations v ON v.id = m.vendor_id AND v.state = 'active'
            JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
            WHERE m.state = 'published'
            UNION ALL
            SELECT 'product', p.id, p.name_ko, p.visibility, p.vendor_id,
                   concat_ws(' ', p.code, p.name_ko, p.name_en, p.model, p.series, p.category, p.subcategory,
                             k.name, k.name_ko, p.summary_ko, p.summary_en)
            FROM products p
            JOIN organizations v ON v.id = p.vendor_id AND v.state = 'active'
            JOIN makers k ON k.id = p.maker_id
            WHERE p.state = 'published') listing
        WHERE (visibility = 'public' OR visibility = 'members' AND $2::bigint IS NOT NULL OR vendor_id = $2)
          AND NOT EXISTS (SELECT FROM unnest($1::text[]) word WHERE position(word IN lower(said)) = 0)
        ORDER BY kind, name, id LIMIT $3
        """,
        words,
        viewer.organization_id,
        FOUND_MAX,
    )
    documents = await _read_documents(conn, [(row["kind"], row["id"]) for row in rows])
    found = [document for document in documents if _meets(document, form)]
    start = (form.page - 1) * page_size
    return SearchPage(
        hits=tuple(SearchHit(score=0.0, document=document) for document in found[start : start + page_size]),
        total=len(found),
        page=form.page,
        page_size=page_size,
        page_count=-(-len(found) // page_size),
        text=form.text,
    )


async def _read_documents(
    conn: asyncpg.Connection, found: Sequence[tuple[str, int]]
) -> list[CatalogDocument]:
    packages = await project_package_models(conn, ids=[id_ for kind, id_ in found if kind == "package_model"])
    products = await project_products(conn, ids=[id_ for kind, id_ in found if kind == "product"])
    both = {"package_model": packages, "product": products}
    documents = (both[kind].get(id_) for kind, id_ in found)
    return [document for document in documents if isinstance(document, CatalogDocument)]


def _meets(document: CatalogDocument, form: SearchForm) -> bool:
    for field, values in form.chosen.items():
        value = getattr(document, field)
        held = {str(one) for one in value} if isinstance(value, list) else {str(value)}
        if held.isdisjoint(values):
            return False
    ceilings = ((document.price_krw, form.price_krw_max), (document.lead_time_days, form.lead_time_days_max))
    if any(ceiling is not None and (value is None or value > ceiling) for value, ceiling in ceilings):
        return False
    return document.has_open_round or not form.open_round_only
