"""What to offer where a search finds nothing: the same with a condition less, a word less, or a word spelled otherwise."""

import asyncio
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias

import msgspec
from rapidfuzz import fuzz, process

from marketplace.web.search_form import SearchForm
from marketplace.web.subcategories import read_subcategory_names
from search_config.engine import SearchEngine, SearchHit
from search_config.query import Principal, SearchQuery

CONDITIONS_MAX: Final = 6
WORDS_MAX: Final = 4
OFFERED_MAX: Final = 4
HITS_SHOWN: Final = 3
SIMILARITY_MIN: Final = 62.0
"""Of 100, by letters (Hangul by its jamo): 협동로벗 and 협동로봇 have 93, 센서 and 인서트 57."""
NAME_FACETS: Final = ("subcategory", "maker_ko", "maker_en", "vendor_ko", "vendor_en", "tags")

Relief: TypeAlias = Literal["spelling", "condition", "conditions", "word"]


class NearMiss(msgspec.Struct, frozen=True, kw_only=True):
    """Another search that finds something. `given_up` = (field, value) of the condition that was taken off."""

    relief: Relief
    form: SearchForm
    given_up: tuple[str, str] = ("", "")
    total: int = 0
    hits: tuple[SearchHit, ...] = ()


async def find_near_misses(
    engine: SearchEngine, *, form: SearchForm, principal: Principal, lang: str
) -> list[NearMiss]:
    """The nearest searches with a result, those first that keep most of what was asked.

    Raises:
        SearchUnavailable
    """
    tried = [
        *_with_fewer_conditions(form),
        *await _spelled_otherwise(engine, form, principal),
        *_word_by_word(form),
    ]
    queries = [
        msgspec.structs.replace(near.form.to_query(lang=lang, page_size=HITS_SHOWN), facets=())
        for near in tried
    ]
    pages = await asyncio.gather(*(engine.search(query, principal) for query in queries))
    found = [
        msgspec.structs.replace(near, total=page.total, hits=page.hits)
        for near, page in zip(tried, pages, strict=True)
        if page.total
    ]
    return found[:OFFERED_MAX]


def _bare(form: SearchForm, text: str) -> SearchForm:
    return SearchForm(text=text, sort=form.sort)


def _with_fewer_conditions(form: SearchForm) -> Iterable[NearMiss]:
    replace = msgspec.structs.replace
    first = replace(form, page=1, refused=())
    pairs = [(field, value) for field, values in form.chosen.items() for value in values][:CONDITIONS_MAX]
    for field, value in pairs:
        rest = tuple(other for other in form.chosen[field] if other != value)
        others = {name: values for name, values in form.chosen.items() if name != field}
        chosen = {**others, field: rest} if rest else others
        yield NearMiss(relief="condition", form=replace(first, chosen=chosen), given_up=(field, value))
    if form.price_krw_max is not None:
        given_up = ("price_krw", str(form.price_krw_max))
        yield NearMiss(relief="condition", form=replace(first, price_krw_max=None), given_up=given_up)
    if form.lead_time_days_max is not None:
        given_up = ("lead_time_days", str(form.lead_time_days_max))
        yield NearMiss(relief="condition", form=replace(first, lead_time_days_max=None), given_up=given_up)
    if form.open_round_only:
        yield NearMiss(
            relief="condition", form=replace(first, open_round_only=False), given_up=("has_open_round", "")
        )
    if form.is_narrowed:
        yield NearMiss(relief="conditions", form=_bare(form, form.text))


async def _spelled_otherwise(
    engine: SearchEngine, form: SearchForm, principal: Principal
) -> Sequence[NearMiss]:
    """The names of what is listed that are spelled most like the text, as far as this principal sees them."""
    if not form.text:
        return ()
    page = await engine.search(SearchQuery(facets=NAME_FACETS, page_size=1), principal)
    listed = {count.value for counts in page.facets.values() for count in counts}
    names = read_subcategory_names()
    listed |= {names[code].name_ko for code in listed & names.keys()}
    similar = nearest_names(form.text, listed)
    return [NearMiss(relief="spelling", form=_bare(form, name)) for name in similar]


def nearest_names(text: str, names: Iterable[str], *, limit: int = 2) -> list[str]:
    """The names most like `text`, best first, by letters; of Hangul the jamo are compared, so one vowel is one slip."""
    spelled = {name: _letters(name) for name in sorted(set(names))}
    wanted = _letters(text)
    found = process.extract(wanted, spelled, scorer=fuzz.ratio, score_cutoff=SIMILARITY_MIN, limit=limit + 1)
    return [name for spelling, _, name in found if spelling != wanted][:limit]


def _letters(text: str) -> str:
    return unicodedata.normalize("NFD", text.casefold()).replace(" ", "")


def _word_by_word(form: SearchForm) -> Iterable[NearMiss]:
    words = list(dict.fromkeys(form.text.split()))[:WORDS_MAX]
    if len(words) > 1:
        yield from (NearMiss(relief="word", form=_bare(form, word)) for word in words)
