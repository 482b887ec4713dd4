"""Layout of a tantivy index: which fields it has and how a document fills them."""

from collections.abc import Iterable
from typing import Any

import msgspec
from tantivy import Document, Schema, SchemaBuilder, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from search_config.analysis import (
    Run,
    clean_value,
    code_tokens,
    head_tokens,
    initial_tokens,
    key_tokens,
    split_runs,
    squash,
    text_tokens,
)
from search_config.documents import DOCUMENT_TYPES, SearchDocument, SpecValue
from search_config.embedded_filters import filter_name, spec_terms
from search_config.settings import IndexSettings

ANALYZER = "tokens"
VERSION_SEPARATOR = "\t"
TERM_LENGTH_MAX = 200
"""Characters of a facet value; longer ones are cut so that one wild value cannot bloat the index."""


def analyzer() -> TextAnalyzer:
    """Fields are given as finished tokens with spaces between."""
    return TextAnalyzerBuilder(Tokenizer.whitespace()).build()


def sort_name(field: str) -> str:
    """Name of the fast field that sorts by a document field."""
    return f"sort_{field}"


def tier_name(weight: float) -> str:
    """Fields of equal weight share one inverted index, so that a query has few clauses."""
    return f"text_{weight:g}".replace(".", "_")


def tiers(settings: IndexSettings) -> dict[str, float]:
    """Text fields of the index with their weights, heaviest first."""
    weights = sorted({entry.weight for entry in settings.searchable}, reverse=True)
    return {tier_name(weight): weight for weight in weights}


def integer_fields(settings: IndexSettings) -> set[str]:
    """Document fields that hold whole numbers."""
    fields = msgspec.structs.fields(DOCUMENT_TYPES[settings.index])
    return {field.name for field in fields if field.type in {int, int | None}}


def build_schema(settings: IndexSettings) -> Schema:
    """The tantivy schema of these settings."""
    builder = SchemaBuilder()
    builder.add_text_field("id", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("id_version", tokenizer_name="raw", index_option="basic")
    builder.add_bytes_field("source", stored=True)
    for name in tiers(settings):
        builder.add_text_field(name, tokenizer_name=ANALYZER, index_option="freq")
    for name in ("keys", "codes", "initials", "heads", "exact"):
        builder.add_text_field(name, tokenizer_name=ANALYZER, index_option="basic")
    for entry in settings.filterable:
        name = filter_name(entry.field)
        if entry.type == "integer":
            builder.add_integer_field(name, indexed=True, fast=True)
        elif entry.type == "boolean":
            builder.add_boolean_field(name, indexed=True, fast=True)
        else:
            is_facet = entry.type == "text"
            builder.add_text_field(name, tokenizer_name="raw", index_option="basic", fast=is_facet)
    for field in sorted({entry.field for entry in settings.sortable}):
        if field in integer_fields(settings):
            builder.add_integer_field(sort_name(field), fast=True)
        else:
            builder.add_text_field(sort_name(field), tokenizer_name="raw", index_option="basic", fast=True)
    return builder.build()


def to_tantivy(document: SearchDocument, settings: IndexSettings) -> Document:
    """Analyze one document into the fields of `build_schema`."""
    filled = Document()
    filled.add_text("id", document.id)
    filled.add_text("id_version", f"{document.id}{VERSION_SEPARATOR}{document.version}")
    filled.add_bytes("source", msgspec.json.encode(document))
    for name, tokens in _searched(document, settings).items():
        filled.add_text(name, " ".join(tokens))
    for entry in settings.filterable:
        _add_filter_values(filled, filter_name(entry.field), _values(document, entry.field), kind=entry.type)
    for field in {entry.field for entry in settings.sortable}:
        value = getattr(document, field)
        if isinstance(value, int):
            filled.add_integer(sort_name(field), value)
        elif value:
            filled.add_text(sort_name(field), clean_value(value).casefold()[:TERM_LENGTH_MAX])
    return filled


def _searched(document: SearchDocument, settings: IndexSettings) -> dict[str, Iterable[str]]:
    text: dict[str, list[str]] = {name: [] for name in tiers(settings)}
    lanes: dict[str, set[str]] = {name: set() for name in ("keys", "codes", "initials", "heads", "exact")}
    for entry in settings.searchable:
        for value in _texts(document, entry.field):
            runs = split_runs(value)
            text[tier_name(entry.weight)].extend(text_tokens(runs))
            if entry.completes:
                _add_completions(lanes, runs)
            if entry.is_name or entry.is_label:
                lanes["heads"] |= head_tokens(runs)
            if entry.is_name or entry.is_code:
                lanes["exact"].add(squash(value))
    return {**text, **lanes}


def _add_completions(lanes: dict[str, set[str]], runs: list[Run]) -> None:
    lanes["keys"] |= key_tokens(runs)
    lanes["codes"] |= code_tokens(runs)
    lanes["initials"] |= initial_tokens(runs)


def _values(document: SearchDocument, field: str) -> list[Any]:
    value = getattr(document, field)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list) else [value]


def _texts(document: SearchDocument, field: str) -> list[str]:
    return [
        _spec_text(value) if isinstance(value, SpecValue) else str(value)
        for value in _values(document, field)
    ]


def _spec_text(spec: SpecValue) -> str:
    number = "" if spec.number is None else f"{spec.number:g}{spec.unit or ''}"
    upper = "" if spec.number_max is None else f"{spec.number_max:g}{spec.unit or ''}"
    return " ".join(part for part in (spec.code.replace("_", " "), number, upper, spec.text or "") if part)


def _add_filter_values(filled: Document, name: str, values: list[Any], *, kind: str) -> None:
    for value in values:
        if kind == "specs":
            for term in spec_terms(value):
                filled.add_text(name, term)
        elif kind == "integer":
            filled.add_integer(name, value)
        elif kind == "boolean":
            filled.add_boolean(name, value)
        else:
            filled.add_text(name, clean_value(value)[:TERM_LENGTH_MAX])
