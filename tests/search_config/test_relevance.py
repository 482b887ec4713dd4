"""How well search finds: graded queries over a made-up corpus of 10,000 documents (`tests/relevance`).

`pytest -s tests/search_config/test_relevance.py` prints nDCG@10 per type, tuned and held out.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from relevance.corpus import build_corpus
from relevance.queries import build_queries, grade

from search_config.embedded_engine import EmbeddedEngine
from search_config.evaluation import GradedText, Judgment, judge, ndcg_at_10, to_document

NDCG_MIN = 0.95
NDCG_PER_TYPE_MIN = 0.80
ZERO_SHARE_MAX = 0.03
PRIVATE_NDCG_MIN = 0.88


@pytest.fixture(scope="module")
def graded() -> tuple[list[GradedText], set[str]]:
    """Every query with its judgments, and the ids of those held out."""
    corpus = build_corpus()
    queries = build_queries(corpus.truths)
    texts = [
        GradedText(
            id=query.id,
            q=query.text,
            type=query.type,
            relevant={t.id: found for t in corpus.truths if (found := grade(query.wanted, t))},
        )
        for query in queries
    ]
    return texts, {query.id for query in queries if query.is_hold_out}


async def _judge(graded: list[GradedText], home: Path) -> Judgment:
    engine = EmbeddedEngine(home)
    judgment = await judge(engine, map(to_document, build_corpus().documents), graded)
    await engine.close()
    return judgment


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _print_types(graded: list[GradedText], held_out: set[str], judgment: Judgment) -> None:
    def score(keep: Callable[[GradedText], bool]) -> float:
        return _mean([ndcg_at_10(judgment.results[g.id], g.relevant) for g in graded if keep(g)])

    print(f"\n{'type':12} {'queries':>7} {'tuned':>7} {'held out':>8}")
    for name in (*judgment.types, "all"):
        mine = [g for g in graded if name in {g.type, "all"}]
        tuned = score(lambda g, name=name: name in {g.type, "all"} and g.id not in held_out)
        hold_out = score(lambda g, name=name: name in {g.type, "all"} and g.id in held_out)
        print(f"{name:12} {len(mine):7} {tuned:7.3f} {hold_out:8.3f}")


async def test_what_is_asked_for_comes_first_in_every_way_of_asking(
    graded: tuple[list[GradedText], set[str]], tmp_path: Path
) -> None:
    texts, held_out = graded
    assert len(texts) >= 150
    judgment = await _judge(texts, tmp_path)
    _print_types(texts, held_out, judgment)
    assert judgment.ndcg_at_10 >= NDCG_MIN
    assert min(judgment.types.values()) >= NDCG_PER_TYPE_MIN
    assert judgment.zero_results <= len(texts) * ZERO_SHARE_MAX
    unseen = [ndcg_at_10(judgment.results[g.id], g.relevant) for g in texts if g.id in held_out]
    assert _mean(unseen) >= PRIVATE_NDCG_MIN
