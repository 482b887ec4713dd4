"""A comparison for programs and spreadsheets: the same rows as the page, as JSON or CSV."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from catalog.core.export_rows import escaped, write_csv
from marketplace.web import formats
from marketplace.web.catalog_views import SpecView
from marketplace.web.comparison import Cell, Compared, Row, RowKind, SwapSummary, TotalCost
from marketplace.web.comparison_reading import Comparison
from marketplace.web.formats import Lang
from marketplace.web.i18n import LANG, gettext
from marketplace.web.labels import LABELS, label

LABELED_KINDS: Final = {
    "level": "level",
    "category": "category",
    "package_type": "package_type",
    "verification": "verification",
    "standing": "origin_standing",
}


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON: amounts in won, shares as [verified, verified + claimed] basis points.

    A cell's value is null where it is not known; `applies` false = the fact has no meaning there.
    """
    return {
        "items": [_item(column) for column in comparison.columns],
        "is_ranked": comparison.is_ranked,
        "years": comparison.inputs.terms.years,
        "costs": {column.listing.code: column.cost for column in comparison.columns},
        "groups": [
            {
                "code": group.code,
                "rows": [
                    {
                        "code": row.code or row.spec_code,
                        "kind": row.kind,
                        **_names(row),
                        "is_same": row.same,
                        "cells": row.cells,
                    }
                    for row in group.rows
                ],
            }
            for group in comparison.groups
        ],
        "name_only": [product.code for product in comparison.name_only],
        "missing": comparison.missing,
        "wrong_inputs": comparison.inputs.wrong,
    }


def _names(row: Row) -> dict[str, str]:
    """A row's name in both languages: a specification has its own, other facts have labels."""
    if row.code is None:
        return {"name_ko": row.name_ko, "name_en": row.name_en}
    korean = LABELS["compare_row"][row.code]
    language = LANG.set("en")
    try:
        return {"name_ko": korean, "name_en": gettext(korean)}
    finally:
        LANG.reset(language)


def _item(column: Compared) -> dict[str, Any]:
    listing = column.listing
    return {
        "code": listing.code,
        "kind": column.kind,
        "name_ko": listing.name_ko,
        "name_en": listing.name_en,
    }


def comparison_csv(comparison: Comparison, *, lang: Lang, only_differences: bool) -> bytes:
    """The table as CSV in one language, won and shares written in full; best values are named in a column."""
    names = _unique([escaped(_local(column.listing, lang)) for column in comparison.columns])
    head = {"group": gettext("구분"), "row": gettext("항목"), "best": gettext("가장 좋음")}
    rows = []
    for group in comparison.groups:
        for row in group.rows:
            if only_differences and row.same:
                continue
            best = [name for name, cell in zip(names, row.cells, strict=True) if cell.best]
            cells = dict(zip(names, (cell_text(row, cell, lang) for cell in row.cells), strict=True))
            rows.append(
                {
                    head["group"]: label("compare_group", group.code),
                    head["row"]: _row_name(row, lang, years=comparison.inputs.terms.years),
                    **cells,
                    head["best"]: ", ".join(best),
                }
            )
    return write_csv([head["group"], head["row"], *names, head["best"]], rows)


def _row_name(row: Row, lang: Lang, *, years: int) -> str:
    name = label("compare_row", row.code) if row.code else _local(row, lang)
    return f"{name} ({formats.count(years, 'year', lang)})" if row.code == "cost_total" else name


def _unique(names: list[str]) -> list[str]:
    return [
        f"{name} ({names[: n + 1].count(name)})" if names.count(name) > 1 else name
        for n, name in enumerate(names)
    ]


def _local(thing: Any, lang: Lang) -> str:
    ko, en = str(thing.name_ko), str(thing.name_en)
    return (en or ko) if lang == "en" else (ko or en)


def cell_text(row: Row, cell: Cell, lang: Lang) -> str:
    """One cell as text, as exact as the data are."""
    if not cell.applies:
        return "–"
    if cell.value is None:
        return gettext("열린 회차 없음") if row.kind == "round" else formats.unknown(lang)
    if row.kind in LABELED_KINDS:
        return label(LABELED_KINDS[row.kind], cell.value)
    return WRITERS[row.kind](cell.value, lang)


def _write_total(value: TotalCost, lang: Lang) -> str:
    amount = formats.won(value.krw, lang)
    return amount if value.is_complete else gettext("최소 %(amount)s") % {"amount": amount}


def _write_spec(value: SpecView, lang: Lang) -> str:
    return formats.spec_value(
        number_min=value.number,
        number_max=value.number_max,
        text=value.text,
        boolean=value.boolean,
        unit=value.unit,
        lang=lang,
    )


def _write_swap(value: SwapSummary, lang: Lang) -> str:
    del lang
    return f"{value.replaceable}/{value.foreign}" if value.foreign else gettext("해외 구성품 없음")


WRITERS: Final[Mapping[RowKind, Callable[[Any, Lang], str]]] = {
    "krw": formats.won,
    "share": lambda value, lang: formats.share_interval(value[0], value[1], lang),
    "percent": formats.percent,
    "country": formats.country,
    "days": lambda value, lang: formats.count(value, "day", lang),
    "months": lambda value, lang: formats.count(value, "month", lang),
    "years": lambda value, lang: formats.count(value, "year", lang),
    "industries": lambda value, lang: ", ".join(label("industry", code) for code in value),
    "list": lambda value, lang: "; ".join(value.en if lang == "en" else value.ko),
    "text": lambda value, lang: str(value.en if lang == "en" else value.ko),
    "round": lambda value, lang: (
        f"{formats.count(value.quantity_min, 'unit', lang)}: {formats.won(value.price_krw, lang)}"
    ),
    "cost": _write_total,
    "coverage": lambda value, lang: (
        f"{value.makers_covered}/{value.makers} ({formats.count(value.centers, 'site', lang)})"
    ),
    "swap": _write_swap,
    "spec": _write_spec,
}
"""How each kind of value is written; the labeled kinds are in LABELED_KINDS."""
