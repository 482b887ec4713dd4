"""What the accounts of the ledger and the reasons of its entries are called."""

from collections.abc import Mapping


def N_(text: str) -> str:  # noqa: N802 # the name that extractors look for
    """Marks `text` for extraction and returns it as it is."""
    return text


MONEY_LABELS: Mapping[str, Mapping[str, str]] = {
    "account": {
        "buyer_receivable": N_("더 낼 금액"),
        "deposits_held": N_("맡긴 보증금"),
        "carried": N_("이월 중"),
        "refunds_owed": N_("돌려받을 금액"),
        "goods_ordered": N_("납품할 금액"),
        "vendor_payable": N_("납품한 금액(공급가액)"),
        "vat": N_("부가세"),
        "forfeits": N_("몰취 보증금"),
        "money": N_("받은 돈"),
        "platform_fee": N_("중개 수수료"),
    },
    "entry_reason": {
        "deposit_received": N_("보증금 입금"),
        "deposit_carried": N_("보증금을 다음 회차로 이월"),
        "card_captured": N_("카드 보증금 매입"),
        "deposit_taken": N_("보증금을 대금에 충당"),
        "allocated": N_("성사되어 배정"),
        "allocation_changed": N_("배정 변경"),
        "forfeited": N_("보증금 몰취"),
        "pool_paid": N_("가격 유지 보전"),
        "balance_paid": N_("잔금 입금"),
        "refund_owed": N_("환불 결정"),
        "refund_paid": N_("환불 지급"),
        "refund_dropped": N_("환불 취소"),
        "delivered": N_("납품"),
        "vat": N_("부가세"),
        "commission": N_("수수료"),
        "commission_vat": N_("수수료의 부가세"),
    },
    "custody": {
        "direct": N_("구매기업이 공급기업에 바로 입금"),
        "operator": N_("사무국이 맡아 두었다가 납품 뒤 지급"),
    },
}
