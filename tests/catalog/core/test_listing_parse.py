from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core.import_rows import clean_cell, read_table, write_csv, write_json_lines
from catalog.core.listing_columns import COLUMNS, cells_of
from catalog.core.listing_parse import check_row, complete_row, parse_table
from catalog.core.listing_rows import (
    Component,
    DemandRow,
    ListingRow,
    OfferRow,
    PackageModelRow,
    ProductRow,
    ServiceCenterRow,
    VendorRow,
)
from catalog.core.offer import PriceTier
from catalog.core.spec_value import SpecDefinition, parse_spec_value

DEFINITIONS = {
    "payload": SpecDefinition(code="payload", categories=("robot",), kind="number", unit="kg"),
    "ambient": SpecDefinition(code="ambient", categories=("robot", "sensor"), kind="range", unit="°C"),
    "open": SpecDefinition(code="open", categories=("software",), kind="boolean"),
}
PRODUCT = {
    "code": "cobot", "maker": "Acme", "maker_ko": "아크메", "maker_country": "KR", "model": "C10",
    "category": "robot", "subcategory": "collaborative robot", "name_ko": "로봇", "name_en": "Robot",
    "verification": "fictional",
}  # fmt: skip


def parsed(kind: Any, *rows: dict[str, str]) -> Any:
    content = write_csv(dict.fromkeys(name for row in rows for name in row), rows)
    return parse_table(kind, read_table(content, suffix=".csv"), definitions=DEFINITIONS)


def errors_of(table: Any) -> list[tuple[int, str, str, str]]:
    return [(error.line, error.column, error.found, error.expected) for error in table.errors]


def test_an_unknown_column_names_the_allowed_ones() -> None:
    table = parsed("demands", {"id": "x", "colour": "red"})
    assert table.is_broken
    allowed = (
        "one of id, factory, category, subcategory, quantity_min, quantity_max, ceiling_unit_price_krw, "
        "needed_by, region, note"
    )
    assert errors_of(table)[0] == (1, "colour", "colour", allowed)


def test_each_missing_required_column_is_an_error_of_its_own() -> None:
    table = parsed("products", {"code": "a", "maker": "Acme"})
    assert [error.column for error in table.errors] == [
        "maker_ko", "maker_country", "model", "category", "subcategory", "name_ko", "name_en", "verification",
    ]  # fmt: skip
    assert table.rows == ()


def test_an_unknown_spec_column_names_the_known_specs() -> None:
    table = parsed("products", PRODUCT | {"spec.paylod": "10 kg"})
    assert errors_of(table) == [
        (1, "spec.paylod", "spec.paylod", "one of spec.payload, spec.ambient, spec.open")
    ]


def test_every_wrong_cell_of_a_row_is_named_at_once() -> None:
    wrong = {"category": "robots", "maker_country": "Korea", "name_en": "", "spec.payload": "10"}
    table = parsed("products", PRODUCT | wrong, PRODUCT | {"code": "good", "spec.payload": "10 kg"})
    assert [(error.line, error.column, error.found) for error in table.errors] == [
        (2, "maker_country", "Korea"), (2, "category", "robots"), (2, "name_en", ""), (2, "spec.payload", "10"),
    ]  # fmt: skip
    assert [row.key for row in table.rows] == ["good"]
    assert table.keys == {"cobot", "good"}


def test_a_spec_of_another_category_is_refused() -> None:
    table = parsed("products", PRODUCT | {"spec.open": "yes"})
    assert errors_of(table) == [(2, "spec.open", "yes", "nothing: it is asked of software only")]


def test_a_key_that_comes_twice_is_refused_the_second_time() -> None:
    table = parsed("products", PRODUCT, PRODUCT | {"model": "C11"})
    assert [(row.line, row.key) for row in table.rows] == [(2, "cobot")]
    assert errors_of(table) == [(3, "code", "cobot", "each code once; line 2 has it already")]


def test_an_absent_column_keeps_what_was_there_and_an_empty_cell_clears_it() -> None:
    current = ProductRow(
        vendor="alpha", series="S", note="n", visibility="members", state="draft", **PRODUCT,
        specs={"payload": parse_spec_value("10 kg", DEFINITIONS["payload"])},
    )  # fmt: skip
    [kept] = parsed("products", PRODUCT).rows
    assert complete_row("products", kept, current=current, owner="beta") == current
    [cleared] = parsed("products", PRODUCT | {"series": "", "visibility": "", "spec.payload": ""}).rows
    changed = complete_row("products", cleared, current=current, owner="beta")
    assert changed == msgspec.structs.replace(current, series=None, specs={})


def test_a_new_row_belongs_to_the_importer_unless_it_names_somebody() -> None:
    [mine] = parsed("products", PRODUCT | {"vendor": ""}).rows
    [named] = parsed("products", PRODUCT | {"vendor": "beta"}).rows
    assert getattr(complete_row("products", mine, current=None, owner="alpha"), "vendor", "") == "alpha"
    assert getattr(complete_row("products", named, current=None, owner="alpha"), "vendor", "") == "beta"


def an_offer(**facts: Any) -> OfferRow:
    return OfferRow(**{
        "code": "o", "vendor": "alpha", "product": "cobot", "list_unit_price_krw": 100, "capacity": 10,
        "lead_time_days": 1, "tiers": (PriceTier(2, 90), PriceTier(5, 80)), **facts,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "column"),
    [
        ({"product": None}, "product"),
        ({"package_model": "cell"}, "product"),
        ({"package_version": 1}, "package_version"),
        ({"invited": ("mill",)}, "invited"),
        ({"tiers": (PriceTier(5, 90), PriceTier(2, 80))}, "tiers"),
        ({"tiers": (PriceTier(2, 80), PriceTier(5, 90))}, "tiers"),
        ({"tiers": (PriceTier(2, 101),)}, "tiers"),
        ({"pack_size": 11}, "tiers"),
    ],
)
def test_an_offer_that_no_round_could_run_on_is_refused(facts: dict[str, Any], column: str) -> None:
    assert list(check_row(an_offer())) == []
    assert [found[0] for found in check_row(an_offer(**facts))] == [column]


def test_a_tier_above_capacity_is_no_error() -> None:
    assert list(check_row(an_offer(tiers=(PriceTier(2, 90), PriceTier(500, 80))))) == []


TEXTS = (
    st.text(st.characters(categories=["L", "N", "P", "Zs", "S"]), min_size=1, max_size=12)
    .map(clean_cell)
    .filter(bool)
)
ITEMS = st.lists(TEXTS.map(lambda text: text.replace(";", ",")).map(str.strip).filter(bool), max_size=3).map(
    tuple
)
CODES = st.from_regex(r"[a-z0-9가-힣][a-z0-9가-힣_.\-]{0,9}", fullmatch=True)
WON = st.integers(1, 10**12)
DAYS = st.none() | st.dates(date(2000, 1, 1), date(2100, 1, 1))
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "payload": st.sampled_from(["10 kg", "9500 g", "-0.5 kg"]),
        "ambient": st.sampled_from(["0..45 °C", "-10~45℃"]),
    },
).map(lambda cells: {code: parse_spec_value(text, DEFINITIONS[code]) for code, text in cells.items()})
STATES = {"state": st.sampled_from(["draft", "published", "retired"])}
SEEN = STATES | {"visibility": st.sampled_from(["public", "members", "owner"])}
ROWS = st.one_of(
    st.tuples(st.just("vendors"), st.builds(
        VendorRow, code=CODES, name_ko=TEXTS, name_en=TEXTS, region=st.none() | TEXTS,
        size=st.none() | st.sampled_from(["small", "large"]), is_fictional=st.booleans(),
    )),
    st.tuples(st.just("products"), st.builds(
        ProductRow, code=CODES, vendor=CODES, maker=TEXTS, maker_ko=TEXTS, maker_country=st.just("KR"), model=TEXTS,
        series=st.none() | TEXTS, category=st.just("robot"), subcategory=TEXTS, name_ko=TEXTS, name_en=TEXTS,
        summary_ko=st.just("") | TEXTS, summary_en=st.just("") | TEXTS, verification=st.just("maker"),
        source_title=TEXTS, source_url=st.none() | st.just("https://acme.example/c10"),
        source_kind=st.none() | TEXTS, note=st.none() | TEXTS,
        specs=SPECS, **SEEN,
    )),
    st.tuples(st.just("package-models"), st.builds(
        PackageModelRow, code=CODES, vendor=CODES, name_ko=TEXTS, name_en=TEXTS, package_type=st.just("cloud"),
        level_from=st.integers(0, 2), level_to=st.integers(2, 5), industries=st.just(("press", "food")),
        summary_ko=TEXTS, summary_en=TEXTS, included_ko=ITEMS, excluded_en=ITEMS,
        lead_time_days=st.integers(0, 3650), warranty_months=st.integers(0, 600),
        spare_parts_years=st.integers(0, 50),
        components=st.lists(st.builds(Component, st.just("robot"), CODES, st.integers(1, 10**5)), min_size=1,
                            max_size=4).map(tuple), **SEEN,
    )),
    st.tuples(st.just("offers"), st.builds(
        OfferRow, code=CODES, vendor=CODES, package_model=CODES, package_version=st.none() | st.integers(1, 9),
        audience=st.just("invited"), invited=st.lists(CODES, max_size=3).map(tuple), list_unit_price_krw=WON,
        tiers=st.dictionaries(st.integers(1, 10**6), WON, max_size=3).map(
            lambda found: tuple(PriceTier(*pair) for pair in sorted(found.items()))),
        capacity=st.integers(1, 10**6), pack_size=st.integers(1, 9), lead_time_days=st.integers(0, 3650),
        valid_until=DAYS, is_illustrative=st.booleans(), terms_ko=st.just("") | TEXTS, **STATES,
    )),
    st.tuples(st.just("service-centers"), st.builds(
        ServiceCenterRow, code=CODES, vendor=CODES, maker=TEXTS, maker_ko=TEXTS, maker_country=st.just("KR"),
        name_ko=TEXTS, name_en=TEXTS, roles=st.just(("service", "sales")), status=st.just("planned"),
        country=st.just("VN"), city=st.none() | TEXTS, latitude=st.floats(-90, 90), longitude=st.floats(-180, 180),
        serves=ITEMS, languages=ITEMS, verification=st.just("secondary"), phone=st.none() | st.just("+82-32-610"),
    )),
    st.tuples(st.just("demands"), st.builds(
        DemandRow, id=st.uuids(), factory=CODES, category=st.just("sensor"), subcategory=st.none() | TEXTS,
        quantity_min=st.integers(1, 10), quantity_max=st.integers(10, 10**6),
        ceiling_unit_price_krw=st.none() | WON, needed_by=DAYS, region=st.none() | TEXTS, note=st.just("") | TEXTS,
    )),
)  # fmt: skip


@given(ROWS, st.sampled_from([".csv", ".jsonl"]))
@settings(deadline=None, max_examples=400)
def test_an_exported_row_imports_as_the_same_row(pair: tuple[Any, ListingRow], suffix: str) -> None:
    kind, row = pair
    cells = cells_of(kind, row, spec_codes=list(DEFINITIONS))
    content = write_csv(cells, [cells]) if suffix == ".csv" else write_json_lines([cells])
    table = parse_table(kind, read_table(content, suffix=suffix), definitions=DEFINITIONS)
    assert table.errors == ()
    [read] = table.rows
    assert complete_row(kind, read, current=None, owner="nobody") == row
    assert complete_row(kind, read, current=row, owner="nobody") == row


def test_every_column_is_a_field_of_its_row_and_every_field_a_column() -> None:
    for shape in COLUMNS.values():
        fields = {field.name for field in msgspec.structs.fields(shape.row_type)}
        assert set(shape.names) == fields - {"specs"}
        required = {column.name for column in shape.columns if column.is_required}
        needed = {field.name for field in msgspec.structs.fields(shape.row_type) if field.required}
        assert needed - {shape.owner} == required


def test_an_id_may_be_written_in_capitals() -> None:
    given_id = "7D3C7E2E-31B5-4B6C-8F53-0D1D5A0F9A01"
    [row] = parsed(
        "demands", {"id": given_id, "category": "robot", "quantity_min": "1", "quantity_max": "2"}
    ).rows
    assert row.key == str(UUID(given_id))


def test_an_id_in_capitals_and_in_small_letters_is_one_id() -> None:
    row = {"id": str(UUID(int=10)), "category": "robot", "quantity_min": "1", "quantity_max": "2"}
    table = parsed("demands", row, row | {"id": str(UUID(int=10)).upper()})
    assert [found.line for found in table.rows] == [2]
    assert [error.line for error in table.errors] == [3]
