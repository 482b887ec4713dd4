"""Graded queries over the public corpus: 3 = what was asked, 1 = something to do with it."""

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
from relevance.corpus import SEED, Truth

HOLD_OUT_EVERY = 4
"""Every fourth query of a type is held out: ranking is never tuned on it."""
MODEL_DOCUMENTS = 16


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a query asks for, in attributes; empty = does not matter."""

    leaves: tuple[str, ...] = ()
    family: str = ""
    maker: str = ""
    role: str = "product"
    industry: str = ""
    thing: str = ""
    spec: tuple[str, str] | None = None
    model: str = ""


class GradedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`is_hold_out` queries are reported apart."""

    id: str
    type: str
    text: str
    wanted: Wanted
    is_hold_out: bool


def grade(wanted: Wanted, truth: Truth) -> int:
    """3 when every attribute fits, 1 when the sort of thing fits but a property or the role does not, else 0."""
    if wanted.model:
        return _grade_model(wanted.model, truth.model)
    if wanted.leaves and not set(wanted.leaves) & set(truth.leaves):
        return 0
    if wanted.family and wanted.family != truth.family:
        return 0
    if wanted.maker and wanted.maker != truth.maker:
        return 0
    if wanted.industry and wanted.industry != truth.industry:
        return 0
    is_property_met = wanted.spec is None or truth.specs.get(wanted.spec[0]) == wanted.spec[1]
    is_thing = not wanted.thing or wanted.thing == truth.thing
    return 3 if is_property_met and is_thing and truth.role == wanted.role else 1


def _grade_model(asked: str, model: str) -> int:
    said = squash_model(model)
    return 3 if said.startswith(asked) else 0


def squash_model(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def build_queries(truths: list[Truth]) -> list[GradedQuery]:
    """The queries of `queries.txt`, and model numbers of the corpus in every way they are typed."""
    asked = [*_written(), *_models(truths)]
    counts: dict[str, int] = {}
    queries = []
    for type_, text, wanted in asked:
        number = counts[type_] = counts.get(type_, 0) + 1
        is_hold_out = number % HOLD_OUT_EVERY == 0
        queries.append(
            GradedQuery(
                id=f"{type_}-{number:02}", type=type_, text=text, wanted=wanted, is_hold_out=is_hold_out
            )
        )
    return queries


def _written() -> Iterator[tuple[str, str, Wanted]]:
    for line in (Path(__file__).parent / "queries.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            type_, text, wanted = line.split(" ; ")
            yield type_, text, _read_wanted(wanted)


def _read_wanted(text: str) -> Wanted:
    pairs: dict[str, str] = {}
    name = ""
    for word in text.split():
        if "=" in word:
            name, _, value = word.partition("=")
            pairs[name] = value
        else:
            pairs[name] += f" {word}"
    code, _, measure = pairs.get("spec", "").partition(":")
    return Wanted(
        leaves=tuple(pairs["leaf"].split(",")) if "leaf" in pairs else (),
        family=pairs.get("family", ""),
        maker=pairs.get("maker", ""),
        role=pairs.get("role", "product"),
        industry=pairs.get("industry", ""),
        thing=pairs.get("thing", ""),
        spec=(code, measure) if code else None,
    )


def _models(truths: list[Truth]) -> Iterator[tuple[str, str, Wanted]]:
    chance = random.Random(SEED)
    products = [truth for truth in truths if truth.model.count("-") == 2]
    writings = (
        lambda model: model,
        lambda model: model.lower(),
        lambda model: model.replace("-", "").lower(),
        lambda model: model.replace("-", " "),
        lambda model: model.rpartition("-")[0],
        lambda model: model.partition("-")[2],
        lambda model: model.replace("-", "_"),
        lambda model: model[:-2].replace("-", ""),
    )
    for number, truth in enumerate(chance.sample(products, MODEL_DOCUMENTS)):
        text = writings[number % len(writings)](truth.model)
        is_tail = squash_model(text) not in squash_model(truth.model)[: len(squash_model(text))]
        yield "model", text, Wanted(model=squash_model(truth.model if is_tail else text))
