import json
from pathlib import Path
from typing import Any

import pytest

from marketplace.cli import main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    code = left.value.code
    assert isinstance(code, int)
    return code


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    payload = {"code": "payload", "value": 10, "unit": "kg"}
    corpus: list[dict[str, Any]] = [
        {"id": "s1", "kind": "product", "name_ko": "원주형 근접센서", "category": "sensor", "extra": 1},
        {"id": "r1", "kind": "product", "name_en": "Collaborative robot", "specs": [payload]},
    ]
    queries = [
        {"id": "q1", "q": "tpstj", "type": "keyboard", "relevant": {"s1": 3}},
        {"id": "q2", "q": "협동로봇 10 kg", "type": "units", "relevant": {"r1": 2}},
    ]
    for name, lines in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
        text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path / "corpus.jsonl"), str(tmp_path / "queries.jsonl")


def test_search_eval_prints_the_contract_and_needs_no_database(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("search-eval", *files, "--json", "--data-dir", str(tmp_path / "data")) == 0
    answer = json.loads(capsys.readouterr().out)
    keys = ["engine", "queries", "ndcg_at_10", "zero_results", "p50_ms", "p99_ms", "types", "results"]
    assert list(answer) == keys
    assert answer["results"] == {"q1": ["s1"], "q2": ["r1"]}
    assert (answer["engine"], answer["queries"], answer["ndcg_at_10"]) == ("embedded", 2, 1.0)
    assert not (tmp_path / "data").exists()


def test_search_eval_names_the_line_that_it_cannot_read(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with Path(files[0]).open("a", encoding="utf-8") as corpus:
        corpus.write("\n{broken")
    assert run("search-eval", *files, "--json") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "corpus.jsonl, line 3" in captured.err


def test_search_eval_refuses_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("search-eval", "nowhere.jsonl", "nothing.jsonl") == 1
    assert "nowhere.jsonl is not a file" in capsys.readouterr().err
