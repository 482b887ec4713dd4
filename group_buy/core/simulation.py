"""`simulate`: one clearing as JSON in and JSON out, as written in the contracts.

Nothing is read that the document does not say: a missing or unknown field is refused, and only a
JSON integer is an integer (1.0, true and "3" are not).
"""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec

from catalog.core.offer import OfferError, PriceTier
from group_buy.core.clearing import (
    AllocationRule,
    Clearing,
    LineId,
    PledgeLine,
    PledgeLineError,
    RoundTerms,
    Shortfall,
    clear_round,
)
from group_buy.core.explanation import explain as explain_clearing
from group_buy.core.proof import canonical_input, input_sha256

_INTEGER_MAX = 2**63 - 1


class SimulationError(ValueError):
    """A document that cannot be simulated; `code` becomes the answer's `error.type`.

    Codes: `malformed_json`, `wrong_type`, `missing_field`, `unknown_field`, `not_an_integer`,
    `unknown_rule`, and those of `OfferError` and `PledgeLineError`.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def simulate_json(text: bytes, *, explain: bool = False) -> tuple[bytes, bool]:
    """Answer one JSON document with one JSON line, and whether it was accepted. Never raises for bad input."""
    try:
        answer = simulate(_decoded(text), explain=explain)
    except (SimulationError, OfferError, PledgeLineError) as refusal:
        error = {"type": refusal.code, "detail": str(refusal)}
        return msgspec.json.encode({"error": error}), False
    return msgspec.json.encode(answer), True


def simulate(document: object, *, explain: bool = False) -> dict[str, Any]:
    """Clear a decoded document; with `explain` the answer also has `tiers`, `lines` and `input_sha256`.

    Served lines are listed in input order. Raises `SimulationError`, `OfferError` or
    `PledgeLineError` for a document that the contracts refuse.
    """
    root = _object(document, "document", ("offer", "allocation_rule", "pledges"))
    terms = _terms(root)
    lines = [_line(item, f"pledges[{i}]") for i, item in enumerate(_array(root["pledges"], "pledges"))]
    if len({type(line.id) for line in lines}) > 1:
        raise SimulationError("wrong_type", "pledge ids are all strings or all integers")
    outcome = clear_round(terms, lines)
    answer = _answer(lines, outcome)
    if explain:
        explanation = explain_clearing(terms, lines, outcome)
        answer["tiers"], answer["lines"] = explanation.tiers, explanation.lines
        answer["input_sha256"] = input_sha256(canonical_input(terms, lines))
    return answer


def _answer(lines: Sequence[PledgeLine], outcome: Clearing | Shortfall) -> dict[str, Any]:
    if isinstance(outcome, Shortfall):
        return {"outcome": "shortfall", "unit_price_krw": None, "quantity": 0, "allocations": []}
    return {
        "outcome": "cleared",
        "unit_price_krw": outcome.unit_price_krw,
        "quantity": outcome.quantity,
        "allocations": [
            {"pledge_id": line.id, "quantity": outcome.allocations[line.id]}
            for line in lines
            if line.id in outcome.allocations
        ],
    }


def _decoded(text: bytes) -> object:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError) as problem:  # msgspec's and UTF-8's errors are ValueErrors
        raise SimulationError("malformed_json", f"not a JSON document: {problem}") from problem


def _terms(root: Mapping[str, Any]) -> RoundTerms:
    offer = _object(root["offer"], "offer", ("capacity", "pack_size", "tiers"))
    rule = root["allocation_rule"]
    if not isinstance(rule, str) or rule not in get_args(AllocationRule):
        known = ", ".join(get_args(AllocationRule))
        raise SimulationError("unknown_rule", f"allocation_rule is one of {known}, not {_shown(rule)}")
    tiers = []
    for i, item in enumerate(_array(offer["tiers"], "offer.tiers")):
        path = f"offer.tiers[{i}]"
        tier = _object(item, path, PriceTier.__struct_fields__)
        tiers.append(PriceTier(*(_integer(tier[name], f"{path}.{name}") for name in tier)))
    return RoundTerms(
        _integer(offer["capacity"], "offer.capacity"),
        _integer(offer["pack_size"], "offer.pack_size"),
        tuple(tiers),
        rule,  # type: ignore[arg-type] # its value was just looked up among the literals
    )


def _line(item: object, path: str) -> PledgeLine:
    pledge = _object(item, path, PledgeLine.__struct_fields__)
    limit = pledge["limit_unit_price_krw"]
    return PledgeLine(
        _id(pledge["id"], path),
        _integer(pledge["quantity_min"], f"{path}.quantity_min"),
        _integer(pledge["quantity_max"], f"{path}.quantity_max"),
        None if limit is None else _integer(limit, f"{path}.limit_unit_price_krw"),
        _integer(pledge["priority_class"], f"{path}.priority_class"),
        _integer(pledge["sequence"], f"{path}.sequence"),
    )


def _id(value: object, path: str) -> LineId:
    if isinstance(value, str) or (type(value) is int and abs(value) <= _INTEGER_MAX):
        return value
    raise SimulationError("wrong_type", f"{path}.id is a string or an integer, not {_shown(value)}")


def _integer(value: object, path: str) -> int:
    if type(value) is not int or abs(value) > _INTEGER_MAX:
        raise SimulationError("not_an_integer", f"{path} is an integer, not {_shown(value)}")
    return value


def _object(value: object, path: str, names: Sequence[str]) -> dict[str, Any]:
    """The object's fields in the order of `names`, all of them and no others."""
    if not isinstance(value, dict):
        raise SimulationError("wrong_type", f"{path} is an object, not {_shown(value)}")
    for name in names:
        if name not in value:
            raise SimulationError("missing_field", f"{path} has no field {name}")
    for name in value:
        if name not in names:
            raise SimulationError("unknown_field", f"{path} has an unknown field {_shown(name)}")
    return {name: value[name] for name in names}


def _array(value: object, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise SimulationError("wrong_type", f"{path} is a list, not {_shown(value)}")
    return value


def _shown(value: object) -> str:
    """A scalar as JSON, cut to a readable length; a container by its kind, however deep it is."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) > _INTEGER_MAX:
        return "a number beyond 64 bits"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:60]}…"
