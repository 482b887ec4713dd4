"""Read a comparison: its columns in a fixed number of queries, however many there are, and its rows."""

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg
import msgspec

from catalog.core.comparison import ITEMS_MAX, is_same_work
from catalog.core.completeness import completeness
from catalog.core.origin import shown_standing
from catalog.core.package_model import PackageModel, package_share
from catalog.core.product import Maker, Product
from catalog.core.spec_value import SpecDefinition
from catalog.core.viewer import Viewer
from catalog.offers import list_offers_of_products
from catalog.own_listings import list_package_completeness
from catalog.package_details import list_facts
from catalog.package_models import list_package_models_by_codes
from catalog.products import list_products_by_codes
from catalog.reference_data import list_spec_definitions
from catalog.service_centers import count_service_centers
from catalog.standards import list_supported_standards
from catalog.swaps import read_swaps
from marketplace.web.cards import ItemKind, RoundCard, list_open_rounds_on, list_round_cards
from marketplace.web.catalog_views import cheapest, read_today
from marketplace.web.charts import tier_meter
from marketplace.web.comparison import Compared, Group, RoundPrice, Words, product_share
from marketplace.web.comparison_groups import build_groups
from marketplace.web.comparison_terms import CostInputs, column_cost, read_cost_inputs

CODE_LENGTH_MAX: Final = 100
ASKED_MAX: Final = 64
"""Ids of an address that are looked at, before those above ITEMS_MAX are cut."""


class Asked(msgspec.Struct, frozen=True):
    """The codes of an address: at most ITEMS_MAX, and whether there were more."""

    codes: list[str]
    is_cut: bool


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All of one comparison: what was asked, what is shown, and the rows.

    `is_ranked` = all columns do the same work, so best values are marked; elsewhere none is.
    """

    asked: Asked
    columns: list[Compared]
    groups: list[Group]
    is_ranked: bool
    name_only: list[Product]
    missing: list[str]
    inputs: CostInputs


def read_codes(ids: Sequence[str]) -> Asked:
    """Every code once, in the order asked for."""
    codes = list(dict.fromkeys(id_ for id_ in ids[:ASKED_MAX] if id_ and len(id_) <= CODE_LENGTH_MAX))
    return Asked(codes[:ITEMS_MAX], len(codes) > ITEMS_MAX)


async def read_comparison(
    conn: asyncpg.Connection, *, ids: Sequence[str], query: Mapping[str, str], viewer: Viewer
) -> Comparison:
    """Compare what `ids` name, with the figures of `query`; what this viewer may not see is `missing`."""
    asked = read_codes(ids)
    inputs = read_cost_inputs(query, codes=asked.codes)
    definitions = await list_spec_definitions(conn)
    found = await _read_columns(
        conn, codes=asked.codes, viewer=viewer, inputs=inputs, definitions=definitions
    )
    columns = [column for column in found if column.product is None or column.product.is_comparable]
    is_ranked = len(columns) > 1 and is_same_work([column.work for column in columns])
    groups = build_groups(columns, spec_categories={d.code: d.categories for d in definitions})
    shown = {column.listing.code for column in found}
    return Comparison(
        asked=asked,
        columns=columns,
        groups=groups if is_ranked else [_unranked(group) for group in groups],
        is_ranked=is_ranked,
        name_only=[c.product for c in found if c.product is not None and c not in columns],
        missing=[code for code in asked.codes if code not in shown],
        inputs=inputs,
    )


def _unranked(group: Group) -> Group:
    replace = msgspec.structs.replace
    rows = tuple(
        replace(row, cells=tuple(replace(cell, best=False, is_tied=False) for cell in row.cells))
        for row in group.rows
    )
    return replace(group, rows=rows)


async def _read_columns(
    conn: asyncpg.Connection,
    *,
    codes: Sequence[str],
    viewer: Viewer,
    inputs: CostInputs,
    definitions: Sequence[SpecDefinition],
) -> list[Compared]:
    packages = await list_package_models_by_codes(conn, codes=codes, viewer=viewer)
    products = await list_products_by_codes(conn, codes=codes, viewer=viewer)
    today = await read_today(conn)
    rounds = await list_open_rounds_on(conn, item_codes=codes, viewer=viewer)
    steps = _round_prices(await list_round_cards(conn, rounds))
    product_codes = [product.code for product in products]
    offers = await list_offers_of_products(conn, codes=product_codes, viewer=viewer) if product_codes else ()
    standards = await list_supported_standards(conn, codes=product_codes) if product_codes else {}
    swaps = await read_swaps(conn, packages=[p.version.lines for p in packages], today=today, viewer=viewer)
    things: list[PackageModel | Product] = [*packages, *products]
    makers = {thing.code: _makers_of(thing) for thing in things}
    centers = await count_service_centers(conn, makers=[m.name for found in makers.values() for m in found])
    facts = await list_facts(conn, version_ids=[package.version.id for package in packages])
    filled = await list_package_completeness(conn, codes=[package.code for package in packages])
    found: dict[str, Compared] = {}
    for product in products:
        offer = cheapest([offer for offer in offers if offer.subject.code == product.code])
        has_standard = bool(standards.get(product.code))
        found[product.code] = Compared(
            product=product,
            offer=offer,
            share=product_share(product, today=today),
            open_round=steps.get(("product", product.code)),
            origin_standing=shown_standing(product.origin, today=today) if product.origin else None,
            completeness_bp=completeness(
                product, definitions=definitions, has_standard=has_standard
            ).score_bp,
        )
    for package, lines in zip(packages, swaps, strict=True):
        found[package.code] = Compared(
            package=package,
            offer=cheapest(package.offers),
            share=package_share(package.version.lines, today=today),
            open_round=steps.get(("package_model", package.code)),
            swaps=lines,
            facts=facts.get(package.version.id),
            completeness_bp=filled.get(package.code),
        )
    return [
        _with_costs_and_centers(found[code], inputs=inputs, makers=makers[code], centers=centers)
        for code in codes
        if code in found
    ]


def _makers_of(thing: PackageModel | Product) -> list[Maker]:
    """The makers whose goods may need service, each once; work is not repaired by an A/S center."""
    if isinstance(thing, Product):
        return [thing.maker] if thing.category != "service" else []
    lines = [line for line in thing.version.lines if line.slot != "service" and line.product is not None]
    return list({line.product.maker.name: line.product.maker for line in lines if line.product}.values())


def _with_costs_and_centers(
    column: Compared, *, inputs: CostInputs, makers: Sequence[Maker], centers: Mapping[str, int]
) -> Compared:
    return msgspec.structs.replace(
        column,
        cost=column_cost(column, inputs),
        center_counts={maker.name: centers.get(maker.name, 0) for maker in makers},
        maker_names={maker.name: Words(maker.name_ko, maker.name) for maker in makers},
    )


def _round_prices(cards: Sequence[RoundCard]) -> Mapping[tuple[ItemKind, str], RoundPrice]:
    """What each thing's open round goes for next, the soonest deadline counting where there are several."""
    prices: dict[tuple[ItemKind, str], RoundPrice] = {}
    for card in cards:
        view = tier_meter(card.tiers, card.quantity, card.list_unit_price_krw)
        step = view.next or view.current
        if step is not None:
            price = RoundPrice(card.code, step.quantity_min, step.unit_price_krw)
            prices.setdefault((card.kind, card.item_code), price)
    return prices
