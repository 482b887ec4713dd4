"""Layout of a tantivy index: which fields it has and how a document fills them."""

import functools
from collections.abc import Iterable
from typing import Any

import msgspec
from tantivy import Document, Schema, SchemaBuilder, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from search_config.analysis import (
    clean_value,
    code_tokens,
    head_tokens,
    split_runs,
    squash,
    text_tokens,
    vocabulary_words,
)
from search_config.documents import DOCUMENT_TYPES, SearchDocument, ServiceCenterDocument, SpecValue
from search_config.embedded_filters import filter_name, first_measure_terms, spec_terms
from search_config.settings import IndexSettings, Searchable
from search_config.units import spec_measure

ANALYZER = "tokens"
VERSION_SEPARATOR = "\t"
LANES = ("codes", "heads", "exact", "words")
"""Fields beside the text: model numbers, what a thing is, its whole name, words of the vocabulary."""
PLACES = ("lat", "lon")
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
    for name in LANES:
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
    if settings.has_places:
        for name in PLACES:
            builder.add_float_field(name, indexed=True, fast=True)
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
    if isinstance(document, ServiceCenterDocument) and document.lat is not None and document.lon is not None:
        filled.add_float("lat", document.lat)
        filled.add_float("lon", document.lon)
    for entry in settings.filterable:
        values = _values(document, entry.field)
        _add_filter_values(filled, filter_name(entry.field), values, kind=entry.type)
        if entry.type == "specs":
            for term in first_measure_terms(values):
                filled.add_text(filter_name(entry.field), term)
    for field in {entry.field for entry in settings.sortable}:
        value = getattr(document, field)
        if isinstance(value, int):
            filled.add_integer(sort_name(field), value)
        elif value:
            filled.add_text(sort_name(field), clean_value(value).casefold()[:TERM_LENGTH_MAX])
    return filled


def _searched(document: SearchDocument, settings: IndexSettings) -> dict[str, Iterable[str]]:
    text: dict[str, list[str]] = {name: [] for name in tiers(settings)}
    lanes: dict[str, set[str]] = {name: set() for name in LANES}
    is_public = document.visibility == "public"
    for entry in settings.searchable:
        analyze = _analyze_text if entry.is_name or entry.is_code or entry.weight < 1 else _analyze_repeated
        for value in _texts(document, entry.field):
            analyzed = analyze(value, entry)
            text[tier_name(entry.weight)].extend(analyzed["text"])
            for name in LANES:
                if found := analyzed.get(name):
                    lanes[name].update(found)
    if not is_public:
        lanes["words"].clear()  # or corrections would tell what hidden documents say
    return {**text, **lanes}


def _analyze_text(value: str, entry: Searchable) -> dict[str, Iterable[str]]:
    """Tokens of one value of one field, by index field."""
    runs = split_runs(value)
    analyzed: dict[str, Iterable[str]] = {"text": text_tokens(runs)}
    if entry.completes:
        analyzed["codes"] = code_tokens(runs)
        analyzed["words"] = list(vocabulary_words(runs))
    if entry.is_name or entry.is_label:
        analyzed["heads"] = head_tokens(runs)
    if entry.is_name or entry.is_code:
        analyzed["exact"] = [whole] if (whole := squash(value)[:TERM_LENGTH_MAX]) else []
    if entry.is_code and whole:
        analyzed["codes"] = {*code_tokens(runs), whole}
    return analyzed


_analyze_repeated = functools.lru_cache(maxsize=5_000)(_analyze_text)


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
    code, unit = spec_measure(spec.code, spec.unit)
    number = "" if spec.number is None else _measure_text(spec, unit or "")
    return " ".join(part for part in (code.replace("_", " "), number, spec.text or "") if part)


def _measure_text(spec: SpecValue, unit: str) -> str:
    upper = "" if spec.number_max is None else f"~{spec.number_max:.10g}"
    return f"{spec.number:.10g}{upper}{unit}"


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
