"""The form of an origin claim: typed text to a computation and a claim, each wrong field named. Pure."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final, cast

import msgspec

from catalog.core.origin import DOMESTIC_COUNTRY, ORIGIN_BASES, OriginBasis
from catalog.core.origin_rule import OriginInputError, OriginJudgment, judge_goods, judge_software
from marketplace.web.i18n import LANG, gettext

COMPUTED: Final[frozenset[OriginBasis]] = frozenset(("value_content", "software_rule"))
"""Bases whose claim rests on a computation of this form."""
FIELD_OF_RULE: Final = {
    "cost": "cost_krw",
    "cif": "cif_krw",
    "foreign_cost": "cif_krw",
    "hs_in": "hs_in",
    "hs_out": "hs_out",
}
_WON = re.compile(r"₩?[0-9]{1,3}(?:,[0-9]{3})+원?|₩?[0-9]{1,16}원?")
_COUNTRY = re.compile(r"[A-Z]{2}")


class OriginForm(msgspec.Struct, frozen=True, kw_only=True):
    """What the form says once read; `errors` maps fields to sentences in the language of the page."""

    basis: OriginBasis
    country: str
    judgment: OriginJudgment | None
    valid_until: date | None
    evidence_note: str
    errors: dict[str, str]

    @property
    def domestic_content_bp(self) -> int | None:
        return self.judgment.ratio_bp if self.judgment else None

    @property
    def is_borne_out(self) -> bool:
        """Whether a claim of Korea may be filed: a computed basis needs its rule met."""
        return (
            self.basis not in COMPUTED
            or self.country != DOMESTIC_COUNTRY
            or (self.judgment is not None and self.judgment.domestic)
        )


def read_origin_form(fields: Mapping[str, str], *, today: date) -> OriginForm:
    """Read the form as typed. Amounts are whole won with or without commas; other writings are refused."""
    errors: dict[str, str] = {}
    basis = fields.get("basis", "")
    if basis not in ORIGIN_BASES:
        errors["basis"] = gettext("목록에서 근거를 고르세요.")
        basis = "self_declared"
    country = fields.get("country", DOMESTIC_COUNTRY).strip().upper()
    if not _COUNTRY.fullmatch(country):
        errors["country"] = gettext("KR처럼 두 글자 국가 코드로 적어 주세요.")
        country = DOMESTIC_COUNTRY
    judgment = None
    if basis in COMPUTED:
        judgment = _judge(fields, is_software=basis == "software_rule", errors=errors)
    return OriginForm(
        basis=cast("OriginBasis", basis),
        country=country,
        judgment=judgment,
        valid_until=_day(fields.get("valid_until", ""), today=today, errors=errors),
        evidence_note=fields.get("evidence_note", "").strip()[:500],
        errors=errors,
    )


def _judge(fields: Mapping[str, str], *, is_software: bool, errors: dict[str, str]) -> OriginJudgment | None:
    cost_krw, part_krw = (_won(fields.get(name, ""), name, errors) for name in ("cost_krw", "cif_krw"))
    if cost_krw is None or part_krw is None:
        return None
    try:
        if is_software:
            return judge_software(
                cost_krw=cost_krw, foreign_cost_krw=part_krw, holds_source=fields.get("holds_source") == "yes"
            )
        return judge_goods(
            hs_in=[code for code in re.split(r"[\s,;]+", fields.get("hs_in", "")) if code],
            hs_out=fields.get("hs_out", ""),
            cost_krw=cost_krw,
            cif_krw=part_krw,
            is_simple_processing=fields.get("is_simple_processing") == "yes",
        )
    except OriginInputError as error:
        errors[FIELD_OF_RULE[error.field]] = error.detail_ko if LANG.get() == "ko" else str(error)
        return None


def _won(text: str, field: str, errors: dict[str, str]) -> int | None:
    if not _WON.fullmatch(text.strip()):
        errors[field] = gettext("원 단위 정수로 적어 주세요(예: 12,000,000).")
        return None
    return int(re.sub(r"[^0-9]", "", text))


def _day(text: str, *, today: date, errors: dict[str, str]) -> date | None:
    if not text.strip():
        return None
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        errors["valid_until"] = gettext("2027-12-31처럼 날짜로 적어 주세요.")
        return None
    if found < today:
        errors["valid_until"] = gettext("이미 지난 날짜입니다.")
    return found
