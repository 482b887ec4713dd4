"""Papers for their parties: issued by a button, kept with number and version, read, printed and taken along as PDF."""

from pathlib import PurePosixPath
from typing import Any, Final, cast, get_args
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import asyncpg
from litestar import Response, get, post
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath
from markupsafe import Markup

from catalog.events import Actor
from catalog.reference_data import PROGRAMS
from group_buy.core.paper import PaperKind, PaperSubject
from group_buy.errors import InvalidPaper, PaperRefused
from group_buy.orders import get_order
from group_buy.papers import (
    NewPaper,
    Paper,
    find_repetition,
    get_paper,
    keep_paper,
    keep_signed_file,
    list_papers,
    list_signed_files,
    number_paper,
)
from group_buy.pledging import get_pledge
from group_buy.transactions import transaction
from marketplace.accounts.access import Audience, CurrentUser, belongs_to
from marketplace.deps import AnyRequest, Conn, Pool, User, signed_in
from marketplace.uploads import FileRefused, keep_pdf, read_pdf
from marketplace.web.forms import Form, read_form
from marketplace.web.i18n import LANG, gettext
from marketplace.web.labels import label
from marketplace.web.pages.paper_texts import PAPER_TEXT_PAGES, paper_sentence
from marketplace.web.paper_comparison import read_comparison_paper
from marketplace.web.paper_pdf import PdfUnavailable, may_write_pdf, write_pdf
from marketplace.web.paper_reading import (
    ApprovalWish,
    read_approval,
    read_contract,
    read_delivered,
    read_inspected,
    read_quotation,
)
from marketplace.web.paper_rendering import render_paper
from marketplace.web.pdf_answers import pdf_response
from marketplace.web.render import page_response, see_other

KINDS: Final[tuple[PaperKind, ...]] = get_args(PaperKind)
ISSUERS: Final[dict[PaperKind, tuple[Audience, ...]]] = {
    "quotation": ("buyer",),
    "comparison": ("buyer",),
    "approval": ("buyer",),
    "contract": ("buyer", "lister"),
    "delivery": ("lister",),
    "inspection": ("buyer",),
}
"""Who issues papers of a kind; whose pledge, order or offer it may be about, the statements decide."""

UPLOAD_BYTES_MAX: Final = 11 * 2**20
COMPARISON_LETTERS_MAX: Final = 4000


def _section(me: CurrentUser) -> str:
    return {"factory": "my", "vendor": "vendor", "coordinator": "coordinator"}.get(me.organization_kind, "")


@get("/my/papers", opt={"audience": "member"}, include_in_schema=False)
async def papers_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """List the papers that one's organization issued or may read."""
    me = signed_in(user)
    asked = request.query_params.get("kind", "")
    kind = cast("PaperKind", asked) if asked in KINDS else None
    number = request.query_params.get("page", "1")
    page = int(number) if number.isascii() and number.isdecimal() and len(number) <= 3 else 1
    found = await list_papers(conn, organization_id=me.organization_id, kind=kind, page=page)
    query = f"kind={kind or ''}&page="
    return page_response(
        request,
        "papers.html",
        section=_section(me),
        papers=found.papers,
        kind=kind,
        kinds=KINDS,
        pages={
            "number": found.page,
            "previous_href": f"?{query}{found.page - 1}" if found.page > 1 else None,
            "next_href": f"?{query}{found.page + 1}" if found.has_more else None,
        },
    )


async def _approval_page(
    request: AnyRequest, conn: asyncpg.Connection, me: CurrentUser, *, subject: PaperSubject, subject_id: str,
    errors: dict[str, str] | None = None, values: dict[str, str] | None = None, status: int = 200,
) -> Response[str]:  # fmt: skip
    if subject == "order":
        await get_order(conn, subject_id, organization_id=me.organization_id)
    else:
        await get_pledge(conn, _pledge_id(subject_id), buyer_id=me.organization_id)
    own = me.organization_id
    comparisons = await list_papers(conn, organization_id=own, kind="comparison")
    before = await list_papers(
        conn, organization_id=own, kind="approval", subject=subject, subject_id=subject_id
    )
    return page_response(
        request,
        "approval_form.html",
        status_code=status,
        section="my",
        subject=subject,
        subject_id=subject_id,
        paper_id=str(uuid4()),
        programs=PROGRAMS.subsidy,
        comparisons=list({each.number: each for each in reversed(comparisons.papers)}.values())[::-1],
        papers=before.papers,
        errors=errors or {},
        values=values or {},
    )


def _pledge_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundException("no such pledge") from None


def _subject(text: str) -> PaperSubject:
    return "order" if text == "order" else "pledge"


@get("/papers/new", opt={"audience": "buyer"}, include_in_schema=False)
async def approval_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """The form of a 품의서 for the pledge or order that the address names."""
    query = request.query_params
    subject, subject_id = _subject(query.get("subject", "")), query.get("id", "")[:100]
    return await _approval_page(request, conn, signed_in(user), subject=subject, subject_id=subject_id)


async def _read_new(conn: asyncpg.Connection, kind: PaperKind, form: Form, actor: Actor) -> NewPaper:
    paper_id, subject_id = form.uuid("paper_id"), form.text("subject_id")[:COMPARISON_LETTERS_MAX]
    match kind:
        case "approval":
            wish = ApprovalWish(
                need=form.text("need"),
                subsidy=form.optional("subsidy"),
                comparison=form.optional("comparison"),
            )
            subject = _subject(form.text("subject"))
            return await read_approval(
                conn, paper_id=paper_id, subject=subject, subject_id=subject_id, wish=wish, actor=actor
            )
        case "quotation":
            quantity = form.whole("quantity", 1, 10**6)
            if quantity is None:
                raise InvalidPaper("/quantity", "a whole number of units")
            return await read_quotation(
                conn, paper_id=paper_id, offer_code=subject_id, quantity=quantity, actor=actor
            )
        case "comparison":
            fields = parse_qsl(subject_id)
            ids = [value for name, value in fields if name == "id"]
            return await read_comparison_paper(
                conn, paper_id=paper_id, ids=ids, query=dict(fields), actor=actor
            )
        case "contract":
            return await read_contract(conn, paper_id=paper_id, number=subject_id, actor=actor)
        case "delivery":
            return await read_delivered(conn, paper_id=paper_id, number=subject_id, actor=actor)
        case "inspection":
            return await read_inspected(conn, paper_id=paper_id, number=subject_id, actor=actor)


async def _issue(conn: asyncpg.Connection, kind: PaperKind, form: Form, actor: Actor) -> str:
    """Issue a paper and answer its path; the same press twice is one paper."""
    before = await find_repetition(conn, form.uuid("paper_id"), actor=actor)
    if before is not None:
        return f"/papers/{before.number}/{before.version}"
    new = await _read_new(conn, kind, form, actor)
    head = await number_paper(conn, new, actor=actor)
    html_ko, html_en = render_paper(head, new.data)
    await keep_paper(conn, head, new, html_ko=html_ko, html_en=html_en, actor=actor)
    return f"/papers/{head.number}/{head.version}"


@post("/papers", opt={"audience": "member"}, include_in_schema=False)
async def paper_submit(request: AnyRequest, pool: Pool, user: User) -> Response[Any]:
    """Issue a paper of the form's kind: all of it or, with the reason said, nothing."""
    me, form = signed_in(user), await read_form(request)
    kind = form.text("kind")
    if kind not in KINDS:
        raise NotFoundException("no such kind of paper")
    if not any(belongs_to(user, audience) for audience in ISSUERS[kind]):
        raise PermissionDeniedException(f"this is for: {', '.join(ISSUERS[kind])}")
    try:
        async with transaction(pool) as conn:
            path = await _issue(conn, kind, form, me.actor)
    except (PaperRefused, InvalidPaper) as error:
        status = 400 if isinstance(error, InvalidPaper) else 409
        return await _refused(request, pool, me, form, error, status=status)
    return see_other(path, notice="paper-issued")


async def _refused(
    request: AnyRequest, pool: Pool, me: CurrentUser, form: Form, error: PaperRefused | InvalidPaper, *, status: int
) -> Response[Any]:  # fmt: skip
    sentence = paper_sentence(error)
    if form.text("kind") == "approval":
        field = error.pointer.removeprefix("/") if isinstance(error, InvalidPaper) else "form"
        async with pool.acquire() as conn:
            return await _approval_page(
                request, cast("asyncpg.Connection", conn), me, subject=_subject(form.text("subject")),
                subject_id=form.text("subject_id"), errors={field: sentence}, values=form.texts, status=status,
            )  # fmt: skip
    return page_response(request, "error.html", status_code=status, status=status, detail=sentence)


async def _shown(
    request: AnyRequest, conn: asyncpg.Connection, me: CurrentUser, paper: Paper, *, error: str | None = None,
    status: int = 200,
) -> Response[str]:  # fmt: skip
    entry = paper.entry
    html = paper.html_en if LANG.get() == "en" else paper.html_ko
    backs = {"order": f"/orders/{entry.subject_id}", "pledge": "/my/pledges"}
    return page_response(
        request,
        "paper.html",
        status_code=status,
        section=_section(me),
        paper=paper,
        html=Markup(html),  # noqa: S704 - written by the site's own templates when it was issued
        files=await list_signed_files(conn, paper_id=entry.id) if entry.kind == "contract" else [],
        may_sign=me.organization_id in {entry.owner_id, entry.other_id},
        may_pdf=may_write_pdf(),
        back=backs.get(entry.subject),
        errors={"file": error} if error else {},
    )


@get("/papers/{number:str}", opt={"audience": "member"}, include_in_schema=False)
async def newest_page(request: AnyRequest, number: FromPath[str], conn: Conn, user: User) -> Response[str]:
    """Show the newest version of a paper."""
    me = signed_in(user)
    paper = await get_paper(conn, number, version=None, organization_id=me.organization_id)
    return await _shown(request, conn, me, paper)


@get("/papers/{number:str}/{version:int}", opt={"audience": "member"}, include_in_schema=False)
async def paper_page(
    request: AnyRequest, number: FromPath[str], version: FromPath[int], conn: Conn, user: User
) -> Response[str]:
    """Show a version of a paper as it was issued."""
    me = signed_in(user)
    if version >= 2**31:
        raise NotFoundException("no such version")
    paper = await get_paper(conn, number, version=version, organization_id=me.organization_id)
    return await _shown(request, conn, me, paper)


@get("/papers/{number:str}/{version:int}/pdf", opt={"audience": "member"}, include_in_schema=False)
async def paper_pdf(
    request: AnyRequest, number: FromPath[str], version: FromPath[int], pool: Pool, user: User
) -> Response[Any]:
    """A paper as PDF, in the language of the address; no connection is held while it is laid out."""
    async with pool.acquire() as conn:
        paper = await get_paper(
            cast("asyncpg.Connection", conn),
            number,
            version=version,
            organization_id=signed_in(user).organization_id,
        )
    lang = LANG.get()
    html = paper.html_en if lang == "en" else paper.html_ko
    title = f"{label('paper_kind', paper.entry.kind)} {number}"
    try:
        content = await write_pdf(html, title=title, lang=lang)
    except PdfUnavailable:
        return see_other(f"/papers/{number}/{version}")
    return pdf_response(f"{title}-{version}.pdf", content)


@post(
    "/papers/{number:str}/{version:int}/signed",
    opt={"audience": "member"},
    include_in_schema=False,
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def signed_submit(
    request: AnyRequest, number: FromPath[str], version: FromPath[int], pool: Pool, user: User
) -> Response[Any]:
    """Keep the signed copy of a contract."""
    me, form = signed_in(user), await read_form(request)
    if not (belongs_to(user, "buyer") or belongs_to(user, "lister")):
        raise PermissionDeniedException("this is for: buyer, lister")
    upload = form.uploads.get("file")
    try:
        async with transaction(pool) as conn:
            paper = await get_paper(conn, number, version=version, organization_id=me.organization_id)
            if upload is None:
                raise FileRefused(reason="empty")
            if PurePosixPath(upload.name).suffix.lower() != ".pdf":
                raise FileRefused(reason="not_what_its_name_says")
            file_id = await keep_pdf(conn, name=upload.name, content=upload.content, actor=me.actor)
            await keep_signed_file(conn, paper.entry, file_id=file_id, actor=me.actor)
    except (FileRefused, PaperRefused) as error:
        sentence = {
            "empty": gettext("PDF 파일을 고르세요."),
            "too_large": gettext("파일은 10 MiB까지입니다."),
            "not_a_contract": gettext("계약서에만, 계약 당사자가 올릴 수 있습니다."),
            "too_many": gettext("계약서 하나에 열 개까지 올릴 수 있습니다."),
        }.get(error.reason, gettext("내용이 PDF가 아니거나 이름이 .pdf로 끝나지 않습니다."))
        status = 400 if isinstance(error, FileRefused) else 409
        async with pool.acquire() as conn:
            paper = await get_paper(
                cast("asyncpg.Connection", conn), number, version=version, organization_id=me.organization_id
            )
            return await _shown(
                request, cast("asyncpg.Connection", conn), me, paper, error=sentence, status=status
            )
    return see_other(f"/papers/{number}/{version}", notice="paper-signed")


@get(
    "/papers/{number:str}/{version:int}/signed/{file_id:uuid}",
    opt={"audience": "member"},
    include_in_schema=False,
)
async def signed_file(
    number: FromPath[str], version: FromPath[int], file_id: FromPath[UUID], conn: Conn, user: User
) -> Response[bytes]:
    """Hand out a signed copy to the contract's parties and the coordinator."""
    organization_id = signed_in(user).organization_id
    paper = await get_paper(conn, number, version=version, organization_id=organization_id)
    files = await list_signed_files(conn, paper_id=paper.entry.id)
    found = await read_pdf(conn, file_id=file_id) if file_id in {file.file_id for file in files} else None
    if found is None:
        raise NotFoundException("no such file")
    return pdf_response(*found)


PAPER_PAGES = [
    papers_page,
    approval_page,
    paper_submit,
    newest_page,
    paper_page,
    paper_pdf,
    signed_submit,
    signed_file,
    *PAPER_TEXT_PAGES,
]
