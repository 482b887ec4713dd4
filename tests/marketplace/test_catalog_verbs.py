"""`origin` and `compare` as other programs call them."""

import json
from typing import Any

import pytest

from marketplace.cli import build_parser, main


def origin(capsys: Any, *arguments: str) -> tuple[int, Any]:
    with pytest.raises(SystemExit) as left:
        main(["origin", "--hs-in", "850152", "--hs-out", "847950", *arguments, "--json"])
    return int(str(left.value.code)), capsys.readouterr()


@pytest.mark.parametrize(("cif", "domestic", "ratio_bp"), [("49", True, 5100), ("50", False, 5000)])
def test_origin_prints_json_alone(capsys: Any, cif: str, domestic: bool, ratio_bp: int) -> None:
    code, printed = origin(capsys, "--cost", "100", "--cif", cif)
    answer = json.loads(printed.out)
    assert code == 0
    assert list(answer) == ["domestic", "ratio_bp", "rule", "steps"]
    assert (answer["domestic"], answer["ratio_bp"], answer["rule"]) == (domestic, ratio_bp, "hs6_changed_51")


def test_origin_takes_simple_processing(capsys: Any) -> None:
    _, printed = origin(capsys, "--cost", "100", "--cif", "1", "--simple-processing")
    assert json.loads(printed.out)["rule"] == "simple_processing"


@pytest.mark.parametrize("costs", [("0", "0"), ("100", "101"), ("1e6", "0")])
def test_origin_of_impossible_costs_is_a_usage_error(capsys: Any, costs: tuple[str, str]) -> None:
    code, printed = origin(capsys, "--cost", costs[0], "--cif", costs[1])
    assert (code, printed.out) == (2, "")


async def compare(monkeypatch: Any, database: str, capsys: Any, *codes: str) -> tuple[int, Any]:
    monkeypatch.setenv("DATABASE_URL", database)
    options = build_parser().parse_args(["compare", *codes, "--json"])
    code = await options.run(options)
    return code, json.loads(capsys.readouterr().out)


async def test_compare_answers_the_rows_of_the_page(
    market: Any, monkeypatch: Any, database: str, capsys: Any
) -> None:
    code, answer = await compare(monkeypatch, database, capsys, "cobot-10", "cobot-5")
    assert (code, answer["is_ranked"], answer["missing"]) == (0, True, [])
    rows = {row["code"]: row for group in answer["groups"] for row in group["rows"]}
    assert (rows["payload"]["name_ko"], rows["payload"]["name_en"]) == ("가반 하중", "Payload")
    assert (rows["maker"]["name_ko"], rows["maker"]["name_en"]) == ("제조사", "Maker")
    assert [cell["value"]["number"] for cell in rows["payload"]["cells"]] == [10.0, 5.0]


async def test_compare_names_what_is_missing_and_exits_1(
    market: Any, monkeypatch: Any, database: str, capsys: Any
) -> None:
    code, answer = await compare(monkeypatch, database, capsys, "cobot-10", "nothing")
    assert (code, answer["missing"]) == (1, ["nothing"])
