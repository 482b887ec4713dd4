"""What a listing says beside its first facts: kept where it fits, and named where it is wrong."""

import pytest

from catalog.core.first_listing import check_first_product
from catalog.core.import_rows import RawRow, RawTable
from catalog.core.listing_columns import cells_of
from catalog.core.listing_diff import changed_fields
from catalog.core.listing_hints import HINTS, Hint, completeness_bp, fix_path, missing_facts
from catalog.core.listing_parse import check_row, complete_row, parse_table
from catalog.core.listing_rows import Alternative, ImportKind, ListingRow, PackageModelRow, ProductRow
from catalog.core.spec_value import SpecDefinition

SPECS = tuple(SpecDefinition(code=code, categories=("robot",), kind="number") for code in "abcd")
ENOUGH = {
    "category": "robot",
    "model": "C10",
    "maker": "Acme",
    "name_ko": "협동로봇",
    "lead_time_days": "30",
    "warranty_months": "12",
    "datasheet": "id",
    "price_krw": "₩12,000,000",
    "spec.a": "1",
    "spec.b": "2",
    "spec.d": "3",
}


PACKAGE = {
    "code": "pack", "name_ko": "묶음", "name_en": "Pack", "package_type": "cloud", "level_from": "1", "level_to": "2",
    "industries": "press", "summary_ko": "요약", "summary_en": "Summary", "lead_time_days": "30",
    "warranty_months": "12", "components": "software:a:1; controller:b:1",
}  # fmt: skip


def package(current: PackageModelRow | None = None, **cells: str) -> PackageModelRow:
    fields = PACKAGE | cells
    table = RawTable(columns=tuple(fields), rows=(RawRow(1, fields),))
    parsed = parse_table("package-models", table, definitions={})
    assert parsed.errors == ()
    row = complete_row("package-models", parsed.rows[0], current=current, owner="vendor")
    assert isinstance(row, PackageModelRow)
    return row


def wrong(row: ListingRow) -> list[tuple[str, str]]:
    return [(column, found) for column, found, _ in check_row(row)]


def test_what_is_written_reads_back_as_the_same() -> None:
    row = package(alternatives="b:c; a:c; a:d; a:d", monthly_fee_krw="₩1,000", courses_ko="안전; 운전")
    assert row.alternatives == (Alternative("a", "c"), Alternative("a", "d"), Alternative("b", "c"))
    assert row.monthly_fee_krw == 1000
    assert package(**cells_of("package-models", row)) == row


def test_an_alternative_is_of_a_component_and_is_none_itself() -> None:
    row = package(alternatives="x:y; a:b; a:z")
    assert wrong(row) == [("alternatives", "b"), ("alternatives", "x")]


def test_facts_of_another_type_are_refused() -> None:
    refused = {
        package_type: [
            column
            for column, _ in wrong(
                package(package_type=package_type, monthly_fee_krw="1000", saved_kwh_per_year="5000")
            )
        ]
        for package_type in ("individual_build", "cloud", "clean_energy")
    }
    assert refused == {
        "individual_build": ["monthly_fee_krw", "saved_kwh_per_year"],
        "cloud": ["saved_kwh_per_year"],
        "clean_energy": ["monthly_fee_krw"],
    }


def test_a_file_without_columns_for_facts_keeps_those_that_still_fit() -> None:
    before = package(alternatives="a:c; b:d", monthly_fee_krw="1000", return_terms_ko="전액")
    assert package(before) == before
    after = package(before, components="software:a:1; controller:c:1", package_type="individual_build")
    assert (after.alternatives, after.monthly_fee_krw, after.return_terms_ko) == ((), None, "전액")
    assert wrong(after) == []


def test_a_scheme_that_changes_is_named_with_its_version() -> None:
    row = ProductRow(
        code="p", vendor="v", maker="m", maker_ko="m", maker_country="KR", model="M", category="robot",
        subcategory="s", name_ko="n", name_en="n", verification="fictional", code_g2b="43211503", code_hs="847950",
    )  # fmt: skip
    assert wrong(row) == [("code_g2b_version", "")]


def test_only_what_differs_is_a_change() -> None:
    assert changed_fields({"a": "1", "b": " 2"}, {"a": "2", "b": "2 ", "c": ""}) == {"a": ("1", "2")}


def test_ten_minutes_are_enough_for_a_product() -> None:
    assert check_first_product(ENOUGH, definitions=SPECS) == ()
    quote = ENOUGH | {"price_krw": "", "asks_quote": "yes"}
    assert check_first_product(quote, definitions=SPECS) == ()


def test_what_a_first_product_lacks_is_named() -> None:
    bare = {"category": "robot", "spec.a": "1", "price_krw": "1.000.000"}
    assert [error.column for error in check_first_product(bare, definitions=SPECS)] == [
        "model",
        "name_ko",
        "maker",
        "lead_time_days",
        "warranty_months",
        "datasheet",
        "specs",
        "price_krw",
    ]


def test_a_category_with_few_specs_asks_for_no_more_than_there_are() -> None:
    fields = {name: value for name, value in ENOUGH.items() if not name.startswith("spec.")}
    assert check_first_product(fields, definitions=()) == ()


def test_hints_ask_for_what_is_missing_in_the_order_of_use() -> None:
    known = dict.fromkeys(HINTS["products"], True) | {"datasheet": False, "price": False}
    assert missing_facts("products", known) == ("price", "datasheet")
    assert completeness_bp("products", known) == 7777
    assert completeness_bp("products", dict.fromkeys(HINTS["products"], True)) == 10_000


@pytest.mark.parametrize("kind", sorted(HINTS))
def test_every_missing_fact_has_a_page_to_say_it_and_each_said_one_counts_the_same(kind: ImportKind) -> None:
    nothing: dict[Hint, bool | None] = dict.fromkeys(HINTS[kind], False)
    assert completeness_bp(kind, nothing) == 0
    for number, hint in enumerate(HINTS[kind], start=1):
        assert fix_path(kind, "용접 셀/1", hint).startswith("/vendor/")
        assert " " not in fix_path(kind, "용접 셀/1", hint)
        nothing[hint] = True
        assert completeness_bp(kind, nothing) == number * 10_000 // len(HINTS[kind])


def test_a_fact_that_nobody_knows_to_be_there_is_missing() -> None:
    assert missing_facts("offers", {"warranty": None, "tiers": True}) == ("warranty",)
    assert completeness_bp("offers", {"warranty": None, "tiers": True}) == 5_000
