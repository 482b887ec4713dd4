"""The control plane of Meilisearch, by the official client: indexes and their settings.

The client blocks, opens a connection per call and mixes up headers when threads share it. So one client
belongs to one process, its calls run one at a time, and searching has a data plane of its own.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from search_config.documents import IndexName
from search_config.errors import SearchUnavailable

if TYPE_CHECKING:
    import meilisearch

NOT_FOUND = "index_not_found"
REQUEST_SECONDS = 30

Answer = TypeVar("Answer")


class IndexUnknown(SearchUnavailable):
    """The server has no index of that name."""


class MeilisearchControl:
    """Administers the indexes of one server. Every write returns its task; wait for it on the data plane.

    Every method raises SearchUnavailable when the server cannot be reached or refuses. `writes` counts the
    requests that change something.
    """

    def __init__(self, url: str, *, key: str) -> None:
        self._url = url
        self._key = key
        self._client: meilisearch.Client | None = None
        self._turn = asyncio.Lock()
        self.writes = 0

    async def read_settings(self, index: IndexName, uid: str) -> dict[str, Any] | None:
        """The settings of an index as the server has them, None when it does not exist."""
        try:
            return await self._run(index, lambda client: client.index(uid).get_settings())
        except IndexUnknown:
            return None

    async def create_index(self, index: IndexName, uid: str) -> int:
        """Enqueue the creation of an empty index; the task fails when it exists."""
        return await self._write(
            index, lambda client: client.create_index(uid, {"primaryKey": "id"}).task_uid
        )

    async def update_settings(self, index: IndexName, uid: str, settings: Mapping[str, Any]) -> int:
        """Enqueue a change of these settings alone; creates the index when it does not exist."""
        return await self._write(
            index, lambda client: client.index(uid).update_settings(dict(settings)).task_uid
        )

    async def swap_indexes(self, index: IndexName, uid: str, other: str) -> int:
        """Enqueue the exchange of two existing indexes: documents and settings, in one step."""
        return await self._write(
            index, lambda client: client.swap_indexes([{"indexes": [uid, other]}]).task_uid
        )

    async def delete_index(self, index: IndexName, uid: str) -> int:
        """Enqueue the removal of an index; the task fails when it does not exist."""
        return await self._write(index, lambda client: client.delete_index(uid).task_uid)

    async def _write(self, index: IndexName, call: Callable[["meilisearch.Client"], int]) -> int:
        self.writes += 1
        return await self._run(index, call)

    async def _run(self, index: IndexName, call: Callable[["meilisearch.Client"], Answer]) -> Answer:
        from meilisearch.errors import MeilisearchApiError, MeilisearchError  # noqa: PLC0415 - see _open

        async with self._turn:
            try:
                return await asyncio.to_thread(lambda: call(self._open()))
            except MeilisearchApiError as error:
                if error.code == NOT_FOUND:
                    raise IndexUnknown(index, reason=error.message) from error
                raise SearchUnavailable(index, reason=f"{error.code}: {error.message}") from error
            except MeilisearchError as error:
                raise SearchUnavailable(index, reason=error.message) from error

    def _open(self) -> "meilisearch.Client":
        if self._client is None:
            # Imported late: it brings pydantic and requests, which a process that only searches never needs.
            from meilisearch import Client  # noqa: PLC0415

            self._client = Client(self._url, self._key or None, timeout=REQUEST_SECONDS)
        return self._client
