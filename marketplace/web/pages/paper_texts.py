"""The coordinator's words on papers of each kind, and what is said where a paper is refused."""

from typing import Any, Final, cast, get_args

import asyncpg
from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from group_buy.core.paper import PaperKind
from group_buy.errors import InvalidPaper, PaperRefused
from group_buy.papers import change_texts, list_texts
from group_buy.transactions import transaction
from marketplace.deps import AnyRequest, Conn, Pool, User, signed_in
from marketplace.web.forms import read_form
from marketplace.web.i18n import gettext
from marketplace.web.render import page_response, see_other

KINDS: Final[tuple[PaperKind, ...]] = get_args(PaperKind)
WORDS: Final = ("intro_ko", "intro_en", "terms_ko", "terms_en", "footer_ko", "footer_en")


def paper_sentence(error: PaperRefused | InvalidPaper) -> str:
    """What to do about it, in the language of the page."""
    if isinstance(error, InvalidPaper):
        return {
            "need": gettext("왜 사는지 1자에서 1,000자 사이로 적으세요."),
            "subsidy": gettext("목록에 있는 지원 사업을 고르세요."),
            "comparison": gettext("우리 기업이 발행한 비교견적을 고르세요."),
            "quantity": gettext("수량은 1부터 공급 한도까지의 정수로 적으세요."),
        }.get(error.pointer.removeprefix("/"), gettext("글이 너무 깁니다. 줄여 주세요."))
    return {
        "buys_nothing": gettext("단가 한도가 모든 단계보다 낮아 살 것이 없습니다. 약정의 한도를 확인하세요."),
        "withdrawn": gettext("철회한 약정입니다."),
        "fell_away": gettext("수량이 없어진 주문입니다."),
        "offer_ended": gettext("유효 기간이 끝난 공급 조건입니다. 공급기업에 새 조건을 물어보세요."),
        "nothing_delivered": gettext("아직 납품한 것이 없습니다. 납품을 기록한 뒤 발행하세요."),
        "nothing_inspected": gettext("아직 검수한 것이 없습니다. 검수 결과를 적은 뒤 발행하세요."),
        "too_few": gettext("비교할 것을 두 개 이상 고르세요."),
        "too_many": gettext("같은 대상은 50판까지, 하루에는 200건까지 발행할 수 있습니다."),
        "too_large": gettext("문서가 너무 깁니다. 비교할 것을 줄이세요."),
        "text_changed": gettext(
            "그사이 다른 사람이 새 판을 저장했습니다. 아래 글을 확인하고 다시 저장하세요."
        ),
    }.get(error.reason, gettext("이 문서에는 할 수 없는 일입니다."))


@get("/coordinator/papers", opt={"audience": "operator"}, include_in_schema=False)
async def texts_page(request: AnyRequest, conn: Conn) -> Response[str]:
    """The words on papers of each kind, to be changed."""
    texts = await list_texts(conn)
    return page_response(request, "paper_texts.html", section="coordinator", texts=texts, edited=None)


@post("/coordinator/papers/{kind:str}", opt={"audience": "operator"}, include_in_schema=False)
async def texts_submit(request: AnyRequest, kind: FromPath[str], pool: Pool, user: User) -> Response[Any]:
    """Write the next version of the words on papers of a kind."""
    form = await read_form(request)
    if kind not in KINDS:
        raise NotFoundException("no such kind of paper")
    words = {name: form.text(name) for name in WORDS}
    version = form.whole("version", 1, 10**6) or 0
    try:
        async with transaction(pool) as conn:
            is_new = await change_texts(conn, kind, version=version, words=words, actor=signed_in(user).actor)
    except (InvalidPaper, PaperRefused) as error:
        field = error.pointer.removeprefix("/") if isinstance(error, InvalidPaper) else "form"
        status = 400 if isinstance(error, InvalidPaper) else 409
        async with pool.acquire() as conn:
            texts = await list_texts(cast("asyncpg.Connection", conn))
        return page_response(
            request, "paper_texts.html", status_code=status, section="coordinator", texts=texts, edited=kind,
            errors={field: paper_sentence(error)}, values=form.texts,
        )  # fmt: skip
    notice = "paper-texts-saved" if is_new else "listing-unchanged"
    return see_other("/coordinator/papers", notice=notice)


PAPER_TEXT_PAGES = [texts_page, texts_submit]
