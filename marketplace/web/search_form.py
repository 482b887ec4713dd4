"""From the address of a search to a query: an allow-list of conditions, and the address of any other choice.

The whole state of a search is its address, so that it can be shared, saved and gone back to.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, Literal
from urllib.parse import urlencode

import msgspec

from catalog.core.package_model import INDUSTRIES, LEVEL_MAX, PACKAGE_TYPES
from catalog.core.product import CATEGORIES, VERIFICATIONS
from search_config.query import SearchQuery

PAGE_SIZE: Final = 20
PAGE_MAX: Final = 10_000
VALUES_MAX: Final = 50
"""Most values of one condition that are read from an address."""
AMOUNT_MAX: Final = 10**12
SORTS: Final = ("relevance", "price", "lead_time", "domestic_share", "open_round", "name")
LEVELS: Final = tuple(str(level) for level in range(LEVEL_MAX + 1))

Check = Callable[[str], bool]


class Condition(msgspec.Struct, frozen=True):
    """One condition that an address may hold, as field of the index; `style` is how it is chosen."""

    field: str
    style: Literal["one", "many"]
    is_value: Check
    is_shown: bool = True


def one_of(values: Sequence[str]) -> Check:
    """A value of a closed list."""
    return frozenset(values).__contains__


def like(pattern: str) -> Check:
    """A value of this form, whether or not anything has it."""
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


CONDITIONS: Final = (
    Condition("kind", "one", one_of(("package_model", "product"))),
    Condition("category", "many", one_of(CATEGORIES)),
    Condition("package_type", "many", one_of(PACKAGE_TYPES)),
    Condition("level_to", "many", one_of(LEVELS)),
    Condition("industries", "many", one_of(INDUSTRIES)),
    Condition("subcategory", "many", like(r"[^\x00-\x1f]{1,100}")),
    Condition("maker_country", "many", like("[A-Z]{2}")),
    Condition("vendor_code", "many", like("[a-z0-9][a-z0-9-]{0,99}")),
    Condition("verification", "many", one_of(VERIFICATIONS)),
    Condition("level_from", "many", one_of(LEVELS), is_shown=False),
)
"""What may be chosen, in the order of the page."""

FACET_FIELDS: Final = tuple(condition.field for condition in CONDITIONS if condition.is_shown)
PARAMETERS: Final = (
    "q",
    *(condition.field for condition in CONDITIONS),
    "price_max",
    "lead_time_max",
    "open_round",
    "literal",
    "sort",
    "page",
)


class SearchForm(msgspec.Struct, frozen=True, kw_only=True):
    """A search as its address says it; `refused` are the conditions that make no sense, as (name, value).

    `is_literal`: the text is searched as it is written, whatever it may have been meant to say.
    """

    text: str = ""
    chosen: dict[str, tuple[str, ...]] = {}
    price_krw_max: int | None = None
    lead_time_days_max: int | None = None
    open_round_only: bool = False
    is_literal: bool = False
    sort: str = "relevance"
    page: int = 1
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the text limits the result."""
        limits = (self.price_krw_max, self.lead_time_days_max)
        return bool(self.chosen) or self.open_round_only or any(limit is not None for limit in limits)

    def to_query(self, *, lang: str, page_size: int = PAGE_SIZE) -> SearchQuery:
        """The query of the index `catalog`; names are sorted in the language of the page."""
        filters: dict[str, Sequence[str]] = dict(self.chosen)
        if self.open_round_only:
            filters["has_open_round"] = ("true",)
        ranges: dict[str, tuple[float | None, float | None]] = {}
        if self.price_krw_max is not None:
            ranges["price_krw"] = (None, self.price_krw_max)
        if self.lead_time_days_max is not None:
            ranges["lead_time_days"] = (None, self.lead_time_days_max)
        return SearchQuery(
            text=self.text,
            filters=filters,
            ranges=ranges,
            sort="name_en" if self.sort == "name" and lang == "en" else self.sort,
            page=self.page,
            page_size=page_size,
            facets=FACET_FIELDS,
            is_literal=self.is_literal,
        )

    def address(self, *, without: tuple[str, str] | None = None, page: int | None = None) -> str:
        """This search as a query string, without one condition, or on another page; a new result starts at 1."""
        pairs = [("q", self.text)] if self.text else []
        pairs += [(field, value) for field, values in self.chosen.items() for value in values]
        if self.price_krw_max is not None:
            pairs.append(("price_max", str(self.price_krw_max)))
        if self.lead_time_days_max is not None:
            pairs.append(("lead_time_max", str(self.lead_time_days_max)))
        if self.open_round_only:
            pairs.append(("open_round", "1"))
        if self.is_literal:
            pairs.append(("literal", "1"))
        if self.sort != "relevance":
            pairs.append(("sort", self.sort))
        pairs = [pair for pair in pairs if pair != without]
        if page is not None and page > 1:
            pairs.append(("page", str(page)))
        return f"/search?{urlencode(pairs)}" if pairs else "/search"


def read_search_form(parameters: Sequence[tuple[str, str]]) -> SearchForm:
    """Read the parameters of an address; what makes no sense is left out and named in `refused`.

    Empty values are what a form sends for a field left blank, and say nothing. Names that are not ours
    (trackers add theirs) are ignored here; programs are told about them, see `list_unknown`.
    """
    reader = _Reader(parameters)
    chosen = {condition.field: reader.values(condition) for condition in CONDITIONS}
    return SearchForm(
        text=reader.first("q"),
        chosen={field: values for field, values in chosen.items() if values},
        price_krw_max=reader.amount("price_max", ceiling=AMOUNT_MAX),
        lead_time_days_max=reader.amount("lead_time_max", ceiling=AMOUNT_MAX),
        open_round_only=reader.first("open_round", allowed=("1",)) == "1",
        is_literal=reader.first("literal", allowed=("1",)) == "1",
        sort=reader.first("sort", allowed=SORTS) or "relevance",
        page=max(reader.amount("page", ceiling=PAGE_MAX) or 1, 1),
        refused=tuple(reader.refused),
    )


def list_unknown(parameters: Sequence[tuple[str, str]], *, also: Sequence[str] = ()) -> list[str]:
    """The names among the parameters that mean nothing; a misspelt condition must not count as met."""
    allowed = {*PARAMETERS, *also}
    return sorted({name for name, _ in parameters if name not in allowed})


class _Reader:
    def __init__(self, parameters: Sequence[tuple[str, str]]) -> None:
        # PostgreSQL has no text with NUL, and nothing that is listed holds one.
        self.parameters = [(name, value.replace("\0", "")) for name, value in parameters]
        self.refused: list[tuple[str, str]] = []

    def all(self, name: str) -> list[str]:
        values = [value for key, value in self.parameters if key == name and value.strip()]
        return list(dict.fromkeys(values))

    def values(self, condition: Condition) -> tuple[str, ...]:
        found = self.all(condition.field)
        good = [value for value in found if condition.is_value(value)][:VALUES_MAX]
        if condition.style == "one":
            good = good[:1]
        self.refused += [(condition.field, value) for value in found if not condition.is_value(value)]
        return tuple(good)

    def first(self, name: str, *, allowed: Sequence[str] | None = None) -> str:
        value = next(iter(self.all(name)), "")
        if value and allowed is not None and value not in allowed:
            self.refused.append((name, value))
            return ""
        return value

    def amount(self, name: str, *, ceiling: int) -> int | None:
        """A whole number, also with separators ("1,000,000") or its unit ("1,000,000원")."""
        value = self.first(name)
        digits = re.fullmatch(r"₩?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,16})(?: ?(?:원|일))?", value.strip())
        if digits is None or int(digits[1].replace(",", "")) > ceiling:
            if value:
                self.refused.append((name, value))
            return None
        return int(digits[1].replace(",", ""))
