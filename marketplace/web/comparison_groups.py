"""The groups of a comparison: which facts stand side by side, in the order of the page. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from catalog.core.domestic_swap import SwapLine
from catalog.core.origin import DOMESTIC_COUNTRY
from catalog.core.ownership_cost import CostPart
from marketplace.web.catalog_views import SpecView, spec_view
from marketplace.web.comparison import (
    Compared,
    Coverage,
    Group,
    Lines,
    Row,
    SwapSummary,
    TotalCost,
    Words,
    kept,
    make_row,
    to_packages,
    to_products,
)

COST_PARTS: Final[tuple[CostPart, ...]] = (
    "one_off", "subscription", "energy", "training", "service", "subsidy", "loan_relief",
)  # fmt: skip


def build_groups(columns: Sequence[Compared], *, spec_categories: Mapping[str, Sequence[str]]) -> list[Group]:
    """All groups that say something about these columns, in the order of the page.

    `spec_categories` maps the code of a property to the categories of product that it is asked of.
    """
    groups = [
        Group("price", _price_rows(columns)),
        Group("cost", _cost_rows(columns)),
        Group("origin", _origin_rows(columns)),
        Group("scope", _scope_rows(columns)),
        Group("fit", _fit_rows(columns)),
        Group("service", _service_rows(columns)),
        Group("specs", _spec_rows(columns, spec_categories)),
        Group("source", _source_rows(columns)),
    ]
    return [group for group in groups if group.rows]


def _of_version(column: Compared, field: str) -> Any:
    return None if column.package is None else getattr(column.package.version, field)


def _price_rows(columns: Sequence[Compared]) -> tuple[Row, ...]:
    def list_price(column: Compared) -> int | None:
        return column.offer.list_unit_price_krw if column.offer else None

    def lead_time(column: Compared) -> int | None:
        days: int | None = _of_version(column, "lead_time_days")
        return column.offer.lead_time_days if days is None and column.offer else days

    return kept(
        make_row(columns, "list_unit_price_krw", "krw", list_price, better="lower"),
        make_row(columns, "round_price_krw", "round", lambda column: column.open_round),
        make_row(columns, "lead_time_days", "days", lead_time, better="lower"),
    )


def _cost_rows(columns: Sequence[Compared]) -> tuple[Row, ...]:
    """The parts over the horizon, those that are nowhere known or everywhere zero left out, and their total."""

    def part(name: CostPart) -> Callable[[Compared], int | None]:
        return lambda column: column.cost.parts[name] if column.cost else None

    def total(column: Compared) -> TotalCost | None:
        cost = column.cost
        if cost is None or cost.parts["one_off"] is None:
            return None
        return TotalCost(cost.known_krw, cost.is_complete)

    rows = [make_row(columns, f"cost_{name}", "krw", part(name)) for name in COST_PARTS]
    said = [row for row in rows if row is not None and any(cell.value for cell in row.cells)]
    whole = make_row(
        columns,
        "cost_total",
        "cost",
        total,
        better="lower",
        rank=lambda cost: float(cost.krw) if cost.is_complete else None,
    )
    return kept(*said, whole)


def swap_summary(column: Compared) -> SwapSummary | None:
    """How much of a package's foreign part has a domestic product; None where a component is not shown."""
    if column.package is None or any(line.product is None for line in column.package.version.lines):
        return None
    lines: Sequence[SwapLine] = column.swaps
    firsts = [line.swaps[0] for line in lines if line.swaps]
    gains = [swap.share_gained[1] for swap in firsts if swap.share_gained is not None]
    return SwapSummary(
        foreign=len(lines),
        replaceable=len(firsts),
        fully=sum(1 for line in lines if any(swap.meets_all for swap in line.swaps)),
        claimed_gained_bp=sum(gains) if len(gains) == len(firsts) else None,
    )


def _origin_rows(columns: Sequence[Compared]) -> tuple[Row, ...]:
    def share(column: Compared) -> tuple[int, int] | None:
        return (column.share.verified_bp, column.share.claimed_bp) if column.share else None

    def imported(column: Compared) -> Lines | None:
        if column.package is None or any(line.product is None for line in column.package.version.lines):
            return None
        products = [line.product for line in column.package.version.lines if line.product]
        abroad = [product for product in products if product.maker.country != DOMESTIC_COUNTRY]
        return Lines(
            tuple(p.name_ko for p in abroad) or ("없음",), tuple(p.name_en for p in abroad) or ("None",)
        )

    def maker_country(column: Compared) -> str | None:
        return column.product.maker.country if column.product else None

    def standing(column: Compared) -> str | None:
        return column.origin_standing

    return kept(
        # The verified end decides: a claim alone wins nothing.
        make_row(
            columns, "domestic_share", "share", share, better="higher", rank=lambda pair: float(pair[0])
        ),
        make_row(columns, "origin_standing", "standing", standing, applies=to_products),
        make_row(columns, "domestic_swap", "swap", swap_summary, applies=to_packages),
        make_row(columns, "imported_components", "list", imported, applies=to_packages),
        make_row(columns, "maker_country", "country", maker_country, applies=to_products),
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

    return kept(
        make_row(columns, "components", "list", components, applies=to_packages),
        make_row(columns, "included", "list", lines("included"), applies=to_packages),
        make_row(columns, "excluded", "list", lines("excluded"), applies=to_packages),
    )


def _fit_rows(columns: Sequence[Compared]) -> tuple[Row, ...]:
    return kept(
        make_row(
            columns,
            "category",
            "category",
            lambda column: column.product and column.product.category,
            applies=to_products,
        ),
        make_row(
            columns,
            "package_type",
            "package_type",
            lambda c: c.package and c.package.package_type,
            applies=to_packages,
        ),
        make_row(
            columns,
            "level_from",
            "level",
            lambda column: _of_version(column, "level_from"),
            applies=to_packages,
        ),
        make_row(
            columns, "level_to", "level", lambda column: _of_version(column, "level_to"), applies=to_packages
        ),
        make_row(
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

    def coverage(column: Compared) -> Coverage | None:
        counts = column.center_counts
        if not counts:
            return None
        return Coverage(sum(1 for n in counts.values() if n), len(counts), sum(counts.values()))

    def uncovered(column: Compared) -> Lines | None:
        if not column.center_counts:
            return None
        makers = [maker for maker, count in column.center_counts.items() if not count]
        names = tuple(column.maker_names.get(maker, Words(maker, maker)) for maker in makers)
        return Lines(
            tuple(name.ko for name in names) or ("없음",), tuple(name.en for name in names) or ("None",)
        )

    def warranty(column: Compared) -> int | None:
        months: int | None = _of_version(column, "warranty_months")
        return months

    def spare_parts(column: Compared) -> int | None:
        # Zero years is how a listing says that it says nothing.
        years: int | None = _of_version(column, "spare_parts_years")
        return years or None

    return kept(
        make_row(columns, "vendor", "text", vendor, applies=to_packages),
        make_row(columns, "warranty_months", "months", warranty, better="higher", applies=to_packages),
        make_row(columns, "spare_parts_years", "years", spare_parts, better="higher", applies=to_packages),
        make_row(
            columns,
            "service_centers",
            "coverage",
            coverage,
            better="higher",
            rank=lambda found: found.makers_covered / found.makers,
        ),
        make_row(columns, "makers_without_center", "list", uncovered),
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
            make_row(
                columns,
                None,
                "spec",
                read,
                better=definition.better if is_ranked else None,
                rank=lambda spec: float(spec.number),
                applies=is_asked,
                spec_code=code,
                name_ko=definition.name_ko,
                name_en=definition.name_en,
            )
        )
    return kept(*rows)


def _source_rows(columns: Sequence[Compared]) -> tuple[Row, ...]:
    def maker(column: Compared) -> Words | None:
        found = column.product and column.product.maker
        return Words(found.name_ko, found.name_en) if found else None

    def verification(column: Compared) -> str | None:
        return column.product.verification if column.product else None

    return kept(
        make_row(columns, "maker", "text", maker, applies=to_products),
        make_row(columns, "verification", "verification", verification, applies=to_products),
        make_row(
            columns,
            "completeness",
            "percent",
            lambda column: column.completeness_bp,
            better="higher",
        ),
    )
