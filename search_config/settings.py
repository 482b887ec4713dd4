"""Index settings: one TOML file per index, decoded into strict Structs.

A misspelt key is an error that names the key. Structural settings (fields) are part of the fingerprint:
when it changes an index must be rebuilt. Synonyms are applied to queries and change at once.
"""

import functools
import hashlib
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec

from search_config.documents import DOCUMENT_TYPES, IndexName
from search_config.errors import InvalidSettings
from search_config.synonyms import Synonyms, parse_synonyms

INDEX_NAMES: tuple[IndexName, ...] = get_args(IndexName)
PROJECTION_VERSION = 3
"""Raise when the analysis or the layout of an engine's index changes: every index is then outdated."""

FieldType: TypeAlias = Literal["text", "integer", "boolean", "specs"]
SortOrder: TypeAlias = Literal["ascending", "descending"]


class Searchable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field that words are looked up in.

    `weight` multiplies its score; fields of equal weight share one inverted index. `completes` fields
    feed search-as-you-type, `is_name` fields count as the name, `is_code` fields as model numbers, `is_label`
    fields say what the thing is (a category).
    """

    field: str
    weight: Annotated[float, msgspec.Meta(gt=0, le=100)]
    completes: bool = False
    is_name: bool = False
    is_code: bool = False
    is_label: bool = False


class Filterable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field that filters may name; `specs` opens `specs.<code>` for every technical property."""

    field: str
    type: FieldType
    facet: bool = False


class Sortable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sort that callers ask for by `name`; missing values come last in either order."""

    name: str
    field: str
    order: SortOrder = "ascending"


class IndexSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole settings file of one index."""

    index: IndexName
    version: Annotated[int, msgspec.Meta(ge=1)]
    searchable: tuple[Searchable, ...]
    filterable: tuple[Filterable, ...]
    sortable: tuple[Sortable, ...] = ()
    synonyms: str = ""
    hits_max: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1_000
    page_size_max: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 100
    facet_values_max: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 100

    def find_filterable(self, field: str) -> Filterable | None:
        """The filterable entry behind a field name; `specs.payload` is served by `specs`."""
        base = field.partition(".")[0] if field.startswith("specs.") else field
        found = next((entry for entry in self.filterable if entry.field == base), None)
        return None if found and (found.type == "specs") != ("." in field) else found

    @property
    def has_places(self) -> bool:
        """Whether the documents of this index lie somewhere (`lat`, `lon`)."""
        names = {field.name for field in msgspec.structs.fields(DOCUMENT_TYPES[self.index])}
        return {"lat", "lon"} <= names

    @property
    def facet_fields(self) -> tuple[str, ...]:
        return tuple(entry.field for entry in self.filterable if entry.facet)

    @property
    def fingerprint(self) -> str:
        """Changes when an index built with other settings can no longer serve."""
        structural = (PROJECTION_VERSION, self.version, self.searchable, self.filterable, self.sortable)
        return hashlib.sha256(msgspec.json.encode(structural)).hexdigest()[:16]


REQUIRED_FILTERABLE = {"visibility": "text", "tenants": "integer"}
"""Every engine ANDs these, so no settings file may drop them."""


def decode_settings(text: str, *, file: str) -> IndexSettings:
    """Decode and check one settings file. Raises InvalidSettings naming the key at fault."""
    try:
        settings = msgspec.toml.decode(text, type=IndexSettings)
    except msgspec.MsgspecError as error:
        raise InvalidSettings(file, reason=str(error)) from error
    known = {field.name for field in msgspec.structs.fields(DOCUMENT_TYPES[settings.index])}
    used = [entry.field for entry in settings.searchable]
    used += [entry.field for entry in settings.filterable]
    used += [entry.field for entry in settings.sortable]
    for field in used:
        if field not in known:
            raise InvalidSettings(file, reason=f"{field!r} is not a field of its documents")
    _refuse_twice([entry.field for entry in settings.searchable], kind="searchable", file=file)
    _refuse_twice([entry.field for entry in settings.filterable], kind="filterable", file=file)
    _refuse_twice([entry.name for entry in settings.sortable], kind="sortable", file=file)
    types = {entry.field: entry.type for entry in settings.filterable}
    for field, expected in REQUIRED_FILTERABLE.items():
        if types.get(field) != expected:
            raise InvalidSettings(file, reason=f"{field!r} must be filterable with type {expected!r}")
    return settings


def _refuse_twice(names: list[str], *, kind: str, file: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InvalidSettings(file, reason=f"{kind} {name!r} is listed twice")


def load_settings(index: IndexName) -> IndexSettings:
    """The settings shipped with this package for one index."""
    file = f"{index}.toml"
    return decode_settings(_read(_folder() / "indexes" / file), file=file)


def load_synonyms(settings: IndexSettings) -> Synonyms:
    """The synonym groups that these settings name; none when the name is empty."""
    if not settings.synonyms:
        return parse_synonyms("")
    file = _folder() / settings.synonyms
    if not file.is_file():
        raise InvalidSettings(
            f"{settings.index}.toml", reason=f"synonyms file {settings.synonyms!r} not found"
        )
    return _parse_once(_read(file), settings.synonyms)


@functools.lru_cache(maxsize=8)
def _parse_once(text: str, file: str) -> Synonyms:
    """Three indexes share one file; reading it costs as much as a hundred searches."""
    return parse_synonyms(text, file=file)


@functools.cache
def _folder() -> Traversable:
    return resources.files("search_config")


def _read(file: Traversable) -> str:
    return file.read_text(encoding="utf-8")
