"""What may be meant by a text that is being typed: one box over packages, products, vendors and sites.

Engine-neutral: the things are the first hits of each index, the words come from the public vocabulary.
"""

import asyncio
from collections.abc import Sequence

from search_config.analysis import split_runs
from search_config.documents import CatalogDocument, IndexName, SearchDocument
from search_config.engine import SearchEngine, SearchHit, Suggestion, Suggestions
from search_config.hangul import is_jamo, keystrokes
from search_config.query import Principal, SearchQuery
from search_config.vocabulary import Vocabulary

WORDS_MAX = 5
LETTERS_MIN = 2
SHARES: dict[IndexName, float] = {"catalog": 1.0, "vendors": 0.25, "service_centers": 0.25}
"""How much of the list an index may fill when the others have something too."""


def complete_words(text: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    """The text with its last word completed, the most frequent completion first; () after a space."""
    runs = split_runs(text)
    if not runs or text[-1:].isspace():
        return ()
    last = runs[-1]
    if last.kind == "hangul" and len(last.text) > 1 and all("ㄱ" <= c <= "ㅎ" for c in last.text):
        found = vocabulary.by_initials(last.text)
    elif last.kind == "hangul" and not is_jamo(last.text[0]):
        found = vocabulary.completions(keystrokes(last.text))
    elif last.kind == "latin" and last.joined.isalpha() and len(last.joined) >= LETTERS_MIN:
        found = vocabulary.letter_completions(last.joined)
    else:
        return ()
    before = " ".join(run.text for run in runs[:-1])
    return tuple(f"{before} {word}".strip() for word in found if word != last.text)[:WORDS_MAX]


async def suggest(
    engine: SearchEngine,
    text: str,
    principal: Principal,
    *,
    words: tuple[str, ...],
    indexes: Sequence[IndexName],
    limit: int,
) -> Suggestions:
    """The first hits of every index, most of them from the catalog; no name twice."""
    if not split_runs(text):
        return Suggestions()
    asked = [index for index in SHARES if index in indexes]
    pages = await asyncio.gather(
        *(engine.search(SearchQuery(index=index, text=text, page_size=limit), principal) for index in asked)
    )
    found = {
        index: [] if "relaxed" in page.notices else _distinct(page.hits)
        for index, page in zip(asked, pages, strict=True)
    }
    rooms = {index: min(len(mine), int(limit * SHARES[index])) for index, mine in found.items()}
    if "catalog" in rooms:
        rooms["catalog"] = limit - sum(room for index, room in rooms.items() if index != "catalog")
    return Suggestions(
        words=words, things=tuple(thing for index, mine in found.items() for thing in mine[: rooms[index]])
    )


def _distinct(hits: Sequence[SearchHit]) -> list[Suggestion]:
    found: dict[tuple[str, str], Suggestion] = {}
    for hit in hits:
        suggestion = _suggestion(hit.document)
        found.setdefault((suggestion.kind, suggestion.name_ko or suggestion.name_en), suggestion)
    return list(found.values())


def _suggestion(document: SearchDocument) -> Suggestion:
    name_ko = document.name_ko or (document.model if isinstance(document, CatalogDocument) else "")
    return Suggestion(kind=document.kind, code=document.code, name_ko=name_ko, name_en=document.name_en)
