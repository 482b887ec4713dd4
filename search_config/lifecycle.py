"""The life of an index's settings on Meilisearch: what differs, what it costs, and bringing it there.

Hot settings (synonyms, typos, limits) are changed in place. Structural ones (fields, ranking words, the layout of
our lanes) need other documents: a shadow index named by their hash is filled beside the live one, kept up to
date, and swapped in when nothing waits any more. The old index stays under the shadow's name for a day.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

import msgspec

from search_config.documents import IndexName, SearchDocument
from search_config.errors import SearchUnavailable
from search_config.meilisearch_engine import MeilisearchEngine
from search_config.meilisearch_settings import CompiledSettings, compile_settings

ChangeKind: TypeAlias = Literal["hot", "structural"]
Outcome: TypeAlias = Literal["unchanged", "patched", "swapped"]
Batches: TypeAlias = AsyncIterator[Sequence[SearchDocument]]

HOT_KEYS = frozenset(
    {"synonyms", "typoTolerance", "pagination", "faceting", "displayedAttributes", "rankingRules"}
)
"""Settings that a server applies without reading the documents again. Any other key is structural."""
SET_KEYS = frozenset(
    {"stopWords", "dictionary", "separatorTokens", "nonSeparatorTokens", "sortableAttributes"}
)
SET_INNER_KEYS = frozenset({"disableOnWords", "disableOnAttributes", "attributePatterns", "locales"})
"""Lists whose order means nothing; servers return them sorted."""
WHOLE_KEYS = frozenset({"synonyms"})
"""Objects whose names are data of ours: one too many is a difference."""
OLD_KEPT = timedelta(days=1)
CATCH_UP_ATTEMPTS = 100
NEARLY_CURRENT = 50
"""Documents that may still wait at the swap; `finish` brings them. Under steady writing nobody sees a lag of 0."""


class SettingsChange(msgspec.Struct, frozen=True, kw_only=True):
    """One setting that differs; `current` is None when the server has none."""

    key: str
    kind: ChangeKind
    current: Any
    wanted: Any


class SettingsState(msgspec.Struct, frozen=True, kw_only=True):
    """An index on the server against our files. `exists` is False when it was never made."""

    index: IndexName
    uid: str
    exists: bool
    changes: tuple[SettingsChange, ...]

    @property
    def is_structural(self) -> bool:
        return not self.exists or any(change.kind == "structural" for change in self.changes)


class SettingsApplied(msgspec.Struct, frozen=True, kw_only=True):
    """What `apply_settings` did; `documents` counts those of a swapped index."""

    index: IndexName
    outcome: Outcome
    keys: tuple[str, ...] = ()
    documents: int = 0


def diff_settings(current: Mapping[str, Any], wanted: CompiledSettings) -> tuple[SettingsChange, ...]:
    """What must change for the server to mean the same as our files, by key. Pure.

    Only keys that we set are compared, inside objects too; lists that are sets are compared without order.
    """
    changes = []
    for key in sorted(wanted):
        have, want = current.get(key), wanted[key]
        mentioned = have if key in WHOLE_KEYS else _only(have, want)
        if _meaning(key, mentioned) != _meaning(key, want):
            kind: ChangeKind = "hot" if key in HOT_KEYS else "structural"
            changes.append(SettingsChange(key=key, kind=kind, current=have, wanted=want))
    return tuple(changes)


def _only(have: Any, want: Any) -> Any:
    """`have` without the keys of objects that `want` does not mention."""
    if isinstance(have, Mapping) and isinstance(want, Mapping) and want:
        return {key: _only(have[key], want[key]) for key in want if key in have}
    return have


def _meaning(key: str, value: Any) -> Any:
    """A value in which only what matters is different."""
    if isinstance(value, Mapping):
        # Synonyms are words to sets of words; everything else has named parts.
        return {
            name: _meaning("stopWords" if key == "synonyms" else name, part) for name, part in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, str):
        parts = [_meaning("", part) for part in value]
        is_set = key in SET_KEYS or key in SET_INNER_KEYS or key == "filterableAttributes"
        return sorted(parts, key=repr) if is_set else parts
    return value


def shadow_uid(uid: str, wanted: CompiledSettings) -> str:
    """The name of the index in which these settings are prepared. Our projection's version is part of them."""
    canonical = msgspec.json.encode(_meaning("", wanted), order="sorted")
    return f"{uid}__{hashlib.sha256(canonical).hexdigest()[:12]}"


def wanted_settings(engine: MeilisearchEngine, index: IndexName) -> dict[str, Any]:
    """The settings our files ask for."""
    return compile_settings(engine.settings[index], engine.synonyms[index])


async def read_state(engine: MeilisearchEngine, index: IndexName) -> SettingsState:
    """Compare one index with our files; changes nothing."""
    uid = engine.uids[index]
    current = await engine.control.read_settings(index, uid)
    changes = diff_settings(current or {}, wanted_settings(engine, index))
    return SettingsState(index=index, uid=uid, exists=current is not None, changes=changes)


class Preparation(msgspec.Struct, frozen=True, kw_only=True):
    """How a shadow index gets its documents, told by whoever knows the database.

    `start` is told the shadow's engine and name, before anything is read: from then on every change must be
    marked for it. `batches` yields all documents. `catch_up` brings what changed meanwhile and returns how
    many documents waited. `finish` is told that the shadow is live now; it brings what changed last.
    """

    start: Callable[[MeilisearchEngine, str], Awaitable[None]]
    batches: Callable[[], Batches]
    catch_up: Callable[[MeilisearchEngine], Awaitable[int]]
    finish: Callable[[MeilisearchEngine], Awaitable[None]]


async def apply_settings(
    engine: MeilisearchEngine,
    index: IndexName,
    *,
    open_shadow: Callable[[Mapping[IndexName, str]], MeilisearchEngine],
    preparation: Preparation,
) -> SettingsApplied:
    """Bring an index to our settings; when it has them, nothing is sent.

    `open_shadow` opens an engine whose index has another name. Searches go on all the while, and writes reach
    the live index; none is lost, because the shadow has dirty rows of its own.

    Raises SearchUnavailable when the server fails or changes come faster than they can be indexed; the live
    index is then as before.
    """
    state = await read_state(engine, index)
    if state.exists and not state.changes:
        return SettingsApplied(index=index, outcome="unchanged")
    keys = tuple(change.key for change in state.changes)
    if not state.is_structural:
        patch = {change.key: change.wanted for change in state.changes}
        task = await engine.control.update_settings(index, state.uid, patch)
        await engine.http.wait(index, task)
        return SettingsApplied(index=index, outcome="patched", keys=keys)
    uid = shadow_uid(state.uid, wanted_settings(engine, index))
    shadow = open_shadow({index: uid})
    try:
        documents = await _prepare(shadow, index, uid, preparation=preparation)
        await _swap(engine, index, uid, live_exists=state.exists)
    finally:
        await shadow.close()
    await preparation.finish(engine)
    return SettingsApplied(index=index, outcome="swapped", keys=keys, documents=documents)


async def _prepare(shadow: MeilisearchEngine, index: IndexName, uid: str, *, preparation: Preparation) -> int:
    """Fill the shadow and follow the changes until next to none waits; return how many documents it holds."""
    if await shadow.http.find_index(index, uid) is not None:
        await shadow.http.wait(index, await shadow.control.delete_index(index, uid))  # a broken attempt's
    await preparation.start(shadow, uid)
    await shadow.fill(index, uid, preparation.batches())
    for _ in range(CATCH_UP_ATTEMPTS):
        if await preparation.catch_up(shadow) <= NEARLY_CURRENT:
            return await shadow.http.count_documents(index, uid)
    raise SearchUnavailable(index, reason="changes come faster than the shadow index can follow")


async def _swap(engine: MeilisearchEngine, index: IndexName, uid: str, *, live_exists: bool) -> None:
    live = engine.uids[index]
    if not live_exists:
        await engine.http.wait(index, await engine.control.create_index(index, live))
    await engine.http.wait(index, await engine.control.swap_indexes(index, live, uid))


async def drop_old(engine: MeilisearchEngine, index: IndexName, *, now: datetime) -> tuple[str, ...]:
    """Remove replaced or abandoned shadows that nobody has written to for a day; return their names.

    Never in the run that swapped: servers once lost tasks when an index vanished right after a swap.
    """
    prefix = f"{engine.uids[index]}__"
    found = [entry for entry in await engine.http.list_indexes(index) if entry.uid.startswith(prefix)]
    old = [entry.uid for entry in found if now - datetime.fromisoformat(entry.updated_at) > OLD_KEPT]
    for uid in old:
        await engine.http.wait(index, await engine.control.delete_index(index, uid))
    return tuple(old)
