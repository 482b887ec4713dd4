"""From rows of text to typed rows or row errors, and the rules that hold inside one row. Pure."""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from catalog.core.cells import UnreadableCell, Wording, parse_text
from catalog.core.import_rows import RawRow, RawTable, RowError, row_error
from catalog.core.listing_columns import COLUMNS, SPEC_PREFIX, Column, KindColumns
from catalog.core.listing_rows import (
    CLOUD_FACTS,
    ENERGY_FACTS,
    DemandRow,
    ImportKind,
    ListingRow,
    OfferRow,
    PackageModelRow,
    ProductRow,
    ServiceCenterRow,
)
from catalog.core.offer import OfferError, require_valid_offer
from catalog.core.spec_value import SpecDefinition, SpecValue, parse_spec_value

_A_VALUE = Wording("a value", "값")


class ParsedRow(Struct, frozen=True, gc=False):
    """The values that a row of the file sets; a column that it leaves as it was is absent.

    `key` is the code (or id) as text. Products have `specs`: code → value, None to take one away.
    """

    line: int
    key: str
    values: dict[str, Any]
    guesses: frozenset[str] = frozenset()


class ParsedTable(Struct, frozen=True, kw_only=True):
    """The readable rows of a file and what is wrong with the others.

    `keys` are all keys that the file names, those of unreadable rows included.
    """

    rows: tuple[ParsedRow, ...] = ()
    keys: frozenset[str] = frozenset()
    errors: tuple[RowError, ...] = ()
    is_broken: bool = False


def parse_table(
    kind: ImportKind,
    table: RawTable,
    *,
    definitions: Mapping[str, SpecDefinition],
    first_lines: dict[str, int] | None = None,
    unchanged_lines: Set[int] = frozenset(),
) -> ParsedTable:
    """Check the header, parse every cell, and refuse a key that comes twice (the first one counts).

    For a file in batches, `first_lines` remembers where each key came first, from batch to batch. Rows of
    `unchanged_lines` are known to say nothing new: their keys count, their cells are not read.
    """
    if table.is_broken:
        return ParsedTable(errors=table.errors, is_broken=True)
    shape = COLUMNS[kind]
    if table.columns is not None:
        wrong = tuple(_column_errors(shape, table.columns, definitions=definitions, line=1))
        if wrong:
            return ParsedTable(errors=table.errors + wrong, is_broken=True)
    rows: list[ParsedRow] = []
    keys: list[str] = []
    errors = list(table.errors)
    first_lines = {} if first_lines is None else first_lines
    readers = _readers(shape, table.columns, definitions=definitions)
    for raw in table.rows:
        found: list[RowError] = []
        if table.columns is None:
            found += _column_errors(shape, tuple(raw.cells), definitions=definitions, line=raw.line)
        key = raw.cells.get(shape.key, "").lower()
        line = first_lines.setdefault(key, raw.line) if key else raw.line
        if line != raw.line:
            wording = Wording(
                f"each {shape.key} once; line {line} has it already",
                f"중복 없는 {shape.key}({line}행에 있음)",
            )
            found.append(row_error(raw.line, shape.key, key, wording))
        elif key:
            keys.append(key)
        if raw.line in unchanged_lines and not found:
            continue
        if table.columns is None:
            readers = _readers(shape, tuple(raw.cells), definitions=definitions)
        values = _parse_cells(shape, readers, raw, errors=found)
        errors.extend(found)
        if not found:
            rows.append(ParsedRow(raw.line, str(values[shape.key]), values, raw.guesses))
    return ParsedTable(rows=tuple(rows), keys=frozenset(keys), errors=tuple(errors))


def complete_row(
    kind: ImportKind, parsed: ParsedRow, *, current: ListingRow | None, owner: str
) -> ListingRow:
    """The whole row: what the file sets, over what was there, over the defaults.

    `owner` is the code of the importing organization, which owns a new row that names nobody.
    """
    shape = COLUMNS[kind]
    values = dict(parsed.values)
    if current is None:
        if shape.owner is not None:
            values.setdefault(shape.owner, owner)
        if "specs" in values:
            values["specs"] = {code: value for code, value in values["specs"].items() if value}
        return shape.row_type(**values)
    for name in parsed.guesses & values.keys():
        del values[name]
    if isinstance(current, ProductRow):
        merged = {**current.specs, **values.get("specs", {})}
        values["specs"] = {code: value for code, value in merged.items() if value}
    if isinstance(current, PackageModelRow):
        values = _facts_that_still_hold(current, values) | values
    if isinstance(current, OfferRow):
        # An offer that is imported again without a version moves to the current one.
        values.setdefault("package_version", None)
    if isinstance(current, ServiceCenterRow) and values["maker"] != current.maker:
        values = {"maker_ko": None, "maker_country": None, **values}
    return msgspec.structs.replace(current, **values)


def _facts_that_still_hold(current: PackageModelRow, values: Mapping[str, Any]) -> dict[str, Any]:
    """A file that renews components or type says nothing of facts it has no column for: those that fit stay."""
    components = {part.product for part in values.get("components", current.components)}
    package_type = values.get("package_type", current.package_type)
    kept: dict[str, Any] = {
        "alternatives": tuple(
            part
            for part in current.alternatives
            if part.product in components and part.instead not in components
        )
    }
    for names, own_type in ((CLOUD_FACTS, "cloud"), (ENERGY_FACTS, "clean_energy")):
        if package_type != own_type:
            kept |= {name: "" if name.startswith("exit_terms") else None for name in names}
    for name in ("fems_product", "ess_product"):
        if name not in kept and getattr(current, name) not in components:
            kept[name] = None
    return kept


def check_row(row: ListingRow) -> Iterator[tuple[str, str, Wording]]:
    """What is wrong between the cells of one row: (column, found, expected)."""
    match row:
        case ProductRow():
            yield from _check_product(row)
        case PackageModelRow():
            yield from _check_package(row)
        case OfferRow():
            yield from _check_offer(row)
        case ServiceCenterRow():
            if (row.latitude is None) != (row.longitude is None):
                expected = Wording("latitude and longitude, or neither", "위도와 경도 둘 다 또는 둘 다 비움")
                yield "longitude", "", expected
        case DemandRow():
            if row.quantity_min > row.quantity_max:
                least = row.quantity_min
                expected = Wording(f"at least quantity_min, {least}", f"quantity_min({least}) 이상")
                yield "quantity_max", str(row.quantity_max), expected
        case _:
            pass


def _check_product(row: ProductRow) -> Iterator[tuple[str, str, Wording]]:
    if row.verification in ("maker", "secondary") and row.source_title is None:
        yield "source_title", "", Wording("a source for checked facts", "확인한 자료의 출처")
    for scheme, expected in _VERSION_NEEDS.items():
        if getattr(row, f"code_{scheme}") and not getattr(row, f"code_{scheme}_version"):
            yield f"code_{scheme}_version", "", expected


def _check_package(row: PackageModelRow) -> Iterator[tuple[str, str, Wording]]:
    if row.level_from > row.level_to:
        expected = Wording(f"at most level_to, {row.level_to}", f"level_to({row.level_to}) 이하")
        yield "level_from", str(row.level_from), expected
    if not row.components:
        yield "components", "", Wording("at least one component", "구성품 하나 이상")
    components = {part.product for part in row.components}
    for part in row.alternatives:
        if part.product not in components:
            yield "alternatives", part.product, _A_COMPONENT
        elif part.instead in components:
            expected = Wording("a product that is not a component itself", "구성품이 아닌 다른 제품")
            yield "alternatives", part.instead, expected
    for name in ("fems_product", "ess_product"):
        product = getattr(row, name)
        if product and product not in components:
            yield name, product, _A_COMPONENT
    for names, package_type in ((CLOUD_FACTS, "cloud"), (ENERGY_FACTS, "clean_energy")):
        if row.package_type == package_type:
            continue
        for name in names:
            if getattr(row, name):
                expected = Wording(f"nothing: {package_type} only", "빈칸(이 유형에는 없는 항목)")
                yield name, str(getattr(row, name)), expected


_A_COMPONENT = Wording("a component of this package", "이 패키지의 구성품")
_VERSION_NEEDS = {
    "g2b": Wording("the edition of the classification", "물품분류체계의 판(예: 2024)"),
    "eclass": Wording("the release of ECLASS", "ECLASS 판(예: 14.0)"),
}


def _check_offer(row: OfferRow) -> Iterator[tuple[str, str, Wording]]:
    if (row.product is None) == (row.package_model is None):
        found = f"{row.product or ''} {row.package_model or ''}".strip()
        yield (
            "product",
            found,
            Wording("a product or a package_model, not both", "product와 package_model 중 하나만"),
        )
    if row.package_version is not None and row.package_model is None:
        yield (
            "package_version",
            str(row.package_version),
            Wording("a package_model with it", "package_model과 함께"),
        )
    if row.invited and row.audience != "invited":
        expected = Wording("audience invited with it", "audience가 invited일 때만")
        yield "invited", "; ".join(row.invited), expected
    if not row.tiers:
        return
    try:
        require_valid_offer(capacity=row.capacity, pack_size=row.pack_size, tiers=row.tiers)
    except OfferError as problem:
        yield "tiers", str(problem), _TIER_RULES[problem.code]
    if row.tiers[0].unit_price_krw > row.list_unit_price_krw:
        list_price = f"{row.list_unit_price_krw:,}"
        expected = Wording(f"at most the list price, {list_price}", f"단독 구매가({list_price}원) 이하")
        yield "tiers", str(row.tiers[0].unit_price_krw), expected


_BOUNDS = Wording("whole positive numbers within the limits", "한도 안의 양의 정수")
_TIER_RULES = {
    "tiers_empty": Wording("at least one tier", "구간 하나 이상"),
    "tiers_out_of_bounds": _BOUNDS,
    "tiers_not_rising": Wording("quantities that strictly rise", "점점 커지는 수량"),
    "tiers_not_falling": Wording("prices that strictly fall", "점점 낮아지는 단가"),
    "capacity_out_of_bounds": _BOUNDS,
    "pack_size_out_of_bounds": _BOUNDS,
    "no_whole_pack": Wording(
        "a whole pack between the first tier and capacity", "첫 구간과 공급 한도 사이의 온전한 포장 단위"
    ),
}


def _column_errors(
    shape: KindColumns,
    columns: tuple[str, ...],
    *,
    definitions: Mapping[str, SpecDefinition],
    line: int,
) -> Iterator[RowError]:
    for name in columns:
        if name in shape.names:
            continue
        if shape.has_specs and name.startswith(SPEC_PREFIX):
            if name.removeprefix(SPEC_PREFIX) not in definitions:
                allowed = ", ".join(SPEC_PREFIX + code for code in definitions)
                yield row_error(line, name, name, Wording(f"one of {allowed}", f"다음 중 하나: {allowed}"))
            continue
        allowed = ", ".join(shape.names) + (f", {SPEC_PREFIX}…" if shape.has_specs else "")
        yield row_error(line, name, name, Wording(f"one of {allowed}", f"다음 중 하나: {allowed}"))
    for column in shape.columns:
        if column.is_required and column.name not in columns:
            expected = Wording(f"a column {column.name}", f"{column.name} 열")
            yield row_error(line, column.name, "", expected)


class _Reader(Struct, frozen=True):
    """A column of a table, and what its cells said so far: most cells of a long file say what others do."""

    column: Column
    known: dict[str, Any]

    def read(self, written: str) -> Any:
        """The value. Raises UnreadableCell, which is not remembered."""
        value = self.known[written] = self.column.parse(written)
        return value


class _SpecReader(Struct, frozen=True):
    """The same for a column of specs."""

    name: str
    definition: SpecDefinition
    known: dict[str, SpecValue]

    def read(self, written: str) -> SpecValue:
        """The value. Raises UnreadableCell, which is not remembered."""
        value = self.known[written] = parse_spec_value(written, self.definition)
        return value


class _Readers(Struct, frozen=True):
    """How the cells of a table are read. They live as long as a batch, so what they know stays little."""

    columns: tuple[_Reader, ...]
    specs: tuple[_SpecReader, ...]


def _readers(
    shape: KindColumns, names: Sequence[str] | None, *, definitions: Mapping[str, SpecDefinition]
) -> _Readers:
    present = frozenset(names or ())
    specs = [
        _SpecReader(name, definitions[name.removeprefix(SPEC_PREFIX)], {})
        for name in names or ()
        if shape.has_specs and name.startswith(SPEC_PREFIX) and name.removeprefix(SPEC_PREFIX) in definitions
    ]
    columns = [_Reader(column, {}) for column in shape.columns if column.name in present]
    return _Readers(tuple(columns), tuple(specs))


def _parse_cells(
    shape: KindColumns, readers: _Readers, raw: RawRow, *, errors: list[RowError]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    cells = raw.cells
    for reader in readers.columns:
        column = reader.column
        name = column.name
        written = cells[name]
        if not written:
            if column.is_required:
                errors.append(row_error(raw.line, name, "", _A_VALUE))
            elif column.empty is not UNSET:
                values[name] = column.empty
        elif column.parse is parse_text:
            values[name] = written
        elif written in reader.known:
            values[name] = reader.known[written]
        else:
            try:
                values[name] = reader.read(written)
            except UnreadableCell as problem:
                errors.append(row_error(raw.line, name, written, problem.expected))
    if shape.has_specs:
        values["specs"] = _parse_specs(readers, raw, category=values.get("category"), errors=errors)
    return values


def _parse_specs(
    readers: _Readers, raw: RawRow, *, category: str | None, errors: list[RowError]
) -> dict[str, SpecValue | None]:
    specs: dict[str, SpecValue | None] = {}
    for reader in readers.specs:
        name, definition = reader.name, reader.definition
        written = raw.cells[name]
        if not written:
            specs[definition.code] = None
        elif category is not None and category not in definition.categories:
            asked = ", ".join(definition.categories)
            expected = Wording(f"nothing: it is asked of {asked} only", f"빈칸({asked}에만 있는 사양)")
            errors.append(row_error(raw.line, name, written, expected))
        elif written in reader.known:
            specs[definition.code] = reader.known[written]
        else:
            try:
                specs[definition.code] = reader.read(written)
            except UnreadableCell as problem:
                errors.append(row_error(raw.line, name, written, problem.expected))
    return specs
