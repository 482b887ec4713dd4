import json
from pathlib import Path
from typing import Any

import pytest

from search_config.embedded_engine import EmbeddedEngine
from search_config.errors import InvalidCorpus
from search_config.evaluation import judge, ndcg_at_10, read_corpus, read_queries, to_document


def write_lines(path: Path, *lines: Any) -> Path:
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    return path


def test_ndcg_is_1_for_the_best_order_and_falls_with_every_swap() -> None:
    relevant = {"a": 3, "b": 2, "c": 1}
    assert ndcg_at_10(["a", "b", "c"], relevant) == 1.0
    swapped = ndcg_at_10(["b", "a", "c"], relevant)
    assert ndcg_at_10(["x", "b", "a"], relevant) < swapped < 1.0
    # by hand: (3/1 + 7/log2(3) + 1/log2(4)) / (7/1 + 3/log2(3) + 1/log2(4))
    assert swapped == pytest.approx(0.8429, abs=0.0001)


def test_ndcg_counts_ten_places_and_is_0_when_nothing_is_relevant() -> None:
    assert ndcg_at_10([*"0123456789", "a"], {"a": 3}) == 0.0
    assert ndcg_at_10(["a"], {}) == 0.0


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (10, "kg", (10.0, None, None)),
        ("10", "kg", (10.0, None, None)),
        ("-25..70", "°C", (-25.0, 70.0, None)),
        ([0, 10], "V", (0.0, 10.0, None)),
        ("IP67", "", (None, None, "IP67")),
        (None, "kg", (None, None, " kg")),
    ],
)
def test_values_of_any_shape_are_read(value: Any, unit: str, expected: tuple[Any, ...]) -> None:
    document = to_document({"id": "x", "specs": [{"code": "c", "value": value, "unit": unit}]})
    [spec] = document.specs
    assert (spec.number, spec.number_max, spec.text) == expected


def test_all_but_the_id_may_be_missing_and_unknown_keys_are_passed_over(tmp_path: Path) -> None:
    corpus = write_lines(
        tmp_path / "c.jsonl",
        {"id": 7, "color": "red"},
        {"id": "b", "kind": "package", "tags": None, "specs": "none", "name_ko": ["a", "b"]},
    )
    first, second = read_corpus(corpus)
    assert (first.id, first.kind, first.name_ko) == ("7", "product", "")
    assert (second.kind, second.tags, second.specs, second.name_ko) == ("package_model", [], [], "a b")


@pytest.mark.parametrize("line", ["{", "[]", '{"name_ko": "x"}', '{"id": null}'])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"id": "a"}\n\n' + line, encoding="utf-8")
    with pytest.raises(InvalidCorpus) as refused:
        list(read_corpus(path))
    assert (refused.value.file, refused.value.line) == ("c.jsonl", 3)


async def test_a_judgment_has_every_query_and_its_type(tmp_path: Path) -> None:
    corpus = write_lines(
        tmp_path / "c.jsonl",
        {"id": "s", "name_ko": "근접센서", "specs": [{"code": "range", "value": 8, "unit": "mm"}]},
        {"id": "r", "name_ko": "협동로봇", "name_en": "Collaborative robot"},
    )
    queries = write_lines(
        tmp_path / "q.jsonl",
        {"id": "1", "q": "tpstj", "type": "keyboard", "relevant": {"s": 3}},
        {"id": "2", "q": "cobot", "type": "synonym", "relevant": {"r": 2, "gone": 1}},
        {"id": "3", "q": "존재하지않는것", "type": "nothing"},
    )
    engine = EmbeddedEngine(tmp_path / "index")
    judgment = await judge(engine, read_corpus(corpus), read_queries(queries))
    await engine.close()
    assert judgment.engine == "embedded"
    assert judgment.queries == 3
    assert judgment.results == {"1": ["s"], "2": ["r"], "3": []}
    assert judgment.zero_results == 1
    assert judgment.types["keyboard"] == 1.0
    assert 0.8 < judgment.types["synonym"] < 1.0
    assert judgment.p99_ms >= judgment.p50_ms > 0
