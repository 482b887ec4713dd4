"""What the search box suggests while a visitor types: packages, products, vendors and A/S sites in one list."""

import asyncio
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from marketplace.web.i18n import local, url
from marketplace.web.labels import label
from search_config.documents import CatalogDocument, SearchDocument, ServiceCenterDocument, VendorDocument
from search_config.engine import SearchEngine
from search_config.query import Principal, SearchQuery

TEXT_LENGTH_MAX: Final = 100
"""Longer texts are pasted, not typed; nothing is suggested for them."""

SuggestionKind: TypeAlias = Literal["package_model", "product", "vendor", "service_center"]

ALL_KINDS: Final[tuple[SuggestionKind, ...]] = get_args(SuggestionKind)
BESIDE_RESULTS: Final[tuple[SuggestionKind, ...]] = ("vendor", "service_center")
"""What a result of packages and products does not hold and is named beside it."""


class Suggestion(msgspec.Struct, frozen=True):
    """One entry: a name in the language of the page, what tells it from others, and where it leads."""

    name: str
    note: str
    href: str


class SuggestionGroup(msgspec.Struct, frozen=True):
    """The entries of one kind, best first."""

    kind: SuggestionKind
    entries: tuple[Suggestion, ...]


def _queries(text: str) -> dict[SuggestionKind, SearchQuery]:
    return {
        "package_model": SearchQuery(text=text, kinds=("package_model",), page_size=4),
        "product": SearchQuery(text=text, kinds=("product",), page_size=4),
        "vendor": SearchQuery(index="vendors", text=text, page_size=3),
        "service_center": SearchQuery(index="service_centers", text=text, page_size=3),
    }


async def suggest(
    engine: SearchEngine, *, text: str, principal: Principal, kinds: Sequence[SuggestionKind] = ALL_KINDS
) -> list[SuggestionGroup]:
    """Suggest what this principal may see; kinds without an entry are left out. Raises SearchUnavailable."""
    if not text.strip() or len(text) > TEXT_LENGTH_MAX:
        return []
    queries = {kind: query for kind, query in _queries(text).items() if kind in kinds}
    pages = await asyncio.gather(*(engine.search(query, principal) for query in queries.values()))
    groups = [
        SuggestionGroup(kind, tuple(suggestion_of(hit.document) for hit in page.hits))
        for kind, page in zip(queries, pages, strict=True)
        # A page that met only some of the words is a last resort of a result, not a suggestion.
        if "relaxed" not in page.notices
    ]
    return [group for group in groups if group.entries]


def suggestion_of(document: SearchDocument) -> Suggestion:
    """The entry of one document."""
    name = local(document, "name")
    match document:
        case CatalogDocument(kind="package_model"):
            return Suggestion(name, local(document, "vendor"), url(f"/packages/{document.code}"))
        case CatalogDocument():
            return Suggestion(name, local(document, "maker"), url(f"/products/{document.code}"))
        case VendorDocument():
            return Suggestion(name, document.city, url(f"/search?vendor_code={document.code}"))
        case ServiceCenterDocument():
            roles = " · ".join(label("site_role", role) for role in document.roles[:2])
            return Suggestion(name, roles, url(f"/service-centers#{document.code}"))
