"""What states, steps, inspections and reasons of orders, and their papers, are called."""

from collections.abc import Mapping


def N_(text: str) -> str:  # noqa: N802 # the name that extractors look for
    """Marks `text` for extraction and returns it as it is."""
    return text


ORDER_LABELS: Mapping[str, Mapping[str, str]] = {
    "order_state": {
        "placed": N_("발주"),
        "confirmed": N_("주문 확정"),
        "shipped": N_("납품"),
        "installed": N_("설치·시운전"),
        "inspected": N_("검수"),
        "in_warranty": N_("보증 중"),
        "closed": N_("종료"),
    },
    "order_source": {"allocation": N_("공동구매"), "single_purchase": N_("단독 구매")},
    "order_step": {
        "confirm": N_("주문 확정"),
        "deliver": N_("납품"),
        "install": N_("설치·시운전"),
        "inspect": N_("검수"),
        "warranty": N_("보증 시작"),
        "close": N_("종료"),
    },
    "order_due": {
        "confirm": N_("납품일을 정해 주문 확정"),
        "deliver": N_("납품하기"),
        "install": N_("설치·시운전하기"),
        "inspect": N_("검수하기"),
        "close": N_("보증이 끝난 주문 종료"),
    },
    "inspection": {"accepted": N_("모두 합격"), "partly": N_("일부 합격"), "rejected": N_("불합격")},
    "paper_kind": {
        "quotation": N_("견적서"),
        "comparison": N_("비교견적"),
        "approval": N_("품의서"),
        "contract": N_("물품 공급 계약서"),
        "delivery": N_("거래명세서"),
        "inspection": N_("검수조서"),
    },
    "reject_reason": {
        "damaged": N_("파손"),
        "missing_parts": N_("구성품 누락"),
        "not_to_spec": N_("사양과 다름"),
        "not_working": N_("작동하지 않음"),
        "wrong_item": N_("다른 물품"),
        "other": N_("그 밖"),
    },
}
"""Merged into `LABELS`."""
