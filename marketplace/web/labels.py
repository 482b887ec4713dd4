"""What each code of the data is called on the pages: `label("category", "robot")` → `로봇` / `Robot`.

Korean is the source, English comes from the catalog like every other text. `N_` only marks a text for
extraction; it is translated when it is shown, not when this module is read.
"""

from collections.abc import Mapping

from marketplace.web.i18n import gettext
from marketplace.web.vendor_labels import VENDOR_LABELS


def N_(text: str) -> str:  # noqa: N802 # the name that extractors look for
    """Marks `text` for extraction and returns it as it is."""
    return text


LABELS: Mapping[str, Mapping[str, str]] = {
    "category": {
        "software": N_("소프트웨어"),
        "controller": N_("컨트롤러"),
        "sensor": N_("센서"),
        "robot": N_("로봇"),
        "service": N_("서비스"),
    },
    "kind": {"package_model": N_("패키지"), "product": N_("제품")},
    "package_type": {
        "individual_build": N_("개별 구축형"),
        "cloud": N_("클라우드형"),
        "clean_energy": N_("클린에너지형"),
    },
    "level": {
        "0": N_("미도입"),
        "1": N_("기초(1단계)"),
        "2": N_("기초(2단계)"),
        "3": N_("중간1(3단계)"),
        "4": N_("중간2(4단계)"),
        "5": N_("고도화(5단계)"),
    },
    "level_short": {
        "0": N_("미도입"),
        "1": N_("기초1"),
        "2": N_("기초2"),
        "3": N_("중간1"),
        "4": N_("중간2"),
        "5": N_("고도화"),
    },
    "industry": {
        "machining": N_("기계가공"),
        "press": N_("프레스"),
        "injection_molding": N_("사출성형"),
        "casting": N_("주조"),
        "welding": N_("용접"),
        "painting": N_("도장"),
        "electronics": N_("전자"),
        "food": N_("식품"),
        "pharma": N_("제약"),
        "textile": N_("섬유"),
        "automotive_parts": N_("자동차부품"),
        "logistics": N_("물류"),
        "chemical": N_("화학"),
        "metal": N_("금속"),
        "battery": N_("이차전지"),
    },
    "verification": {
        "maker": N_("제조사 자료 확인"),
        "secondary": N_("2차 자료 확인"),
        "name_only": N_("이름만 확인"),
        "fictional": N_("가상 제품"),
    },
    "verification_short": {
        "maker": N_("제조사 확인"),
        "secondary": N_("2차 자료"),
        "name_only": N_("이름만"),
        "fictional": N_("가상"),
    },
    "facet": {
        "kind": N_("찾는 것"),
        "category": N_("분류"),
        "subcategory": N_("세부 분류"),
        "package_type": N_("구축 유형"),
        "level_from": N_("현재 수준"),
        "level_to": N_("도달 수준"),
        "industries": N_("업종·공정"),
        "industry": N_("업종·공정"),
        "maker_country": N_("제조사 국가"),
        "vendor_code": N_("공급기업"),
        "has_open_round": N_("공동구매"),
        "domestic_verified_bp": N_("국산 비중(확인된 값)"),
        "price_krw": N_("가격"),
        "lead_time_days": N_("납기"),
        "verification": N_("자료 확인"),
        "q": N_("검색어"),
    },
    "sort": {
        "relevance": N_("관련도순"),
        "price": N_("가격 낮은순"),
        "lead_time": N_("납기 빠른순"),
        "domestic_share": N_("국산 비중 높은순"),
        "name": N_("이름순"),
    },
    "round_state": {
        "draft": N_("작성 중"),
        "announced": N_("시작 예정"),
        "open": N_("모집 중"),
        "fill_up": N_("추가 모집"),
        "closing": N_("입금·승인 확인 중"),
        "cleared": N_("성사"),
        "ordered": N_("발주됨"),
        "delivered": N_("납품됨"),
        "settled": N_("정산 완료"),
        "shortfall": N_("수량 미달"),
        "carried_over": N_("다음 회차로 이월"),
        "released": N_("미성사·해제"),
        "canceled": N_("취소됨"),
    },
    "pledge_state": {
        "placed": N_("약정함"),
        "funded": N_("확인됨"),
        "withdrawn": N_("철회함"),
        "allocated": N_("배정됨"),
        "unserved": N_("배정 없음"),
        "released": N_("해제됨"),
    },
    "charge_state": {
        "due": N_("납부 대기"),
        "processing": N_("처리 중"),
        "action_required": N_("본인 확인 필요"),
        "authorized": N_("승인됨"),
        "captured": N_("납부 완료"),
        "released": N_("해제됨"),
        "failed": N_("실패"),
        "refunded": N_("환불됨"),
    },
    "charge_kind": {"deposit": N_("보증금"), "balance": N_("잔금"), "full": N_("전액")},
    "payment_method": {"transfer": N_("계좌이체"), "card": N_("카드")},
    "funding_state": {
        "none": N_("미확인"),
        "pending": N_("확인 대기"),
        "confirmed": N_("확인됨"),
        "failed": N_("실패"),
        "expired": N_("기한 지남"),
    },
    "order_state": {
        "placed": N_("발주"),
        "confirmed": N_("공급기업 확인"),
        "shipped": N_("출고"),
        "installed": N_("설치"),
        "inspected": N_("검수"),
        "in_warranty": N_("보증 중"),
        "closed": N_("종료"),
    },
    "allocation_rule": {
        "pro_rata": N_("비례 배정"),
        "time": N_("접수 순서"),
        "price_time": N_("한도 높은 순, 같으면 접수 순서"),
    },
    "audience": {"public": N_("전체 공개"), "members": N_("회원 전용"), "invited": N_("초대 기업 전용")},
    "site_role": {
        "service": N_("서비스센터"),
        "repair": N_("수리"),
        "spare_parts": N_("부품"),
        "training": N_("교육"),
        "sales": N_("영업"),
        "plant": N_("생산 공장"),
        "headquarters": N_("본사"),
    },
    "site_status": {"planned": N_("예정"), "operating": N_("운영 중"), "closed": N_("폐쇄")},
    "coverage": {"served": N_("가능"), "partly": N_("일부"), "gap": N_("없음")},
    "origin_basis": {
        "self_declared": N_("자체 신고"),
        "origin_certificate": N_("원산지증명서"),
        "direct_production": N_("직접생산확인"),
        "software_rule": N_("소프트웨어 기준"),
    },
    "import_kind": {
        "products": N_("제품"),
        "package-models": N_("패키지"),
        "offers": N_("공급 조건"),
        "service-centers": N_("A/S 거점"),
        "vendors": N_("공급기업"),
        "demands": N_("수요"),
    },
    "import_state": {
        "checked": N_("점검만 함"),
        "applied": N_("반영됨"),
        "applied_partly": N_("일부 반영됨"),
        "refused": N_("오류로 반영 안 함"),
    },
    "compare_group": {
        "price": N_("가격과 조건"),
        "origin": N_("국산 비중"),
        "scope": N_("구성과 범위"),
        "fit": N_("적용 대상"),
        "service": N_("보증과 A/S"),
        "specs": N_("사양"),
        "source": N_("자료"),
    },
    "compare_row": {
        "category": N_("분류"),
        "kind": N_("구분"),
        "vendor": N_("책임 공급기업"),
        "maker": N_("제조사"),
        "maker_country": N_("제조사 국가"),
        "list_unit_price_krw": N_("단독 구매가"),
        "round_price_krw": N_("진행 중인 공동구매가"),
        "lead_time_days": N_("납기"),
        "warranty_months": N_("무상 보증"),
        "spare_parts_years": N_("부품 공급"),
        "domestic_share": N_("국산 비중(확인–주장 포함)"),
        "package_type": N_("구축 유형"),
        "level_from": N_("현재 수준"),
        "level_to": N_("도달 수준"),
        "industries": N_("업종·공정"),
        "included": N_("포함"),
        "excluded": N_("미포함"),
        "components": N_("구성품"),
        "imported_components": N_("해외 제조사 구성품"),
        "service_centers": N_("A/S 거점"),
        "verification": N_("자료 확인"),
    },
    "event": {
        "draft": N_("회차 작성"),
        "announced": N_("회차 예고"),
        "open": N_("모집 시작"),
        "fill_up": N_("추가 모집 시작"),
        "closing": N_("모집 마감, 입금·승인 확인 시작"),
        "cleared": N_("성사: 단가와 배정 확정"),
        "shortfall": N_("수량 미달"),
        "ordered": N_("발주"),
        "delivered": N_("납품 완료"),
        "settled": N_("정산 완료"),
        "carried_over": N_("다음 회차로 이월"),
        "released": N_("해제: 아무도 납부하지 않음"),
        "canceled": N_("취소"),
        "pledge_placed": N_("약정 접수"),
        "pledge_amended": N_("약정 변경"),
        "pledge_withdrawn": N_("약정 철회"),
        "funding_confirmed": N_("입금 확인"),
        "charge_retried": N_("결제 재시도"),
    },
    "role": {
        "buyer": N_("구매기업"),
        "factory": N_("공장"),
        "vendor": N_("공급기업"),
        "coordinator": N_("운영자"),
        "partner": N_("협력기관"),
    },
    **VENDOR_LABELS,
}


def label(kind: str, code: object) -> str:
    """The name of `code` among `LABELS[kind]`; an unknown code is shown as it is, an unknown kind is a bug."""
    text = LABELS[kind].get(str(code))
    return str(code) if text is None else gettext(text)


FACET_VALUE_KINDS: Mapping[str, str] = {
    "kind": "kind",
    "category": "category",
    "package_type": "package_type",
    "level_from": "level",
    "level_to": "level",
    "industries": "industry",
    "industry": "industry",
    "verification": "verification",
}
"""Facets whose values are codes of `LABELS`; countries go by CLDR, others are shown as they are."""
