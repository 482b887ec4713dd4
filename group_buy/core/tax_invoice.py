"""Electronic tax invoices (전자세금계산서) as rows of the tax office's bulk form. Pure.

The columns are those of 홈택스 "전자(세금)계산서 일괄발급" for general invoices, from memory of the published form: the
operator compares them with the form of the day before the first real file. A correction (수정) is issued there one by
one, so its file has two more columns: the reason and the approval number of the original.
"""

import re
from collections.abc import Iterable
from datetime import date
from typing import Final, Literal

import msgspec

TaxInvoiceKind = Literal["original", "change", "return", "cancel"]

ITEMS_MAX: Final = 4
"""Items of one row of the form; an invoice of ours has one."""

CORRECTION_REASONS: Final[dict[TaxInvoiceKind, str]] = {
    "change": "02 공급가액 변동",
    "return": "03 환입",
    "cancel": "04 계약의 해제",
}
"""Reasons of 부가가치세법 시행령 제70조 제1항, by the tax office's codes."""

_HEAD: Final = (
    "전자(세금)계산서 종류", "작성일자",
    "공급자 등록번호", "공급자 종사업장번호", "공급자 상호", "공급자 성명", "공급자 사업장주소",
    "공급자 업태", "공급자 종목", "공급자 이메일",
    "공급받는자 등록번호", "공급받는자 종사업장번호", "공급받는자 상호", "공급받는자 성명", "공급받는자 사업장주소",
    "공급받는자 업태", "공급받는자 종목", "공급받는자 이메일1", "공급받는자 이메일2",
    "공급가액", "세액", "비고",
)  # fmt: skip
_ITEM: Final = ("일자", "품목", "규격", "수량", "단가", "공급가액", "세액", "품목비고")
_TAIL: Final = ("현금", "수표", "어음", "외상미수금", "영수(01),청구(02)")
COLUMNS: Final = (*_HEAD, *(f"{name}{n}" for n in range(1, ITEMS_MAX + 1) for name in _ITEM), *_TAIL)
CORRECTION_COLUMNS: Final = (*COLUMNS, "수정사유", "당초 승인번호")

_APPROVAL: Final = re.compile(r"[0-9]{16}[0-9A-Za-z]{8}")


class InvalidApprovalNumber(ValueError):
    """Not an approval number of the tax office."""


class TaxParty(msgspec.Struct, frozen=True):
    """Supplier or recipient as the form asks."""

    business_number: str
    name: str
    representative: str
    address: str
    business_type: str
    business_item: str
    email: str

    @property
    def missing(self) -> tuple[str, ...]:
        """What the tax office refuses to do without and nobody has told yet."""
        return tuple(name for name in ("business_number", "representative") if not getattr(self, name))


class TaxInvoice(msgspec.Struct, frozen=True):
    """One row. Won; a correction holds the difference, negative where less is owed. supply + VAT = total."""

    id: int
    kind: TaxInvoiceKind
    written_on: date
    round_code: str
    invoice_number: str
    item: str
    quantity: int
    unit_price_krw: int
    supply_krw: int
    vat_krw: int
    total_krw: int
    is_paid: bool
    approval_number: str | None
    original_approval_number: str | None
    vendor: TaxParty
    buyer: TaxParty


def read_approval_number(text: str) -> str:
    """`20261125-10000000-0a1b2c3d` → 24 characters: a day, eight digits of who issued, a serial number.

    Raises InvalidApprovalNumber.
    """
    plain = re.sub(r"[\s\-]", "", text)
    try:
        if _APPROVAL.fullmatch(plain):
            date(int(plain[:4]), int(plain[4:6]), int(plain[6:8]))
            return plain
    except ValueError:
        pass
    raise InvalidApprovalNumber(text)


def form_rows(invoices: Iterable[TaxInvoice], *, corrections: bool) -> list[dict[str, str]]:
    """The rows of the bulk form for originals, or of the list of corrections."""
    return [_row(invoice) for invoice in invoices if (invoice.kind != "original") == corrections]


def _row(invoice: TaxInvoice) -> dict[str, str]:
    row = {
        "전자(세금)계산서 종류": "01",
        "작성일자": f"{invoice.written_on:%Y%m%d}",
        **_party("공급자", invoice.vendor, email="공급자 이메일"),
        **_party("공급받는자", invoice.buyer, email="공급받는자 이메일1"),
        "공급가액": str(invoice.supply_krw),
        "세액": str(invoice.vat_krw),
        "비고": f"{invoice.round_code} {invoice.invoice_number}",
        "일자1": f"{invoice.written_on:%d}",
        "품목1": invoice.item,
        "수량1": str(invoice.quantity) if invoice.quantity else "",
        "단가1": str(invoice.unit_price_krw) if invoice.quantity else "",
        "공급가액1": str(invoice.supply_krw),
        "세액1": str(invoice.vat_krw),
        "영수(01),청구(02)": "01" if invoice.is_paid else "02",
    }
    if invoice.kind != "original":
        row["수정사유"] = CORRECTION_REASONS[invoice.kind]
        row["당초 승인번호"] = invoice.original_approval_number or ""
    return row


def _party(role: str, party: TaxParty, *, email: str) -> dict[str, str]:
    return {
        f"{role} 등록번호": party.business_number.replace("-", ""),
        f"{role} 상호": party.name,
        f"{role} 성명": party.representative,
        f"{role} 사업장주소": party.address,
        f"{role} 업태": party.business_type,
        f"{role} 종목": party.business_item,
        email: party.email,
    }
