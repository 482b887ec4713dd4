"""The vocabulary of one index on Meilisearch: read as a facet of the public documents, kept by each process."""

import asyncio
import time

from search_config.documents import IndexName
from search_config.meilisearch_documents import WORDS
from search_config.meilisearch_filters import any_value
from search_config.meilisearch_http import MeilisearchHttp
from search_config.synonyms import Synonyms
from search_config.vocabulary import EMPTY, Vocabulary, build_vocabulary

LOOK_SECONDS = 1.0
"""How often a process asks whether the index has changed. Its own writes it knows at once."""
SMALL_WORDS = 5_000
RENEW_SECONDS = 10.0
"""A large vocabulary is read again at most this often; a new word is found all the same, only not completed."""


class IndexVocabulary:
    """Words of the public documents as of some seconds ago. Used within one event loop."""

    def __init__(self, http: MeilisearchHttp, index: IndexName, uid: str, synonyms: Synonyms) -> None:
        self._http = http
        self._index = index
        self._uid = uid
        self._synonyms = synonyms
        self._turn = asyncio.Lock()
        self._vocabulary: Vocabulary = EMPTY
        self._words = 0
        self._stamp: str | None = None
        self._looked_at = self._read_at = -LOOK_SECONDS - RENEW_SECONDS

    def forget(self) -> None:
        """This process has written: look again at the next search."""
        self._looked_at = -LOOK_SECONDS - RENEW_SECONDS

    async def read(self) -> Vocabulary:
        """The vocabulary to read a query with. Raises SearchUnavailable."""
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            async with self._turn:
                if time.monotonic() - self._looked_at > LOOK_SECONDS:
                    await self._look()
        return self._vocabulary

    async def _look(self) -> None:
        now = time.monotonic()
        found = await self._http.find_index(self._index, self._uid)
        self._looked_at = now
        if found is None or found.updated_at == self._stamp:
            return
        if self._words > SMALL_WORDS and now - self._read_at < RENEW_SECONDS:
            return
        public = any_value("visibility", ("public",))
        query = {"indexUid": self._uid, "q": "", "filter": [public], "hitsPerPage": 0, "facets": [WORDS]}
        answers = await self._http.multi_search(self._index, [query])
        words = answers[0].facet_distribution.get(WORDS, {}) if answers else {}
        self._vocabulary = await asyncio.to_thread(build_vocabulary, words, self._synonyms)
        self._words, self._stamp, self._read_at = len(words), found.updated_at, now
