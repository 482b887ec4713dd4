"""Whether goods made in Korea from imported materials are of Korean origin, with every step said.

The rule is 대외무역관리규정 제86조 (Foreign Trade Management Regulation, article 86), as the ministry answered
in 국민신문고 Q&A (nanumtip.com/qa/199529) and ksg.co.kr 137267 reports it; in force for domestic sales since
2022-12-11. Goods are Korean if

- the goods' HS subheading (6 digits) differs from that of every imported material, and
  (manufacturing cost − CIF value of imported materials) / manufacturing cost is at least 51 %; or
- a subheading is the same, and that share is at least 85 %.

Simple processing (제85조 제8항) makes nothing Korean, and the article does not speak about some chapters of the
tariff. Software has no tariff heading: it has the market's own declared rule (`judge_software`).
Everything is integer arithmetic, so one won on either side of a threshold decides.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

OriginRule = Literal[
    "hs6_changed_51",
    "hs6_unchanged_85",
    "simple_processing",
    "excepted_chapter",
    "software_declared_51",
]

CHANGED_PERCENT: Final = 51
UNCHANGED_PERCENT: Final = 85
SOFTWARE_PERCENT: Final = 51
WHOLE_BP: Final = 10_000
COST_KRW_MAX: Final = 10**15
MATERIALS_MAX: Final = 500

EXCEPTED_CHAPTERS: Final[frozenset[int]] = frozenset({*range(1, 25), 30, 33, 48, *range(50, 59)})
"""Chapters that the ministry's answer names as outside the article: 1–24 farm, fish and food, 30 medical,
33 perfume and cosmetics, 48 paper, 50–58 textiles. What is not certain is in docs/origin.md."""

LAW_ORIGIN: Final = "대외무역관리규정 제86조"
LAW_SIMPLE: Final = "대외무역관리규정 제85조 제8항"
LAW_SOFTWARE: Final = "얼라이언스 소프트웨어 기준"

_HS = re.compile(r"[0-9]{4}\.?[0-9]{2}(?:[.\-]?[0-9]{2}(?:[.\-]?[0-9]{2})?|-?[0-9]{4})?")


class OriginInputError(ValueError):
    """Numbers or codes that no origin can be computed from; `field` names the one that is wrong."""

    def __init__(self, field: str, en: str, ko: str) -> None:
        self.field = field
        self.detail_ko = ko
        super().__init__(en)


class OriginStep(Struct, frozen=True, kw_only=True):
    """One step of the reasoning. `is_met` None = a figure, not a condition; `law` is what the step follows."""

    code: str
    ko: str
    en: str
    law: str
    is_met: bool | None = None


class OriginJudgment(Struct, frozen=True, kw_only=True):
    """Domestic or not, the local share of cost in basis points (rounded down), by which rule, step by step."""

    domestic: bool
    ratio_bp: int
    rule: OriginRule
    steps: tuple[OriginStep, ...]


def parse_hs(text: str, *, field: str = "hs") -> str:
    """The first six digits of an HS or HSK code written as 847950, 8479.50, 8479.50-9000 or 8479509000.

    Raises `OriginInputError` for anything else, such as a heading of four digits: the rule compares six.
    """
    written = text.strip()
    digits = re.sub(r"[.\-]", "", written)
    if not _HS.fullmatch(written) or not 1 <= int(digits[:2]) <= 97 or digits[:2] == "77":
        raise OriginInputError(
            field,
            f"{text!r} is no HS code of at least six digits, such as 8479.50",
            f"{text!r}: 8479.50처럼 여섯 자리 이상인 HS 번호가 아닙니다",
        )
    return digits[:6]


def judge_goods(
    *,
    hs_in: Sequence[str],
    hs_out: str,
    cost_krw: int,
    cif_krw: int,
    is_simple_processing: bool = False,
) -> OriginJudgment:
    """Judge goods made in Korea from imported materials.

    `hs_in` are the codes of all imported materials, `hs_out` that of the goods; `cost_krw` is the whole
    manufacturing cost and `cif_krw` the CIF value of the imported materials in it, both in won.
    Where no material is imported (`hs_in` empty, `cif_krw` 0) the subheading counts as changed.
    Raises `OriginInputError`.
    """
    _require_costs(cost_krw, cif_krw, names=("cost", "cif"))
    if len(hs_in) > MATERIALS_MAX:
        raise OriginInputError(
            "hs_in", f"at most {MATERIALS_MAX} materials", f"수입 원료는 {MATERIALS_MAX}개까지입니다"
        )
    if not hs_in and cif_krw:
        raise OriginInputError(
            "hs_in",
            "imported materials have a value, so name their HS codes",
            "수입 원료 가격이 있으면 그 HS 번호도 적어야 합니다",
        )
    materials = [parse_hs(code, field="hs_in") for code in hs_in]
    goods = parse_hs(hs_out, field="hs_out")
    local_krw = cost_krw - cif_krw
    steps = [
        _share_step(cost_krw, cif_krw, "제조원가", "수입 원료(CIF)", "imported materials (CIF)", LAW_ORIGIN)
    ]
    if (chapter := int(goods[:2])) in EXCEPTED_CHAPTERS:
        return _judgment("excepted_chapter", False, cost_krw, local_krw, [*steps, _chapter_step(chapter)])
    steps.append(_processing_step(is_simple_processing))
    if is_simple_processing:
        return _judgment("simple_processing", False, cost_krw, local_krw, steps)
    same = sorted({code for code in materials if code == goods})
    steps.append(_change_step(goods, same))
    percent = UNCHANGED_PERCENT if same else CHANGED_PERCENT
    is_met = local_krw * 100 >= percent * cost_krw
    steps.append(_threshold_step(percent, cost_krw, local_krw, is_met, LAW_ORIGIN))
    rule: OriginRule = "hs6_unchanged_85" if same else "hs6_changed_51"
    return _judgment(rule, is_met, cost_krw, local_krw, steps)


def judge_software(*, cost_krw: int, foreign_cost_krw: int, holds_source: bool) -> OriginJudgment:
    """Judge software by the market's declared rule, since the tariff has no heading for it.

    Korean if a Korean organization holds the source code and may change it, and at least 51 % of the cost of
    development (without foreign licenses and work bought abroad) was spent in Korea. It is a rule of this
    market and no law; pages say so. Raises `OriginInputError`.
    """
    _require_costs(cost_krw, foreign_cost_krw, names=("cost", "foreign_cost"))
    local_krw = cost_krw - foreign_cost_krw
    is_met = local_krw * 100 >= SOFTWARE_PERCENT * cost_krw
    steps = [
        _share_step(
            cost_krw,
            foreign_cost_krw,
            "개발비",
            "해외 라이선스·외주",
            "foreign licenses and work",
            LAW_SOFTWARE,
        ),
        OriginStep(
            code="source_held",
            ko="국내 기업이 소스코드의 권리를 가지고 고칠 수 있습니다."
            if holds_source
            else "소스코드의 권리가 국내 기업에 없습니다.",
            en="A Korean organization holds the source code and may change it."
            if holds_source
            else "No Korean organization holds the source code.",
            law=LAW_SOFTWARE,
            is_met=holds_source,
        ),
        _threshold_step(SOFTWARE_PERCENT, cost_krw, local_krw, is_met, LAW_SOFTWARE),
    ]
    return _judgment("software_declared_51", is_met and holds_source, cost_krw, local_krw, steps)


def _judgment(
    rule: OriginRule, domestic: bool, cost_krw: int, local_krw: int, steps: Sequence[OriginStep]
) -> OriginJudgment:
    return OriginJudgment(
        domestic=domestic, ratio_bp=local_krw * WHOLE_BP // cost_krw, rule=rule, steps=tuple(steps)
    )


def _require_costs(cost_krw: int, part_krw: int, *, names: tuple[str, str]) -> None:
    cost, part = names
    if not 1 <= cost_krw <= COST_KRW_MAX:
        raise OriginInputError(
            cost,
            f"the cost is between 1 and {COST_KRW_MAX} won",
            f"원가는 1원부터 {COST_KRW_MAX}원까지입니다",
        )
    if not 0 <= part_krw <= cost_krw:
        raise OriginInputError(
            part,
            f"between 0 and the whole cost, {cost_krw} won, which it is a part of",
            f"0원부터 전체 원가 {cost_krw}원까지입니다(원가에 들어 있는 금액)",
        )


def _share_step(
    cost_krw: int, part_krw: int, whole_ko: str, part_ko: str, part_en: str, law: str
) -> OriginStep:
    local_krw = cost_krw - part_krw
    percent = _percent_text(local_krw * WHOLE_BP // cost_krw)
    return OriginStep(
        code="local_share",
        ko=f"{whole_ko} {cost_krw:,}원에서 {part_ko} {part_krw:,}원을 빼면 {local_krw:,}원, {percent}입니다.",
        en=f"Cost ₩{cost_krw:,} less {part_en} ₩{part_krw:,} leaves ₩{local_krw:,}, or {percent}.",
        law=law,
    )


def _chapter_step(chapter: int) -> OriginStep:
    return OriginStep(
        code="chapter_covered",
        ko=f"HS 제{chapter}류는 이 조의 적용 대상이 아니므로 국산으로 판정하지 않습니다.",
        en=f"HS chapter {chapter} is outside the article, so it makes nothing domestic.",
        law=LAW_ORIGIN,
        is_met=False,
    )


def _processing_step(is_simple: bool) -> OriginStep:
    return OriginStep(
        code="more_than_simple_processing",
        ko="단순한 가공활동만 거쳤으므로 국산으로 보지 않습니다."
        if is_simple
        else "단순한 가공활동을 넘는 제조·가공을 거쳤습니다.",
        en="Only simple processing was done, which makes nothing domestic."
        if is_simple
        else "Made by more than simple processing.",
        law=LAW_SIMPLE,
        is_met=not is_simple,
    )


def _change_step(goods: str, same: Sequence[str]) -> OriginStep:
    shown = f"{goods[:4]}.{goods[4:]}"
    return OriginStep(
        code="subheading_changed",
        ko=f"수입 원료 가운데 HS 여섯 자리가 완제품과 같은 {shown}이(가) 있습니다."
        if same
        else f"HS 여섯 자리가 완제품({shown})과 같은 수입 원료가 없습니다.",
        en=f"An imported material has the goods' own HS subheading {shown}."
        if same
        else f"No imported material has the goods' HS subheading {shown}.",
        law=LAW_ORIGIN,
        is_met=not same,
    )


def _threshold_step(percent: int, cost_krw: int, local_krw: int, is_met: bool, law: str) -> OriginStep:
    needed_krw = -(-percent * cost_krw // 100)
    gap_krw = abs(local_krw - needed_krw)
    return OriginStep(
        code=f"share_at_least_{percent}",
        ko=f"{percent} %에 필요한 {needed_krw:,}원 이상입니다({gap_krw:,}원 여유)."
        if is_met
        else f"{percent} %에 필요한 {needed_krw:,}원보다 {gap_krw:,}원 모자랍니다.",
        en=f"At or above the ₩{needed_krw:,} that {percent} % asks for, by ₩{gap_krw:,}."
        if is_met
        else f"₩{gap_krw:,} short of the ₩{needed_krw:,} that {percent} % asks for.",
        law=law,
        is_met=is_met,
    )


def _percent_text(ratio_bp: int) -> str:
    whole, rest = divmod(ratio_bp, 100)
    return f"{whole}.{rest:02d} %"
