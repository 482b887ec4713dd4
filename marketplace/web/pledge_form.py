"""The rows of the pledge form: one wish each, so that a pledge may ask for more units at a lower price."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from group_buy.core.pledge import PLEDGE_LINES_MAX, LineInput
from group_buy.errors import InvalidPledge
from marketplace.web.i18n import gettext

ROWS_SHOWN: Final = 3
"""Rows that a form has at least; a pledge of more wishes, made over the API, has one for each."""
NAMES: Final = ("quantity_min", "quantity_max", "limit_unit_price_krw")
NOT_A_NUMBER: Final = "a whole number of at least 1"
SUFFIXES: Final = ("", *(f"_{number}" for number in range(2, PLEDGE_LINES_MAX + 1)))


def read_wishes(form: Mapping[str, Any]) -> tuple[LineInput, ...]:
    """Read the rows that are filled in; the first always counts.

    Raises:
        InvalidPledge: a quantity or a limit is no number; the pointer names the row.
    """
    return tuple(_read_row(form, suffix, number) for number, suffix in enumerate(_filled(form)))


def _filled(form: Mapping[str, Any]) -> list[str]:
    """The suffixes of the rows that count; the number of a wish is its place among them."""
    return [
        suffix
        for suffix in SUFFIXES
        if not suffix or any(_typed(form, name + suffix) for name in ("quantity_min", "quantity_max"))
    ]


def _read_row(form: Mapping[str, Any], suffix: str, number: int) -> LineInput:
    def units(name: str) -> int:
        text = _typed(form, name + suffix).replace(",", "")
        if not text and suffix and name == "quantity_min":
            return 1  # further units are taken from the first one on, unless a minimum is written
        if not text.isascii() or not text.isdigit() or len(text) > 7:
            raise InvalidPledge(f"/lines/{number}/{name}", NOT_A_NUMBER)
        return int(text)

    limit = _typed(form, "limit_unit_price_krw" + suffix)
    if limit and not (limit.isascii() and limit.isdigit() and len(limit) <= 16):
        raise InvalidPledge(f"/lines/{number}/limit_unit_price_krw", NOT_A_NUMBER)
    return LineInput(
        quantity_min=units("quantity_min"),
        quantity_max=units("quantity_max"),
        limit_unit_price_krw=int(limit) if limit else None,
    )


def _typed(form: Mapping[str, Any], name: str) -> str:
    return str(form.get(name, "")).strip()


def typed_values(form: Mapping[str, Any]) -> dict[str, str]:
    """What was typed, by field, for showing it again."""
    names = (name + suffix for suffix in SUFFIXES for name in NAMES)
    return {name: str(form[name]) for name in names if name in form}


def field_of(pointer: str, form: Mapping[str, Any]) -> str:
    """The form's field that a refusal of "/lines/<wish>/<name>" is about, or "form"."""
    _, _, rest = pointer.partition("/lines/")
    number, _, name = rest.partition("/")
    filled = _filled(form)
    return name + filled[int(number)] if name in NAMES and int(number) < len(filled) else "form"


def refusal_text(error: InvalidPledge, *, capacity: int) -> str:
    """What to do about a refused pledge, in the reader's language."""
    name = error.pointer.rpartition("/")[2]
    units = f"{capacity:,}"
    if error.detail == NOT_A_NUMBER and name != "limit_unit_price_krw":
        return gettext("1 이상의 정수를 적으세요.")
    texts = {
        "quantity_max": gettext("1대부터 이 회차의 수량 %(units)s대까지 적을 수 있습니다."),
        "quantity_min": gettext("1대 이상, 최대 수량 이하로 적으세요."),
        "limit_unit_price_krw": gettext("목록에서 단가를 고르세요."),
        "lines": gettext(
            "수량을 모두 더해 이 회차의 %(units)s대까지 약정할 수 있고, 추가까지 여덟 줄을 넘을 수 없습니다."
        ),
        "pledge_id": gettext("페이지를 새로 열고 다시 시도하세요."),
    }
    return texts[name] % {"units": units} if name in texts else error.detail


def form_rows(
    lines: Sequence[Mapping[str, Any]], values: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """The rows to show: what was typed, else the wishes of a pledge's lines, else empty ones.

    Lines of one limit are one wish: a pledge has several of them after it was raised (group_buy.core.pledge.queue_lines).
    """
    if values:
        rows = [{name: values.get(name + suffix, "") for name in NAMES} for suffix in SUFFIXES]
        while len(rows) > ROWS_SHOWN and not any(rows[-1].values()):
            rows.pop()
    else:
        rows = wishes_of(lines) or [{"quantity_min": 1, "quantity_max": 1, "limit_unit_price_krw": None}]
    blank = dict.fromkeys(NAMES, "")
    rows += [blank] * (ROWS_SHOWN - len(rows))
    return [row | {"suffix": suffix} for row, suffix in zip(rows, SUFFIXES, strict=False)]


def conflict_rows(
    lines: Sequence[Mapping[str, Any]], values: Mapping[str, str]
) -> list[dict[str, dict[str, Any]]]:
    """What is saved beside what was typed, row by row; rows that are empty on both sides are left out."""
    blank = dict.fromkeys(NAMES, "")
    pairs = zip_longest(form_rows(lines), form_rows((), values), fillvalue=blank)
    return [
        {"saved": saved, "typed": typed}
        for saved, typed in pairs
        if saved["quantity_max"] or typed["quantity_max"] or typed["quantity_min"]
    ]


def wishes_of(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Join a pledge's lines of the same limit, in the order in which the limits first come."""
    wishes: dict[int | None, dict[str, Any]] = {}
    for line in lines:
        limit = line["limit_unit_price_krw"]
        wish = wishes.setdefault(
            limit,
            {"quantity_min": line["quantity_min"], "quantity_max": 0, "limit_unit_price_krw": limit},
        )
        wish["quantity_min"] = min(wish["quantity_min"], line["quantity_min"])
        wish["quantity_max"] += line["quantity_max"]
    return list(wishes.values())
