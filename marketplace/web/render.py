"""Render a page: the template, what every page shows, and the visitor's notice."""

from functools import cache
from typing import Any
from urllib.parse import quote

import jinja2
from litestar import MediaType, Response
from litestar.response import Redirect
from litestar.template.base import csrf_token

from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest
from marketplace.web.i18n import gettext, url
from marketplace.web.labels import N_
from marketplace.web.templates import create_environment

NOTICES = {
    "pledge-placed": N_("약정을 접수했습니다."),
    "pledge-withdrawn": N_("약정을 철회했습니다."),
    "pledge-transfer": N_("계좌이체로 바꾸었습니다."),
    "card-ready": N_("카드를 등록했습니다. 마감 때 보증금만 승인합니다."),
    "card-failed": N_("카드를 등록하지 못했습니다. 다른 카드를 쓰거나 계좌이체를 고르세요."),
    "card-waiting": N_("카드사의 확인을 기다리고 있습니다. 잠시 뒤 다시 확인하세요."),
    "funding-verified": N_("입금을 확인했습니다. 이제 이 약정이 집계됩니다."),
    "charge-retried": N_("다시 시도합니다."),
    "payment-held": N_("보증금을 승인했습니다. 약정이 유지됩니다."),
    "payment-taken": N_("결제했습니다."),
    "payment-failed": N_("카드사가 거절했습니다. 다른 카드를 쓰세요."),
    "payment-waiting": N_("카드사의 확인을 기다리고 있습니다. 잠시 뒤 다시 확인하세요."),
    "payment-not-ready": N_("카드 결제를 준비하고 있습니다. 몇 초 뒤에 ‘지금 결제’를 다시 누르세요."),
    "payment-not-needed": N_("지금은 낼 것이 없습니다."),
    "payment-split": N_("카드 한 번의 한도를 넘어 같은 금액으로 나누었습니다. 하나씩 결제하세요."),
    "refund-by-transfer": N_("계좌이체 환불로 바꾸었습니다."),
    "charge-received": N_("입금을 기록했습니다."),
    "refund-paid": N_("환불 송금을 기록했습니다."),
    "tax-drawn-up": N_("세금계산서 행을 만들었습니다."),
    "tax-up-to-date": N_("새로 만들 행이 없습니다."),
    "approval-kept": N_("승인번호를 적었습니다."),
    "guarantee-recorded": N_("보증서를 기록했습니다."),
    "guarantee-ended": N_("보증서를 더 쓰지 않습니다."),
    "sponsorship-made": N_("후원을 제안하고 후원 기업에 알렸습니다. 확인해야 효력이 생깁니다."),
    "sponsorship-confirmed": N_("후원을 확인했습니다. 회차가 성사되면 낼 금액이 정해집니다."),
    "sponsorship-revoked": N_("후원을 거두었습니다."),
    "sponsorship-released": N_("내지 않은 후원금을 면제하고 대상 공장에 알렸습니다."),
    "payout-made": N_("지급 파일을 만들었습니다."),
    "payout-nothing": N_("지급할 것이 없거나 받을 계좌가 없습니다."),
    "bank-assigned": N_("입금을 맞추었습니다."),
    "bank-marked": N_("처리했습니다. 언제든 되돌릴 수 있습니다."),
    "round-closing": N_("마감했습니다. 보증금을 확인한 뒤 성사 여부를 판정합니다."),
    "round-canceled": N_("회차를 취소했습니다."),
    "round-opened": N_("회차를 열었습니다."),
    "announced": N_("공지를 올리고 참여 공장에 알렸습니다."),
    "auditor-named": N_("감사인을 지정했습니다."),
    "lapse-recorded": N_("결제 실패를 기록하고 회차를 다시 판정했습니다."),
    "round-ordered": N_("발주를 기록하고 참여 공장에 알렸습니다."),
    "round-settled": N_("정산을 마쳤습니다."),
    "delivery-recorded": N_("납품을 기록하고 배정과 환불을 계산했습니다."),
    "quote-recorded": N_("견적을 기록하고 공장에 알렸습니다."),
    "consent-answered": N_("답을 받았습니다."),
    "survey-answered": N_("답을 받았습니다."),
    "substitutes-kept": N_("차순위 회차를 저장했습니다."),
    "substitutes-withdrawn": N_("차순위 회차를 거두었습니다. 배정이 없으면 약정이 끝납니다."),
    "single-placed": N_("단독 구매를 접수했습니다. 공급기업이 확인하면 알려 드립니다."),
    "single-confirmed": N_("단독 구매를 확인하고 알렸습니다."),
    "single-canceled": N_("단독 구매를 취소했습니다."),
    "single-over": N_("단독 구매 기한이 지났거나 이 회차의 참여 공장이 아닙니다. 바뀐 것은 없습니다."),
    "single-quantity": N_("수량은 1부터 공급 한도까지의 정수로 적으세요. 바뀐 것은 없습니다."),
    "demand-kept": N_("수요를 저장했습니다. 맞는 회차가 열리면 알려 드립니다."),
    "demand-withdrawn": N_("수요를 거두었습니다."),
    "rounds-scheduled": N_("회차를 예약했습니다."),
    "schedule-refused": N_(
        "시작은 0~365일 뒤, 간격은 1~365일, 횟수는 1~24회로 적으세요. 바뀐 것은 없습니다."
    ),
    "signed-out": N_("로그아웃했습니다."),
    "demand-saved": N_("요청을 남겼습니다."),
    "import-stopping": N_("멈추는 중입니다. 자료는 그대로입니다."),
    "image-added": N_("사진을 올렸습니다."),
    "image-removed": N_("사진을 내렸습니다."),
    "import-applied": N_("파일을 반영했습니다."),
    "origin-claimed": N_(
        "원산지 주장을 제출했습니다. 사무국이 확인하기 전까지는 ‘주장만 있음’으로 표시됩니다."
    ),
    "origin-withdrawn": N_("원산지 주장을 거두었습니다."),
    "origin-verified": N_("원산지 주장을 확인했습니다."),
    "origin-challenged": N_("이의를 접수했습니다. 사무국이 심사합니다."),
    "challenge-decided": N_("이의에 대한 결정을 기록했습니다."),
    "reason-needed": N_("이유를 적어야 합니다. 아무것도 바뀌지 않았습니다."),
    "evidence-saved": N_("저장했습니다."),
    "registered": N_("등록 신청을 받았습니다. 아래 요건을 채우면 사무국이 승인합니다."),
    "answer-kept": N_("답을 받았습니다."),
    "profile-saved": N_("기업 정보를 저장했습니다."),
    "draft-saved": N_("작성 중인 내용을 보관했습니다."),
    "draft-dropped": N_("작성 중인 내용을 지웠습니다."),
    "listing-published": N_("등록하고 공개했습니다. 빠진 것은 천천히 채워도 됩니다."),
    "listing-retired": N_("내렸습니다. 다시 올릴 수 있습니다."),
    "listing-unchanged": N_("바뀐 것이 없습니다."),
    "listing-written": N_("반영했습니다."),
    "listing-requested": N_("변경 요청을 보냈습니다. 사무국이 확인하면 반영됩니다."),
    "change-withdrawn": N_("변경 요청을 거두었습니다."),
    "change-approved": N_("변경을 반영하고 공급기업에 알렸습니다."),
    "changes-approved": N_("고른 변경을 모두 반영하고 공급기업에 알렸습니다."),
    "changes-left": N_("고른 변경을 반영했습니다. 반영할 수 없는 요청은 남겨 두었으니 하나씩 확인하세요."),
    "changes-none": N_("고른 요청이 없습니다. 아무것도 바뀌지 않았습니다."),
    "change-declined": N_("변경을 거절하고 사유를 알렸습니다."),
    "question-asked": N_("질문을 보냈습니다. 답변이 달리면 알려 드립니다."),
    "question-answered": N_("답변을 공개했습니다."),
    "question-hidden": N_("질문을 가렸습니다."),
    "invited": N_("초대했습니다."),
    "uninvited": N_("초대를 거두었습니다."),
    "reference-added": N_("도입 공장을 더했습니다."),
    "reference-removed": N_("도입 공장을 뺐습니다."),
    "vendor-changed": N_("공급기업의 상태를 바꾸고 알렸습니다."),
    "decided": N_("결정을 기록하고 알렸습니다."),
    "requirement-set": N_("요건을 저장했습니다."),
    "requirement-retired": N_("요건을 더 묻지 않습니다."),
    "exempt-saved": N_("바로 반영되는 항목을 저장했습니다."),
    "recommended": N_("권장 표시를 붙였습니다."),
    "recommendation-withdrawn": N_("권장 표시를 뗐습니다."),
    "order-confirm": N_("주문을 확정하고 구매기업에 알렸습니다."),
    "order-deliver": N_("납품을 기록하고 구매기업에 알렸습니다."),
    "order-install": N_("설치·시운전을 기록하고 구매기업에 검수를 청했습니다."),
    "order-inspect": N_("검수 결과를 기록하고 공급기업에 알렸습니다."),
    "order-close": N_("주문을 종료했습니다."),
    "order-said": N_("메시지를 남겼습니다."),
    "paper-issued": N_("문서를 발행했습니다. 이제 바뀌지 않습니다."),
    "paper-signed": N_("서명한 계약서를 보관했습니다."),
    "paper-texts-saved": N_("새 판을 저장했습니다. 이제부터 발행하는 문서에 실립니다."),
    "all-read": N_("모두 읽음으로 표시했습니다."),
}
"""Sentences shown once on top of a page after something was done, by the code in `?notice=`."""


@cache
def environment() -> jinja2.Environment:
    """The site's templates, compiled once."""
    return create_environment()


def page_response(
    request: AnyRequest, template: str, *, status_code: int = 200, **context: Any
) -> Response[str]:
    """Render a template with what `base.html` needs and answer it as HTML."""
    user: CurrentUser | None = request.scope.get("user")
    notice = NOTICES.get(request.query_params.get("notice", ""))
    shown = {
        "user": user,
        "csrf_token": csrf_token({"request": request}),
        "is_demo": request.app.state.settings.is_demo,
        "notice": None if notice is None else gettext(notice),
    }
    html = environment().get_template(template).render(shown | context)
    return Response(
        html, status_code=status_code, media_type=MediaType.HTML, headers={"cache-control": "no-store"}
    )


def see_other(path: str, *, notice: str | None = None) -> Redirect:
    """Send the browser on after a POST (303), in its language, with a notice to show there."""
    if notice is not None:
        path += f"{'&' if '?' in path else '?'}notice={notice}"
    return Redirect(url(path), status_code=303)


def redirect_to_sign_in(request: AnyRequest) -> Redirect:
    """Send a visitor to sign in and back to the page they wanted."""
    wanted = request.scope["path"] if request.method == "GET" else "/"
    if request.method == "GET" and request.url.query:
        wanted += f"?{request.url.query}"
    return Redirect(url(f"/sign-in?next={quote(wanted, safe='')}"), status_code=303)


def safe_next(path: str) -> str:
    """A path of this site to go on to; anything else becomes the front page (no open redirect)."""
    is_ours = (
        path.startswith("/") and not path.startswith(("//", "/\\")) and "\n" not in path and "\r" not in path
    )
    return path if is_ours else "/"
