"""The rows of a comparison: groups of facts side by side, what differs, and which value is best.

Pure. Best is marked only where every value is known and not all are equal; whether marks are shown at all
(only among things of one category) is decided by `is_one_category`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final, Literal

import msgspec

from catalog.core.offer_terms import Offer
from catalog.core.origin import ShareInterval, ShareLine, domestic_share
from catalog.core.package_model import PackageModel
from catalog.core.product import Product
from marketplace.web.cards import ItemKind
from marketplace.web.catalog_views import SpecView, spec_view

RowKind = Literal[
    "text",
    "krw",
    "share",
    "days",
    "months",
    "years",
    "level",
    "list",
    "category",
    "country",
    "verification",
    "package_type",
    "industries",
    "spec",
    "round",
]
Better = Literal["higher", "lower"]
DOMESTIC: Final = "KR"


class Words(msgspec.Struct, frozen=True):
    """A text in both languages."""

    ko: str
    en: str


class Lines(msgspec.Struct, frozen=True):
    """Short lines in both languages."""

    ko: tuple[str, ...]
    en: tuple[str, ...]


class RoundPrice(msgspec.Struct, frozen=True):
    """What an open round goes for next."""

    code: str
    quantity_min: int
    price_krw: int


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One column before it is laid out: a package or a product, its cheapest offer, share and open round."""

    package: PackageModel | None = None
    product: Product | None = None
    offer: Offer | None = None
    share: ShareInterval | None = None
    open_round: RoundPrice | None = None
    site_count: int = 0

    @property
    def kind(self) -> ItemKind:
        return "package_model" if self.package is not None else "product"

    @property
    def listing(self) -> PackageModel | Product:
        found = self.package or self.product
        assert found is not None, "a column is a package or a product"
        return found

    @property
    def does(self) -> tuple[str, str]:
        """What kind of thing it is: only things that do the same are ranked against each other."""
        return (
            self.kind,
            "" if self.product is None else f"{self.product.category}/{self.product.subcategory}",
        )


class Cell(msgspec.Struct, frozen=True):
    """One value; None = unknown, or without meaning for this column where it does not apply."""

    value: Any
    best: bool = False
    applies: bool = True


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One fact across all columns; a specification has names instead of a code."""

    code: str | None
    kind: RowKind
    cells: tuple[Cell, ...]
    same: bool
    name_ko: str = ""
    name_en: str = ""


class Group(msgspec.Struct, frozen=True):
    """Rows under one heading."""

    code: str
    rows: tuple[Row, ...]


Applies = Callable[[Compared], bool]


def always(column: Compared) -> bool:
    """A fact that everything has."""
    del column
    return True


def to_packages(column: Compared) -> bool:
    """A fact that only packages have."""
    return column.package is not None


def to_products(column: Compared) -> bool:
    """A fact that only products have."""
    return column.product is not None


def is_one_category(columns: Sequence[Compared]) -> bool:
    """Whether all columns do the same thing."""
    return len({column.does for column in columns}) == 1


def build_groups(columns: Sequence[Compared], *, spec_categories: Mapping[str, Sequence[str]]) -> list[Group]:
    """All groups that say something about these columns, in the order of the page.

    `spec_categories` maps the code of a property to the categories of product that it is asked of.
    """
    groups = [
        Group("price", _price_rows(columns)),
        Group("origin", _origin_rows(columns)),
        Group("scope", _scope_rows(columns)),
        Group("fit", _fit_rows(columns)),
        Group("service", _service_rows(columns)),
        Group("specs", _spec_rows(columns, spec_categories)),
        Group("source", _source_rows(columns)),
    ]
    return [group for group in groups if group.rows]


def _row(
    columns: Sequence[Compared],
    code: str | None,
    kind: RowKind,
    read: Callable[[Compared], Any],
    *,
    better: Better | None = None,
    rank: Callable[[Any], float] = float,
    applies: Applies = always,
    name_ko: str = "",
    name_en: str = "",
) -> Row | None:
    """One row, or None where no column knows the fact."""
    values = [read(column) for column in columns]
    if all(value is None for value in values):
        return None
    return Row(
        code=code,
        kind=kind,
        cells=tuple(
            Cell(value, best, applies(column))
            for column, value, best in zip(columns, values, _best(values, better, rank), strict=True)
        ),
        same=all(value == values[0] for value in values),
        name_ko=name_ko,
        name_en=name_en,
    )


def _best(values: Sequence[Any], better: Better | None, rank: Callable[[Any], float]) -> list[bool]:
    if better is None or any(value is None for value in values):
        return [False] * len(values)
    ranks = [rank(value) for value in values]
    top = max(ranks) if better == "higher" else min(ranks)
    return [value == top and min(ranks) != max(ranks) for value in ranks]


def _kept(*rows: Row | None) -> tuple[Row, ...]:
    return tuple(row for row in rows if row is not None)


def _of_version(column: Compared, field: str) -> Any:
    return None if column.package is None else getattr(column.package.version, field)


def _price_rows(columns: Sequence[Compared]) -> tuple[Row, ...]:
    def list_price(column: Compared) -> int | None:
        return column.offer.list_unit_price_krw if column.offer else None

    def lead_time(column: Compared) -> int | None:
        days: int | None = _of_version(column, "lead_time_days")
        return column.offer.lead_time_days if days is None and column.offer else days

    return _kept(
        _row(columns, "list_unit_price_krw", "krw", list_price, better="lower"),
        _row(columns, "round_price_krw", "round", lambda column: column.open_round),
        _row(columns, "lead_time_days", "days", lead_time, better="lower"),
    )


def _origin_rows(columns: Sequence[Compared]) -> tuple[Row, ...]:
    def share(column: Compared) -> tuple[int, int] | None:
        return (column.share.verified_bp, column.share.claimed_bp) if column.share else None

    def imported(column: Compared) -> Lines | None:
        if column.package is None or any(line.product is None for line in column.package.version.lines):
            return None
        products = [line.product for line in column.package.version.lines if line.product]
        abroad = [product for product in products if product.maker.country != DOMESTIC]
        return Lines(
            tuple(p.name_ko for p in abroad) or ("없음",), tuple(p.name_en for p in abroad) or ("None",)
        )

    def maker_country(column: Compared) -> str | None:
        return column.product.maker.country if column.product else None

    return _kept(
        # The verified end decides: a claim alone wins nothing.
        _row(columns, "domestic_share", "share", share, better="higher", rank=lambda pair: float(pair[0])),
        _row(columns, "imported_components", "list", imported, applies=to_packages),
        _row(columns, "maker_country", "country", maker_country, applies=to_products),
    )


def _scope_rows(columns: Sequence[Compared]) -> tuple[Row, ...]:
    def components(column: Compared) -> Lines | None:
        if column.package is None:
            return None
        shown = [line for line in column.package.version.lines if line.product]
        return Lines(
            tuple(f"{line.product.name_ko} × {line.quantity}" for line in shown if line.product),
            tuple(f"{line.product.name_en} × {line.quantity}" for line in shown if line.product),
        )

    def lines(field: str) -> Callable[[Compared], Lines | None]:
        def read(column: Compared) -> Lines | None:
            ko, en = _of_version(column, f"{field}_ko"), _of_version(column, f"{field}_en")
            return Lines(ko or en, en or ko) if ko or en else None

        return read

    return _kept(
        _row(columns, "components", "list", components, applies=to_packages),
        _row(columns, "included", "list", lines("included"), applies=to_packages),
        _row(columns, "excluded", "list", lines("excluded"), applies=to_packages),
    )


def _fit_rows(columns: Sequence[Compared]) -> tuple[Row, ...]:
    return _kept(
        _row(
            columns,
            "category",
            "category",
            lambda column: column.product and column.product.category,
            applies=to_products,
        ),
        _row(
            columns,
            "package_type",
            "package_type",
            lambda c: c.package and c.package.package_type,
            applies=to_packages,
        ),
        _row(
            columns,
            "level_from",
            "level",
            lambda column: _of_version(column, "level_from"),
            applies=to_packages,
        ),
        _row(
            columns, "level_to", "level", lambda column: _of_version(column, "level_to"), applies=to_packages
        ),
        _row(
            columns,
            "industries",
            "industries",
            lambda column: _of_version(column, "industries"),
            applies=to_packages,
        ),
    )


def _service_rows(columns: Sequence[Compared]) -> tuple[Row, ...]:
    def vendor(column: Compared) -> Words | None:
        party = column.package and column.package.vendor
        return Words(party.name_ko, party.name_en) if party else None

    def sites(column: Compared) -> Words | None:
        if not column.site_count:
            return None
        unit = "site" if column.site_count == 1 else "sites"
        return Words(f"{column.site_count}곳", f"{column.site_count} {unit}")

    def warranty(column: Compared) -> int | None:
        months: int | None = _of_version(column, "warranty_months")
        return months

    def spare_parts(column: Compared) -> int | None:
        # Zero years is how a listing says that it says nothing.
        years: int | None = _of_version(column, "spare_parts_years")
        return years or None

    return _kept(
        _row(columns, "vendor", "text", vendor, applies=to_packages),
        _row(columns, "warranty_months", "months", warranty, better="higher", applies=to_packages),
        _row(columns, "spare_parts_years", "years", spare_parts, better="higher", applies=to_packages),
        _row(columns, "service_centers", "text", sites),
    )


def _spec_rows(columns: Sequence[Compared], categories: Mapping[str, Sequence[str]]) -> tuple[Row, ...]:
    """One row for each property that may be compared, in the order of the definitions."""
    specs = {
        spec.code: spec
        for column in columns
        if column.product is not None and column.product.is_comparable
        for spec in column.product.specs
        if spec.is_comparable
    }
    rows = []
    for code, definition in sorted(specs.items(), key=lambda item: (item[1].position, item[0])):

        def read(column: Compared, code: str = code) -> SpecView | None:
            product = column.product
            if product is None or not product.is_comparable:
                return None
            return next((spec_view(spec) for spec in product.specs if spec.code == code), None)

        def is_asked(column: Compared, code: str = code) -> bool:
            return column.product is not None and column.product.category in categories.get(code, ())

        is_ranked = definition.kind == "number" and definition.better is not None
        rows.append(
            _row(
                columns,
                None,
                "spec",
                read,
                better=definition.better if is_ranked else None,
                rank=lambda spec: float(spec.number),
                applies=is_asked,
                name_ko=definition.name_ko,
                name_en=definition.name_en,
            )
        )
    return _kept(*rows)


def _source_rows(columns: Sequence[Compared]) -> tuple[Row, ...]:
    def maker(column: Compared) -> Words | None:
        found = column.product and column.product.maker
        return Words(found.name_ko, found.name_en) if found else None

    def verification(column: Compared) -> str | None:
        return column.product.verification if column.product else None

    return _kept(
        _row(columns, "maker", "text", maker, applies=to_products),
        _row(columns, "verification", "verification", verification, applies=to_products),
    )


def product_share(product: Product, *, today: date) -> ShareInterval | None:
    """The domestic share of one product: it weighs only against itself, so its price does not matter."""
    if product.origin is None or product.category == "service":
        return None
    return domestic_share([ShareLine(False, 1, 1, product.origin)], today=today)
