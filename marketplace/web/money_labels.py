"""What accounts of the ledger, and codes of banks, receipts, guarantees, tax invoices and payouts, are called."""

from collections.abc import Mapping


def N_(text: str) -> str:  # noqa: N802 # the name that extractors look for
    """Marks `text` for extraction and returns it as it is."""
    return text


MONEY_EVENTS: Mapping[str, str] = {
    "tax_invoices": N_("세금계산서 발행 행 작성"),
    "sponsorship_made": N_("후원 제안"),
    "sponsorship_confirmed": N_("후원 기업이 확인"),
    "sponsorship_revoked": N_("후원을 거둠"),
    "sponsorship_released": N_("내지 않은 후원금 면제"),
    "sponsorship_paid": N_("후원금 입금 반영"),
}

MONEY_LABELS: Mapping[str, Mapping[str, str]] = {
    "charge_kind": {
        "deposit": N_("보증금"),
        "balance": N_("잔금"),
        "refund": N_("환불"),
        "full": N_("전액"),
        "sponsored": N_("후원 몫"),
        "sponsor_refund": N_("후원금 반환"),
    },
    "refund_state": {
        "due": N_("환불 대기"),
        "processing": N_("환불 처리 중"),
        "captured": N_("환불 완료"),
        "failed": N_("카드 환불 안 됨"),
        "released": N_("다른 방법으로 환불"),
    },
    "decline_reason": {
        "card_declined": N_("카드사가 거절함"),
        "insufficient_funds": N_("한도 부족"),
        "expired_card": N_("유효기간이 지난 카드"),
        "incorrect_number": N_("카드 번호가 틀림"),
        "processing_error": N_("카드사 처리 오류"),
        "authentication_required": N_("본인 확인이 필요함"),
        "hold_ended": N_("승인 기한이 끝남"),
        "split": N_("나누어 내기로 함"),
        "to_be_canceled": N_("계좌이체로 바꿈"),
    },
    "payment_method": {"transfer": N_("계좌이체"), "card": N_("카드")},
    "funding_state": {
        "none": N_("미확인"),
        "pending": N_("확인 대기"),
        "confirmed": N_("확인됨"),
        "failed": N_("실패"),
        "expired": N_("기한 지남"),
    },
    "account": {
        "buyer_receivable": N_("더 낼 금액"),
        "deposits_held": N_("맡긴 보증금"),
        "carried": N_("이월 중"),
        "refunds_owed": N_("돌려받을 금액"),
        "goods_ordered": N_("납품할 금액"),
        "vendor_payable": N_("공급 대금(수수료 뺌)"),
        "vat": N_("부가세"),
        "forfeits": N_("몰취 보증금"),
        "money": N_("받은 돈"),
        "platform_fee": N_("중개 수수료"),
        "sponsor_receivable": N_("낼 후원금"),
        "sponsor_refunds_owed": N_("돌려받을 후원금"),
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
        "balance_part_paid": N_("잔금 일부 입금"),
        "receipt_undone": N_("입금 확인 취소"),
        "surplus_received": N_("더 들어온 돈"),
        "paid_out": N_("사무국이 지급"),
        "sponsored": N_("후원 기업이 맡음"),
        "sponsor_paid": N_("후원금 입금"),
    },
    "sponsorship_kind": {"share": N_("비율 후원"), "top_up": N_("정액 후원")},
    "sponsorship_state": {
        "offered": N_("확인 대기"),
        "confirmed": N_("확인됨"),
        "revoked": N_("거둠"),
        "lapsed": N_("확인 없이 마감됨"),
    },
    "sponsorship_error": {
        "share": N_("비율은 0보다 크고 100 % 이하로 적어 주세요. 소수는 둘째 자리까지 됩니다."),
        "sum": N_("금액은 1원 이상의 원 단위 숫자로 적어 주세요."),
        "sum_missing": N_("정액 후원에는 모두 합친 금액이 필요합니다."),
        "kind": N_("후원 방식을 골라 주세요."),
        "note": N_("메모는 500자까지 적을 수 있습니다."),
        "sponsor_unknown": N_("이 코드의 활동 중인 기관이 없습니다."),
        "sponsor_sells": N_(
            "이 회차의 공급기업은 후원할 수 없습니다. 모두가 같은 단가를 내야 하기 때문입니다."
        ),
        "member_count": N_("대상 공장은 1곳 이상 1,000곳까지 적어 주세요."),
        "member_unknown": N_("이 코드의 활동 중인 공장이 없습니다."),
        "member_is_sponsor": N_("후원 기업 자신은 대상 공장이 될 수 없습니다."),
    },
    "sponsorship_refusal": {
        "round_closed": N_("회차가 마감되어 후원을 바꿀 수 없습니다. 바뀐 것은 없습니다."),
        "too_many": N_("한 회차의 후원은 20건까지입니다. 바뀐 것은 없습니다."),
        "sponsors_already": N_("이 기관의 후원이 이미 있습니다. 먼저 거두고 다시 만들어 주세요."),
        "id_taken": N_("다른 회차에서 쓴 번호입니다. 화면을 새로 고친 뒤 다시 보내 주세요."),
        "revoked": N_("이미 거둔 후원입니다. 바뀐 것은 없습니다."),
        "not_cleared": N_("성사된 회차의 후원만 면제할 수 있습니다. 바뀐 것은 없습니다."),
        "nothing_unpaid": N_("내지 않은 후원금이 없습니다. 바뀐 것은 없습니다."),
    },
    "custody": {
        "direct": N_("구매기업이 공급기업에 바로 입금"),
        "operator": N_("사무국이 맡아 두었다가 납품 뒤 지급"),
    },
    "unmatched_reason": {
        "no_reference": N_("번호 없음"),
        "unknown_reference": N_("모르는 번호"),
        "nothing_open": N_("낼 것이 없는 번호"),
        "several": N_("여러 번호, 금액이 맞지 않음"),
        "undone": N_("다시 배정 대기"),
    },
    "receipt_kind": {
        "balance": N_("잔금"),
        "deposit": N_("보증금"),
        "surplus": N_("돌려줄 초과 입금"),
        "sponsored": N_("후원 몫"),
    },
    "bank_mark": {
        "not_ours": N_("우리 돈이 아님"),
        "recorded_by_hand": N_("손으로 이미 기록함"),
        "reopened": N_("다시 배정 대기"),
    },
    "tax_invoice_kind": {
        "original": N_("세금계산서"),
        "change": N_("수정: 공급가액 변동"),
        "return": N_("수정: 환입"),
        "cancel": N_("수정: 계약의 해제"),
    },
    "approval_refusal": {
        "shape": N_("승인번호는 24자리입니다(발급일 8자리, 숫자 8자리, 영문·숫자 8자리)."),
        "taken": N_("다른 세금계산서에 이미 적힌 승인번호입니다."),
        "exists": N_("이미 다른 승인번호가 적혀 있습니다."),
    },
    "bank_refusal": {
        "account_missing": N_("파일에 계좌번호가 없습니다. 여섯 자리 이상의 숫자로 적어 주세요."),
        "shape_changed": N_(
            "이 계좌의 지난 파일과 열의 모양(잔액, 시각)이 다릅니다. 같은 줄을 두 번 반영하지 않도록 "
            "같은 방식으로 내려받아 주세요."
        ),
        "amount_unreadable": N_("금액은 원 단위 숫자로 적어 주세요."),
        "amount_too_high": N_("이 입금에 남은 금액보다 많습니다."),
        "reference_unknown": N_(
            "이 번호의 청구서나 약정이 없습니다. 청구서의 ‘입금자 표시’를 확인해 주세요."
        ),
        "set_aside": N_("이미 처리한 줄입니다. 먼저 되돌려 주세요."),
        "in_use": N_("이미 맞춘 줄입니다. 먼저 되돌려 주세요."),
        "refund_paid": N_("초과한 금액을 이미 돌려주어 되돌릴 수 없습니다."),
        "not_yours": N_("사무국이 맞춘 보증금이라 여기서 되돌릴 수 없습니다."),
        "mark_unknown": N_("무엇을 할지 골라 주세요."),
        "note_missing": N_("이유를 적어 주세요."),
        "not_cleared": N_(
            "이 후원은 아직 낼 금액이 없습니다. 회차가 성사되어 대상 공장이 배정받아야 생깁니다."
        ),
    },
}
