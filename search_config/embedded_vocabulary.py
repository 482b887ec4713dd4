"""The vocabulary of one embedded index, read from the index itself and renewed after commits."""

import threading
import time

from tantivy import Query, Schema, Searcher

from search_config.embedded_filters import filter_name
from search_config.synonyms import Synonyms
from search_config.vocabulary import EMPTY, Vocabulary, build_vocabulary

WORDS_MAX = 200_000
SMALL_DOCUMENTS = 5_000
"""Up to here the vocabulary is renewed at every commit (milliseconds)."""
RENEW_SECONDS = 10.0
"""A large one at most this often; a new word is found all the same, only not yet completed or corrected."""


class IndexVocabulary:
    """Words of the public documents as of some recent commit. Safe to share by threads."""

    def __init__(self, schema: Schema) -> None:
        self._public = Query.term_query(schema, filter_name("visibility"), "public", index_option="basic")
        self._lock = threading.Lock()
        self._searcher: Searcher | None = None
        self._read_at = 0.0
        self._vocabulary: Vocabulary = EMPTY

    def read(self, searcher: Searcher, synonyms: Synonyms) -> Vocabulary:
        """The vocabulary for this searcher."""
        if searcher is self._searcher:
            return self._vocabulary
        with self._lock:
            is_small = searcher.num_docs <= SMALL_DOCUMENTS
            is_due = self._searcher is None or time.monotonic() - self._read_at > RENEW_SECONDS
            if searcher is not self._searcher and (is_small or is_due):
                # The filter leaves out words of hidden and of deleted documents.
                words = searcher.terms_with_prefix("words", "", filter_query=self._public, limit=WORDS_MAX)
                self._vocabulary = build_vocabulary(dict(words), synonyms)
                self._searcher, self._read_at = searcher, time.monotonic()
            return self._vocabulary
