"""What a listing says beyond the rows of import files, as typed fields with the same cell parsers. Pure.

A form, a draft and a change request hold one listing as text by field name: the columns of its import row
and these. So one difference, one set of messages and one way of writing serve all three.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from catalog.core import cells
from catalog.core.cells import UnreadableCell, Wording
from catalog.core.external_codes import CODE_SCHEMES, READERS, read_scheme_version
from catalog.core.import_rows import RowError, row_error
from catalog.core.listing_columns import Column, items, text, whole, won, yes_no
from catalog.core.listing_rows import ImportKind

FORM_LINE: Final = 1
"""The line that errors of a form carry: it has only one."""

ALTERNATIVES_MAX: Final = 200


class Alternative(Struct, frozen=True):
    """Instead of component `product`, `instead` may be delivered."""

    product: str
    instead: str


def parse_alternatives(written: str) -> tuple[Alternative, ...]:
    """`plc-1:plc-2; plc-1:plc-3` → alternatives, each once, in order."""
    found: dict[Alternative, None] = {}
    for item in cells.split_list(written):
        product, colon, instead = (part.strip() for part in item.partition(":"))
        try:
            if not colon or product == instead:
                raise ValueError
            found[Alternative(cells.parse_code(product), cells.parse_code(instead))] = None
        except ValueError:
            raise UnreadableCell(
                "component:alternative product codes separated by ';'",
                "';'로 나눈 '구성품 코드:대체품 코드'",
            ) from None
    return tuple(sorted(found, key=lambda a: (a.product, a.instead)))


def format_alternatives(value: tuple[Alternative, ...]) -> str:
    return "; ".join(f"{a.product}:{a.instead}" for a in value)


def _file_id(name: str) -> Column:
    return Column(name, cells.parse_uuid, lambda value: "" if value is None else str(value))


EXTRAS: Final[Mapping[ImportKind, tuple[Column, ...]]] = {
    "products": (
        yes_no("asks_quote"),
        whole("lead_time_days", 0, 3650),
        whole("warranty_months", 0, 600),
        _file_id("datasheet"),
        *(Column(f"code_{scheme}", READERS[scheme], cells.format_text) for scheme in CODE_SCHEMES),
        *(
            Column(f"code_{scheme}_version", read_scheme_version, cells.format_text)
            for scheme in CODE_SCHEMES
        ),
    ),
    "package-models": (
        Column("alternatives", parse_alternatives, format_alternatives, empty=()),
        text("return_terms_ko", empty=""),
        text("return_terms_en", empty=""),
        won("monthly_fee_krw"),
        whole("contract_months_min", 0, 600),
        Column("data_location", cells.parse_country, cells.format_text),
        text("exit_terms_ko", empty=""),
        text("exit_terms_en", empty=""),
        whole("saved_kwh_per_year", 0, 1_000_000_000),
        Column("fems_product", cells.parse_code, cells.format_text),
        Column("ess_product", cells.parse_code, cells.format_text),
        items("courses_ko"),
        items("courses_en"),
    ),
    "offers": (
        whole("warranty_months", 0, 600),
        whole("spare_parts_years", 0, 50),
        text("return_terms_ko", empty=""),
        text("return_terms_en", empty=""),
        items("installation_includes"),
        items("installation_excludes"),
    ),
}
"""Fields by kind. The names of one kind are none of its import row's."""

CLOUD_FIELDS: Final = (
    "monthly_fee_krw",
    "contract_months_min",
    "data_location",
    "exit_terms_ko",
    "exit_terms_en",
)
ENERGY_FIELDS: Final = ("saved_kwh_per_year", "fems_product", "ess_product")

_VERSION_NEEDS: Final = {
    "g2b": Wording("the edition of the classification", "물품분류체계의 판(예: 2024)"),
    "eclass": Wording("the release of ECLASS", "ECLASS 판(예: 14.0)"),
}


def parse_extras(kind: ImportKind, fields: Mapping[str, str]) -> tuple[dict[str, Any], tuple[RowError, ...]]:
    """Typed values of the extra fields that are given, and what is wrong with the others."""
    values: dict[str, Any] = {}
    errors = []
    for column in EXTRAS[kind]:
        written = fields.get(column.name)
        if written is None:
            continue
        if not written.strip():
            values[column.name] = False if column.name == "asks_quote" else column.empty
            continue
        try:
            values[column.name] = column.parse(written.strip())
        except UnreadableCell as problem:
            errors.append(row_error(FORM_LINE, column.name, written, problem.expected))
    return values, tuple(errors)


def check_extras(
    kind: ImportKind,
    values: Mapping[str, Any],
    *,
    package_type: str = "",
    components: frozenset[str] = frozenset(),
) -> tuple[RowError, ...]:
    """What is wrong between the extra fields, and between them and a package's own row."""
    errors = []
    if kind == "products":
        for scheme, wording in _VERSION_NEEDS.items():
            if values.get(f"code_{scheme}") and not values.get(f"code_{scheme}_version"):
                errors.append(row_error(FORM_LINE, f"code_{scheme}_version", "", wording))
    if kind == "package-models":
        errors.extend(_check_package(values, package_type, components))
    return tuple(errors)


def _check_package(
    values: Mapping[str, Any], package_type_given: str, components: frozenset[str]
) -> list[RowError]:
    errors = []
    for alternative in values.get("alternatives", ()):
        if alternative.product not in components:
            expected = Wording("a component of this package", "이 패키지의 구성품")
            errors.append(row_error(FORM_LINE, "alternatives", alternative.product, expected))
        elif alternative.instead in components:
            expected = Wording("a product that is not a component itself", "구성품이 아닌 다른 제품")
            errors.append(row_error(FORM_LINE, "alternatives", alternative.instead, expected))
    for name in ("fems_product", "ess_product"):
        if values.get(name) and values[name] not in components:
            expected = Wording("a component of this package", "이 패키지의 구성품")
            errors.append(row_error(FORM_LINE, name, values[name], expected))
    for names, package_type in ((CLOUD_FIELDS, "cloud"), (ENERGY_FIELDS, "clean_energy")):
        if package_type_given == package_type:
            continue
        for name in names:
            if values.get(name):
                expected = Wording(f"nothing: {package_type} only", "빈칸(이 유형에는 없는 항목)")
                errors.append(row_error(FORM_LINE, name, str(values[name]), expected))
    return errors


def format_extras(kind: ImportKind, values: Mapping[str, Any]) -> dict[str, str]:
    """The extra fields as text; a value that is not there is empty."""
    return {
        column.name: "" if values.get(column.name) is None else column.format(values[column.name])
        for column in EXTRAS[kind]
    }


def datasheet_id(values: Mapping[str, Any]) -> UUID | None:
    """The file that a product's fields name."""
    found: UUID | None = values.get("datasheet")
    return found


def changed_fields(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Fields of `after` that say something else than `before`: name → (before, after), trimmed."""
    found = {}
    for name, value in after.items():
        old, new = before.get(name, "").strip(), value.strip()
        if old != new:
            found[name] = (old, new)
    return found
