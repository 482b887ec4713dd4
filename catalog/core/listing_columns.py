"""The columns of each kind of file: name, parser, writer, and what an empty cell means. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import UNSET, Struct

from catalog.core import cells
from catalog.core.cells import UnreadableCell
from catalog.core.external_codes import CODE_SCHEMES, READERS, read_scheme_version
from catalog.core.listing_rows import (
    Alternative,
    Component,
    DemandRow,
    ImportKind,
    ListingRow,
    OfferRow,
    PackageModelRow,
    ProductRow,
    ServiceCenterRow,
    VendorRow,
)
from catalog.core.offer_terms import AUDIENCES
from catalog.core.package_model import INDUSTRIES, LEVEL_MAX, PACKAGE_TYPES
from catalog.core.product import CATEGORIES, LISTING_STATES, VERIFICATIONS, VISIBILITIES
from catalog.core.service_center import SITE_ROLES, SITE_STATUSES, SITE_VERIFICATIONS

SPEC_PREFIX = "spec."


class Column(Struct, frozen=True):
    """A column. Required: it must be there, and filled. `empty` is what an empty cell stands for.

    UNSET as `empty` means "as it was", for things that cannot be unknown. A column that is absent from the
    file always means "as it was", and the default of the row's Struct where there was nothing.
    """

    name: str
    parse: Callable[[str], Any]
    format: Callable[[Any], str]
    is_required: bool = False
    empty: Any = None


class KindColumns(Struct, frozen=True):
    """What one kind of file looks like: the Struct of its rows, its columns, and the key column."""

    row_type: type[ListingRow]
    columns: tuple[Column, ...]
    key: str = "code"
    owner: str | None = "vendor"
    has_specs: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def text(name: str, *, is_required: bool = False, empty: Any = None) -> Column:
    return Column(name, cells.parse_text, cells.format_text, is_required, empty)


def web_address(name: str) -> Column:
    return Column(name, cells.parse_web_address, cells.format_text)


def code(name: str, *, is_required: bool = False, empty: Any = None) -> Column:
    return Column(name, cells.parse_code, cells.format_text, is_required, empty)


def choice(name: str, choices: Sequence[str], *, is_required: bool = False, empty: Any = UNSET) -> Column:
    return Column(name, cells.parse_choice(choices), cells.format_text, is_required, empty)


def whole(name: str, least: int, most: int, *, is_required: bool = False, empty: Any = None) -> Column:
    return Column(name, cells.parse_whole(least, most), cells.format_whole, is_required, empty)


def won(name: str, *, is_required: bool = False) -> Column:
    return Column(name, cells.parse_won, cells.format_whole, is_required)


def yes_no(name: str) -> Column:
    return Column(name, cells.parse_yes_no, cells.format_yes_no, empty=UNSET)


def day(name: str) -> Column:
    return Column(name, cells.parse_date, cells.format_date)


def decimal(name: str, least: float, most: float) -> Column:
    return Column(name, cells.parse_decimal(least, most), cells.format_decimal)


def items(name: str) -> Column:
    return Column(name, cells.parse_list, cells.format_list, empty=())


def choices(name: str, allowed: Sequence[str], *, is_required: bool = False) -> Column:
    return Column(name, cells.parse_choices(allowed), cells.format_list, is_required, ())


def parse_components(written: str) -> tuple[Component, ...]:
    """`robot:doosan-m1013:1; service:line-setup:2` → components, in that order."""
    parse_slot = cells.parse_choice(CATEGORIES)
    parse_quantity = cells.parse_whole(1, 100_000)
    components = []
    for item in cells.split_list(written):
        parts = [part.strip() for part in item.split(":")]
        try:
            slot, product, quantity = parts
            components.append(
                Component(parse_slot(slot), cells.parse_code(product), parse_quantity(quantity))
            )
        except ValueError:
            slots = ", ".join(CATEGORIES)
            raise UnreadableCell(
                f"slot:product code:quantity separated by ';', slot one of {slots}",
                f"';'로 나눈 '자리:제품 코드:수량', 자리는 {slots} 중 하나",
            ) from None
    return tuple(components)


def format_components(value: Sequence[Component]) -> str:
    return "; ".join(f"{part.slot}:{part.product}:{part.quantity}" for part in value)


def parse_alternatives(written: str) -> tuple[Alternative, ...]:
    """`plc-1:plc-2; plc-1:plc-3` → alternatives, each once, in order of their codes."""
    found: set[Alternative] = set()
    for item in cells.split_list(written):
        product, colon, instead = (part.strip() for part in item.partition(":"))
        try:
            if not colon or product == instead:
                raise ValueError
            found.add(Alternative(cells.parse_code(product), cells.parse_code(instead)))
        except ValueError:
            raise UnreadableCell(
                "component:alternative product codes separated by ';'",
                "';'로 나눈 '구성품 코드:대체품 코드'",
            ) from None
    return tuple(sorted(found, key=lambda a: (a.product, a.instead)))


def format_alternatives(value: Sequence[Alternative]) -> str:
    return "; ".join(f"{part.product}:{part.instead}" for part in value)


def file_id(name: str) -> Column:
    return Column(name, cells.parse_uuid, lambda value: "" if value is None else str(value))


_LISTING = (choice("state", LISTING_STATES), choice("visibility", VISIBILITIES))

COLUMNS: Mapping[ImportKind, KindColumns] = {
    "vendors": KindColumns(
        VendorRow,
        (
            code("code", is_required=True),
            text("name_ko", is_required=True),
            text("name_en", is_required=True),
            Column("business_number", cells.parse_business_number, cells.format_text),
            text("region"),
            choice("size", ("small", "medium", "large"), empty=None),
            web_address("homepage"),
            text("introduction_ko"),
            text("introduction_en"),
            yes_no("is_fictional"),
        ),
        owner=None,
    ),
    "products": KindColumns(
        ProductRow,
        (
            code("code", is_required=True),
            code("vendor", empty=UNSET),
            text("maker", is_required=True),
            text("maker_ko", is_required=True),
            Column("maker_country", cells.parse_country, cells.format_text, is_required=True),
            text("model", is_required=True),
            text("series"),
            choice("category", CATEGORIES, is_required=True),
            text("subcategory", is_required=True),
            text("name_ko", is_required=True),
            text("name_en", is_required=True),
            text("summary_ko", empty=""),
            text("summary_en", empty=""),
            choice("verification", VERIFICATIONS, is_required=True),
            text("source_title"),
            web_address("source_url"),
            text("source_kind"),
            text("note"),
            *_LISTING,
            Column("asks_quote", cells.parse_yes_no, cells.format_yes_no, empty=False),
            whole("lead_time_days", 0, 3650),
            whole("warranty_months", 0, 600),
            file_id("datasheet"),
            *(Column(f"code_{scheme}", READERS[scheme], cells.format_text) for scheme in CODE_SCHEMES),
            *(
                Column(f"code_{scheme}_version", read_scheme_version, cells.format_text)
                for scheme in CODE_SCHEMES
            ),
        ),
        has_specs=True,
    ),
    "package-models": KindColumns(
        PackageModelRow,
        (
            code("code", is_required=True),
            code("vendor", empty=UNSET),
            text("name_ko", is_required=True),
            text("name_en", is_required=True),
            choice("package_type", PACKAGE_TYPES, is_required=True),
            whole("level_from", 0, LEVEL_MAX, is_required=True),
            whole("level_to", 1, LEVEL_MAX, is_required=True),
            choices("industries", INDUSTRIES, is_required=True),
            text("summary_ko", is_required=True),
            text("summary_en", is_required=True),
            items("included_ko"),
            items("included_en"),
            items("excluded_ko"),
            items("excluded_en"),
            whole("lead_time_days", 0, 3650, is_required=True),
            whole("warranty_months", 0, 600, is_required=True),
            whole("spare_parts_years", 0, 50, empty=0),
            Column("components", parse_components, format_components, is_required=True),
            Column("alternatives", parse_alternatives, format_alternatives, empty=()),
            text("return_terms_ko", empty=""),
            text("return_terms_en", empty=""),
            won("monthly_fee_krw"),
            whole("contract_months_min", 0, 600),
            Column("data_location", cells.parse_country, cells.format_text),
            text("exit_terms_ko", empty=""),
            text("exit_terms_en", empty=""),
            whole("saved_kwh_per_year", 0, 1_000_000_000),
            code("fems_product"),
            code("ess_product"),
            items("courses_ko"),
            items("courses_en"),
            *_LISTING,
        ),
    ),
    "offers": KindColumns(
        OfferRow,
        (
            code("code", is_required=True),
            code("vendor", empty=UNSET),
            code("product"),
            code("package_model"),
            whole("package_version", 1, 1_000_000),
            choice("audience", AUDIENCES),
            Column("invited", cells.parse_list, cells.format_list, empty=()),
            won("list_unit_price_krw", is_required=True),
            Column("tiers", cells.parse_tiers, cells.format_tiers, empty=()),
            whole("capacity", 1, 1_000_000, is_required=True),
            whole("pack_size", 1, 1_000_000, empty=UNSET),
            whole("lead_time_days", 0, 3650, is_required=True),
            day("valid_until"),
            yes_no("is_illustrative"),
            text("terms_ko", empty=""),
            text("terms_en", empty=""),
            whole("warranty_months", 0, 600),
            whole("spare_parts_years", 0, 50),
            text("return_terms_ko", empty=""),
            text("return_terms_en", empty=""),
            items("installation_includes"),
            items("installation_excludes"),
            choice("state", LISTING_STATES),
        ),
    ),
    "service-centers": KindColumns(
        ServiceCenterRow,
        (
            code("code", is_required=True),
            code("vendor", empty=UNSET),
            text("maker", is_required=True),
            text("maker_ko", empty=UNSET),
            Column("maker_country", cells.parse_country, cells.format_text, empty=UNSET),
            text("name_ko", is_required=True),
            text("name_en", is_required=True),
            choices("roles", SITE_ROLES, is_required=True),
            choice("status", SITE_STATUSES, is_required=True),
            text("as_of"),
            Column("country", cells.parse_country, cells.format_text, is_required=True),
            text("city"),
            text("city_ko"),
            text("address"),
            text("phone"),
            decimal("latitude", -90, 90),
            decimal("longitude", -180, 180),
            text("time_zone"),
            items("serves"),
            items("serves_ko"),
            items("languages"),
            text("source_title"),
            web_address("source_url"),
            choice("verification", SITE_VERIFICATIONS, is_required=True),
            text("note"),
        ),
    ),
    "demands": KindColumns(
        DemandRow,
        (
            Column("id", cells.parse_uuid, str, is_required=True),
            code("factory", empty=UNSET),
            choice("category", CATEGORIES, is_required=True),
            text("subcategory"),
            whole("quantity_min", 1, 1_000_000, is_required=True),
            whole("quantity_max", 1, 1_000_000, is_required=True),
            won("ceiling_unit_price_krw"),
            day("needed_by"),
            text("region"),
            text("note", empty=""),
        ),
        key="id",
        owner="factory",
    ),
}


def cells_of(kind: ImportKind, row: ListingRow, *, spec_codes: Sequence[str] = ()) -> dict[str, str]:
    """The row as the cells of a file, every column of its kind, and of `spec_codes` for products."""
    written = {column.name: column.format(getattr(row, column.name)) for column in COLUMNS[kind].columns}
    if isinstance(row, ProductRow):
        for spec_code in spec_codes:
            value = row.specs.get(spec_code)
            written[SPEC_PREFIX + spec_code] = value.shown if value else ""
    return written
