"""The data plane of Meilisearch: search, documents and tasks as JSON over one pooled HTTP session.

The official client opens a connection per call and may not be shared by threads, so it only administers
(`meilisearch_control.py`); what runs a thousand times a second runs here.
"""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeVar

import aiohttp
import msgspec

from search_config.documents import IndexName
from search_config.errors import DocumentsRefused, SearchUnavailable

REQUEST_SECONDS = 10.0
TASK_SECONDS = 300.0
"""How long a write may wait in the server's queue; a rebuild of 100,000 documents passes in a minute."""
TASK_POLL_SECONDS = (0.005, 0.25)
"""First and longest pause between two looks at a task."""
FETCH_BATCH = 10_000
NOT_FOUND = "index_not_found"

Answer = TypeVar("Answer")


class _Error(msgspec.Struct, frozen=True):
    message: str = ""
    code: str = ""
    type: str = ""


class _Task(msgspec.Struct, frozen=True, rename="camel"):
    status: str
    error: _Error | None = None


class _Enqueued(msgspec.Struct, frozen=True, rename="camel"):
    task_uid: int


class Identity(msgspec.Struct, frozen=True):
    """Which version of a document the server holds."""

    id: str
    version: int = 0


class _Identities(msgspec.Struct, frozen=True):
    results: list[Identity]
    total: int


class IndexEntry(msgspec.Struct, frozen=True, rename="camel"):
    """An index of the server; `updated_at` is when it last changed, as text of RFC 3339."""

    uid: str
    updated_at: str = ""


class _Indexes(msgspec.Struct, frozen=True):
    results: list[IndexEntry]


class Found(msgspec.Struct, frozen=True, rename="camel"):
    """One result of a multi-search. `hits` stay raw until someone knows what they are."""

    hits: list[msgspec.Raw] = []
    total_hits: int = 0
    facet_distribution: dict[str, dict[str, int]] = {}
    facet_stats: dict[str, dict[str, float]] = {}


class _MultiFound(msgspec.Struct, frozen=True):
    results: list[Found]


class Refusal(Exception):
    """The server answered with an error; `code` is its stable name, such as `index_not_found`."""

    def __init__(self, error: _Error, *, status: int) -> None:
        self.code = error.code
        self.status = status
        super().__init__(error.message or f"HTTP status {status}")


class MeilisearchHttp:
    """Requests to one server. Safe to share by the tasks of one event loop."""

    def __init__(self, url: str, *, key: str) -> None:
        self._url = url.rstrip("/")
        # Measured: a compressed answer comes in pieces, and the second piece 40 ms late (Nagle, delayed ACK).
        self._headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._session: aiohttp.ClientSession | None = None

    async def multi_search(
        self, index: IndexName, queries: Sequence[Mapping[str, Any]]
    ) -> list[Found] | None:
        """Answers in the order of the queries, None when the index does not exist."""
        try:
            answer = await self._call(index, "POST", "/multi-search", {"queries": queries}, _MultiFound)
        except Refusal as error:
            if error.code == NOT_FOUND:
                return None
            # Filters and fields were checked before, so the index must be of other settings.
            raise SearchUnavailable(index, reason=str(error)) from error
        return answer.results

    async def put_documents(self, index: IndexName, uid: str, documents: Sequence[Mapping[str, Any]]) -> int:
        """Enqueue whole documents; returns the task."""
        path = f"/indexes/{uid}/documents?primaryKey=id"
        return (await self._call(index, "POST", path, documents, _Enqueued)).task_uid

    async def delete_documents(self, index: IndexName, uid: str, ids: Sequence[str]) -> int:
        """Enqueue a deletion; returns the task."""
        path = f"/indexes/{uid}/documents/delete-batch"
        return (await self._call(index, "POST", path, ids, _Enqueued)).task_uid

    async def wait(self, index: IndexName, task: int) -> None:
        """Wait until a task is done.

        Raises DocumentsRefused when the documents are at fault, Refusal when the index does not exist,
        SearchUnavailable when the server failed or took longer than `TASK_SECONDS`.
        """
        pause, longest = TASK_POLL_SECONDS
        deadline = time.monotonic() + TASK_SECONDS
        while time.monotonic() < deadline:
            found = await self._call(index, "GET", f"/tasks/{task}", None, _Task)
            if found.status == "succeeded":
                return
            if found.status in {"failed", "canceled"}:
                error = found.error or _Error(message=f"task {task} {found.status}")
                if error.code == NOT_FOUND:
                    raise Refusal(error, status=404)
                if error.type == "invalid_request":
                    raise DocumentsRefused(index, reason=error.message)
                raise SearchUnavailable(index, reason=error.message)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, longest)
        raise SearchUnavailable(index, reason=f"task {task} is not done after {TASK_SECONDS:.0f} s")

    async def identities(self, index: IndexName, uid: str) -> AsyncIterator[list[Identity]]:
        """Id and version of every document, in batches; nothing when the index does not exist."""
        offset = 0
        while True:
            asked = {"fields": ["id", "version"], "limit": FETCH_BATCH, "offset": offset}
            try:
                path = f"/indexes/{uid}/documents/fetch"
                found = await self._call(index, "POST", path, asked, _Identities)
            except Refusal as error:
                if error.code == NOT_FOUND:
                    return
                raise SearchUnavailable(index, reason=str(error)) from error
            if found.results:
                yield found.results
            offset += len(found.results)
            if not found.results or offset >= found.total:
                return

    async def find_index(self, index: IndexName, uid: str) -> IndexEntry | None:
        """The index of that name, or None."""
        try:
            return await self._call(index, "GET", f"/indexes/{uid}", None, IndexEntry)
        except Refusal as error:
            if error.code == NOT_FOUND:
                return None
            raise SearchUnavailable(index, reason=str(error)) from error

    async def searchable_fields(self, index: IndexName, uid: str) -> list[str] | None:
        """The fields that words are looked up in, None when the index does not exist."""
        path = f"/indexes/{uid}/settings/searchable-attributes"
        try:
            return await self._call(index, "GET", path, None, list[str])
        except Refusal as error:
            if error.code == NOT_FOUND:
                return None
            raise SearchUnavailable(index, reason=str(error)) from error

    async def list_indexes(self, index: IndexName) -> list[IndexEntry]:
        """All indexes of the server."""
        return (await self._call(index, "GET", "/indexes?limit=1000", None, _Indexes)).results

    async def count_documents(self, index: IndexName, uid: str) -> int:
        """How many documents an index holds; 0 when it does not exist."""
        try:
            answer = await self._call(index, "GET", f"/indexes/{uid}/stats", None, dict[str, Any])
        except Refusal as error:
            if error.code == NOT_FOUND:
                return 0
            raise SearchUnavailable(index, reason=str(error)) from error
        return int(answer["numberOfDocuments"])

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(
        self, index: IndexName, method: str, path: str, body: Any, answer: type[Answer]
    ) -> Answer:
        if self._session is None or self._session.closed:
            timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
            self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)
        # As a file: aiohttp warns that sending megabytes of plain bytes would hold up the event loop.
        data = None if body is None else io.BytesIO(msgspec.json.encode(body))
        headers = {"Content-Type": "application/json"} if data else {}
        try:
            async with self._session.request(
                method, self._url + path, data=data, headers=headers
            ) as response:
                text = await response.read()
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SearchUnavailable(index, reason=f"{type(error).__name__}: {error}") from error
        try:
            if status < 400:
                return msgspec.json.decode(text, type=answer)
            refused = msgspec.json.decode(text, type=_Error)
        except msgspec.MsgspecError as error:
            raise SearchUnavailable(index, reason=f"unreadable answer ({status}): {error}") from error
        if status in {401, 403, 408, 429} or status >= 500:
            raise SearchUnavailable(index, reason=f"{refused.code}: {refused.message}")
        raise Refusal(refused, status=status)
