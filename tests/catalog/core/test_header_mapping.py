"""Columns under other names: taken when sure, suggested when similar, never guessed."""

from catalog.core.header_mapping import HeaderColumn, map_header, mapped
from catalog.core.import_rows import read_table
from catalog.core.spec_value import SpecDefinition

DEFINITIONS = {
    "payload": SpecDefinition(
        code="payload",
        categories=("robot",),
        kind="number",
        unit="kg",
        name_ko="가반 하중",
        name_en="Payload",
    )
}


def columns(kind: str, *names: str, **choices: str | None) -> list[HeaderColumn]:
    return list(map_header(kind, names, definitions=DEFINITIONS, choices=choices).columns)  # type: ignore[arg-type]


def test_korean_and_english_names_are_known_whatever_their_spaces_and_capitals() -> None:
    found = columns("products", "제품 코드", "제조사", "Model_Name", "MAKER", "name_ko", "가반하중")
    assert [c.column for c in found] == ["code", "maker_ko", "model", "maker", "name_ko", "spec.payload"]


def test_a_unit_in_the_name_goes_behind_bare_numbers_only() -> None:
    table = read_table("코드,가반 하중 (kg)\na,10\nb,9.5 kg\nc,2 t\nd,\n".encode(), suffix=".csv")
    mapping = map_header("products", table.columns or (), definitions=DEFINITIONS, choices={})
    assert [row.cells["spec.payload"] for row in mapped(table, mapping).rows] == [
        "10 kg",
        "9.5 kg",
        "2 t",
        "",
    ]


def test_a_price_in_another_unit_is_never_taken_for_won() -> None:
    for name in ("단가(천원)", "단가(만원)", "price (USD)", "Preis in €"):
        [found] = columns("offers", name)
        assert found.is_unknown
    [found] = columns("offers", "단가 (원)")
    assert found.column == "list_unit_price_krw"


def test_what_is_only_similar_is_suggested() -> None:
    [found] = columns("products", "모델명칭")
    assert (found.is_unknown, found.suggestion) == (True, "model")
    assert columns("products", "zzzz")[0].suggestion is None


def test_a_choice_goes_before_an_alias_and_a_name_before_both() -> None:
    assert columns("products", "모델명", 모델명="series")[0].column == "series"
    found = columns("products", "model", "모델명")
    assert (found[0].column, found[1].is_unknown) == ("model", True)
    assert columns("products", "기타", 기타=None) == [HeaderColumn(name="기타")]


def test_the_column_of_errors_is_left_out() -> None:
    assert columns("products", "오류", "error") == [HeaderColumn(name="오류"), HeaderColumn(name="error")]
