"""Judging a search engine on any corpus and any graded queries (`marketplace search-eval`).

Measure: nDCG@10 with gain 2^grade - 1 and discount log2(place + 1), after Järvelin and Kekäläinen,
"Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002. Unlisted documents have grade 0.
"""

import math
import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from search_config.documents import CatalogDocument, SearchDocument, SpecValue
from search_config.engine import SearchEngine
from search_config.errors import InvalidCorpus
from search_config.query import ANONYMOUS, SearchQuery

PLACES = 10
BATCH_SIZE = 500
GAINS = {grade: 2**grade - 1 for grade in (1, 2, 3)}
ABSENT = (None, "")
_NUMBER = r"[+-]?[0-9]+(?:\.[0-9]+)?"
_NUMBERS = re.compile(rf"({_NUMBER})(?:\s*(?:~|\.\.+|…|–|—)\s*({_NUMBER}))?")


class GradedText(msgspec.Struct, frozen=True, kw_only=True):
    """A query of a judgment file: `relevant` maps document ids to grades 1..3."""

    id: str
    q: str
    type: str = ""
    relevant: dict[str, int] = {}


class Judgment(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict, as contracts.md prints it. `types` maps a type to its mean nDCG@10; times are per query."""

    engine: str
    queries: int
    ndcg_at_10: float
    zero_results: int
    p50_ms: float
    p99_ms: float
    types: dict[str, float]
    results: dict[str, list[str]]


def read_corpus(path: Path) -> Iterator[CatalogDocument]:
    """Documents of a JSON Lines file; unknown keys are passed over, odd values read as text.

    Raises InvalidCorpus with the line for broken JSON or a missing id.
    """
    return (to_document(fields) for fields in _read_objects(path))


def read_queries(path: Path) -> list[GradedText]:
    """Queries of a JSON Lines file. Raises InvalidCorpus with the line for broken JSON or a missing id."""
    return [
        GradedText(
            id=_text(fields["id"]),
            q=_text(fields.get("q")),
            type=_text(fields.get("type")),
            relevant=_grades(fields.get("relevant")),
        )
        for fields in _read_objects(path)
    ]


def _grades(found: Any) -> dict[str, int]:
    pairs = found.items() if isinstance(found, dict) else ()
    return {str(id_): int(grade) for id_, grade in pairs if isinstance(grade, (int, float))}


def _read_objects(path: Path) -> Iterator[dict[str, Any]]:
    decode = msgspec.json.Decoder().decode
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                fields = decode(line.removeprefix(b"\xef\xbb\xbf"))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise InvalidCorpus(path.name, line=number, reason=str(error)) from error
            if not isinstance(fields, dict) or fields.get("id") in ABSENT:
                raise InvalidCorpus(path.name, line=number, reason="expected an object with an id")
            yield fields


def to_document(fields: Mapping[str, Any]) -> CatalogDocument:
    """A document of the index `catalog` from an object of the corpus; all but `id` may be missing."""
    tags = fields.get("tags")
    specs = fields.get("specs")
    return CatalogDocument(
        id=_text(fields["id"]),
        kind="package_model" if "package" in _text(fields.get("kind")) else "product",
        tags=[_text(tag).replace("_", " ") for tag in tags] if isinstance(tags, list) else [],
        specs=[_spec(spec) for spec in specs if isinstance(spec, dict)] if isinstance(specs, list) else [],
        name_ko=_text(fields.get("name_ko")),
        name_en=_text(fields.get("name_en")),
        model=_text(fields.get("model")),
        maker_ko=_text(fields.get("maker_ko")),
        maker_en=_text(fields.get("maker_en")),
        category=_text(fields.get("category")).replace("_", " "),
        summary_ko=_text(fields.get("summary_ko")),
        summary_en=_text(fields.get("summary_en")),
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(_text(part) for part in value)
    return "" if value is None else str(value)


def _spec(fields: Mapping[str, Any]) -> SpecValue:
    """A number, a range (`-25..70`, [0, 10]), a word or yes/no."""
    code, unit, value = _text(fields.get("code")), _text(fields.get("unit")) or None, fields.get("value")
    if isinstance(value, bool):
        return SpecValue(code=code, boolean=value, unit=unit)
    if isinstance(value, list) and len(value) == 2 and all(_is_number(end) for end in value):
        return SpecValue(code=code, number=min(value), number_max=max(value), unit=unit)
    if isinstance(value, (int, float)) and math.isfinite(value):
        return SpecValue(code=code, number=float(value), unit=unit)
    text = _text(value)
    if found := _NUMBERS.fullmatch(text.strip()):
        ends = sorted(float(end) for end in found.groups() if end)
        return SpecValue(code=code, number=ends[0], number_max=ends[1] if len(ends) > 1 else None, unit=unit)
    return SpecValue(code=code, text=f"{text} {unit}" if unit else text)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def ndcg_at_10(found: Sequence[str], relevant: Mapping[str, int]) -> float:
    """nDCG of the first ten ids, 0..1; 0 when nothing is relevant."""
    gains = [GAINS.get(relevant.get(id_, 0), 0) for id_ in found[:PLACES]]
    best = sorted((GAINS.get(grade, 0) for grade in relevant.values()), reverse=True)[:PLACES]
    ideal = _discounted(best)
    return _discounted(gains) / ideal if ideal else 0.0


def _discounted(gains: Iterable[int]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


async def judge(
    engine: SearchEngine,
    documents: Iterable[CatalogDocument],
    queries: Sequence[GradedText],
) -> Judgment:
    """Fill the engine's index `catalog` with these documents and ask every query, one after another.

    The engine is a throw-away one: whatever its index held is replaced.
    """
    await engine.rebuild("catalog", _in_batches(documents))
    await engine.search(SearchQuery(page_size=1), ANONYMOUS)  # opens the index; not a query of the set
    results: dict[str, list[str]] = {}
    times_ms: list[float] = []
    for query in queries:
        started = time.perf_counter()
        page = await engine.search(SearchQuery(text=query.q, page_size=PLACES), ANONYMOUS)
        times_ms.append((time.perf_counter() - started) * 1_000)
        results[query.id] = [hit.document.id for hit in page.hits]
    scores = {query.id: ndcg_at_10(results[query.id], query.relevant) for query in queries}
    types: dict[str, list[float]] = {}
    for query in queries:
        types.setdefault(query.type, []).append(scores[query.id])
    return Judgment(
        engine=(await engine.health()).engine,
        queries=len(queries),
        ndcg_at_10=_mean(list(scores.values())),
        zero_results=sum(not found for found in results.values()),
        p50_ms=_percentile(times_ms, 50),
        p99_ms=_percentile(times_ms, 99),
        types={name: _mean(values) for name, values in sorted(types.items())},
        results=results,
    )


async def _in_batches(documents: Iterable[CatalogDocument]) -> AsyncIterator[Sequence[SearchDocument]]:
    remaining = iter(documents)
    while batch := list(islice(remaining, BATCH_SIZE)):
        yield batch


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0


def _percentile(values: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return round(ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)], 3) if ordered else 0.0
