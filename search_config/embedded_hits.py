"""Fetching the documents of one page: by rank, by a field, by distance, one of each value."""

from collections.abc import Sequence
from typing import Any

import msgspec
from tantivy import DocAddress, FieldType, Occur, Order, Query, Schema, Searcher

from search_config.documents import DOCUMENT_TYPES, IndexName, SearchDocument
from search_config.embedded_filters import all_of
from search_config.embedded_schema import sort_name
from search_config.engine import SearchHit
from search_config.geography import Near, box_around, distance_km
from search_config.query import DISTANCE, ParsedQuery
from search_config.settings import IndexSettings

Hits = tuple[tuple[SearchHit, ...], int]
PLACES_MAX = 20_000
"""Sites that are looked at to order by distance."""


class HitReader:
    """Reads hits from one searcher."""

    def __init__(self, searcher: Searcher, schema: Schema, settings: IndexSettings) -> None:
        self.searcher = searcher
        self.schema = schema
        self.settings = settings

    def read(self, condition: Query, query: ParsedQuery) -> Hits:
        """The hits of the asked page and how many there are in all."""
        if query.near is not None:
            return self._read_near(condition, query, query.near)
        if query.distinct:
            return self._read_distinct(condition, query)
        size = min(query.page_size, max(self.settings.hits_max - query.offset, 1))
        found, total = self._search(condition, query, limit=size, offset=query.offset)
        return tuple(self._hits(found, query)), total

    def _search(
        self, condition: Query, query: ParsedQuery, *, limit: int, offset: int
    ) -> tuple[list[tuple[Any, DocAddress]], int]:
        if query.sort is None or query.sort.field == DISTANCE:
            result = self.searcher.search(condition, limit=limit, offset=offset)
        else:
            order = Order.Asc if query.sort.order == "ascending" else Order.Desc
            result = self.searcher.search(
                condition,
                limit=limit,
                offset=offset,
                order_by_field=sort_name(query.sort.field),
                order=order,
            )
        return result.hits, int(result.count)  # type: ignore[attr-defined]  # missing in the stub of tantivy 0.27

    def _hits(self, found: Sequence[tuple[Any, DocAddress]], query: ParsedQuery) -> list[SearchHit]:
        hits = [
            SearchHit(
                score=round(float(key), 4) if query.sort is None else 0.0,
                document=self._document(address, query.index),
            )
            for key, address in found
        ]
        if query.sort is None:
            hits.sort(key=lambda hit: (-hit.score, hit.document.id))
        return hits

    def _document(self, address: DocAddress, index: IndexName) -> SearchDocument:
        source = bytes(self.searcher.doc(address)["source"][0])
        document: SearchDocument = msgspec.json.decode(source, type=DOCUMENT_TYPES[index])
        return document

    def _read_distinct(self, condition: Query, query: ParsedQuery) -> Hits:
        """The best hit of every value, among the first `hits_max`; a list field counts as its first value."""
        found, _ = self._search(condition, query, limit=self.settings.hits_max, offset=0)
        best: dict[Any, SearchHit] = {}
        for hit in self._hits(found, query):
            value = getattr(hit.document, query.distinct)
            key = (value[:1] or [""])[0] if isinstance(value, list) else value
            best.setdefault(key or hit.document.id, hit)
        kept = tuple(best.values())
        return kept[query.offset : query.offset + query.page_size], len(kept)

    def _read_near(self, condition: Query, query: ParsedQuery, near: Near) -> Hits:
        """Hits within the radius; nearest first when sorted by distance, else best first."""
        found, _ = self._search(all_of([condition, *self._in_box(near)]), query, limit=PLACES_MAX, offset=0)
        addresses = [address for _, address in found]
        lats = self.searcher.fast_field_values("lat", addresses)
        lons = self.searcher.fast_field_values("lon", addresses)
        far = [
            (distance_km(near.lat, near.lon, float(lat), float(lon)), pair)
            for pair, lat, lon in zip(found, lats, lons, strict=True)
            if lat is not None and lon is not None
        ]
        far = [(km, pair) for km, pair in far if near.radius_km is None or km <= near.radius_km]
        if query.sort is not None and query.sort.field == DISTANCE:
            far.sort(key=lambda entry: entry[0])
        page = far[query.offset : query.offset + query.page_size]
        hits = [
            SearchHit(
                score=round(float(key), 4) if query.sort is None else 0.0,
                document=self._document(address, query.index),
                distance_km=round(km, 1),
            )
            for km, (key, address) in page
        ]
        return tuple(hits), len(far)

    def _in_box(self, near: Near) -> list[Query]:
        box = box_around(near)
        if box is None:
            return []

        def between(field: str, lower: float, upper: float) -> Query:
            found = Query.range_query(self.schema, field, FieldType.Float, lower, upper)
            return Query.const_score_query(found, 0.0)

        if box.lon_min <= box.lon_max:
            lon = between("lon", box.lon_min, box.lon_max)
        else:
            sides = [between("lon", box.lon_min, 180.0), between("lon", -180.0, box.lon_max)]
            lon = Query.boolean_query([(Occur.Should, side) for side in sides])
        return [between("lat", box.lat_min, box.lat_max), lon]
