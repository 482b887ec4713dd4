"""Issue papers and read them: numbered by kind and year, versioned by subject, and never changed afterwards."""

from datetime import date, datetime
from typing import Final, Literal
from uuid import UUID

import asyncpg
import msgspec

from catalog.events import Actor, record_event
from group_buy.core.paper import PaperData, PaperKind, PaperSubject, Sum, paper_number
from group_buy.errors import IdReused, InvalidPaper, PaperNotFound, PaperRefused

PAPER_LOCK: Final = 7320
"""Class of the advisory lock under which papers of one kind are numbered."""

VERSIONS_MAX: Final = 50
PAPERS_OF_A_DAY_MAX: Final = 200
"""So many papers an organization issues in 24 hours."""
HTML_BYTES_MAX: Final = 512 * 1024
PAGE_SIZE: Final = 50
PAGES_MAX: Final = 200
SIGNED_FILES_MAX: Final = 10
TEXT_LETTERS_MAX: Final = {"intro": 1000, "terms": 4000, "footer": 1000}

COLUMNS: Final = """
    p.id, p.kind, p.number, p.version, p.subject, p.subject_id, p.total_krw, p.issued_at,
    o.name_ko AS issuer_ko, o.name_en AS issuer_en, p.owner_id, p.other_id, p.coordinator_id
"""


class PaperTexts(msgspec.Struct, frozen=True, kw_only=True):
    """The coordinator's words on papers of a kind, in both languages: plain text with line breaks."""

    kind: PaperKind
    version: int
    intro_ko: str
    intro_en: str
    terms_ko: str
    terms_en: str
    footer_ko: str
    footer_en: str
    at: datetime


class NewPaper(msgspec.Struct, frozen=True, kw_only=True):
    """A paper before it is numbered. `owner_id`: whose it is; `other_id` and `coordinator_id` may read it too."""

    id: UUID
    kind: PaperKind
    subject: PaperSubject
    subject_id: str
    owner_id: int
    data: PaperData
    sum: Sum | None = None
    other_id: int | None = None
    coordinator_id: int | None = None


class PaperHead(msgspec.Struct, frozen=True, kw_only=True):
    """What numbering gave a paper: its number, its version, its day in Korea, the words that go on it."""

    kind: PaperKind
    year: int
    serial: int
    number: str
    version: int
    issued_on: date
    issued_at: datetime
    issuer_ko: str
    issuer_en: str
    person: str
    texts: PaperTexts


class PaperEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A paper as a row of a list; won with VAT, None where a paper has no sum."""

    id: UUID
    kind: PaperKind
    number: str
    version: int
    subject: PaperSubject
    subject_id: str
    total_krw: int | None
    issued_at: datetime
    issuer_ko: str
    issuer_en: str
    owner_id: int
    other_id: int | None
    coordinator_id: int | None


class SignedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A signed copy that somebody brought."""

    file_id: UUID
    name: str
    size_bytes: int
    organization_ko: str
    organization_en: str
    at: datetime


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """A paper as it was issued. `html_*` are parts of a page, made by the site's own templates."""

    entry: PaperEntry
    html_ko: str
    html_en: str
    data: PaperData
    versions: int


class PaperPage(msgspec.Struct, frozen=True):
    """A page of papers, the newest first. `has_more`: there is another one."""

    papers: list[PaperEntry]
    page: int
    has_more: bool


async def find_repetition(conn: asyncpg.Connection, new_id: UUID, *, actor: Actor) -> PaperEntry | None:
    """The paper that this organization issued under this id before. Raises IdReused for another's."""
    row = await conn.fetchrow(
        f"""
        SELECT {COLUMNS}, p.issued_by FROM papers p JOIN organizations o ON o.id = p.issued_by WHERE p.id = $1
        """,
        new_id,
    )
    if row is None:
        return None
    *values, issued_by = row
    if issued_by != actor.organization_id:
        raise IdReused(new_id)
    return PaperEntry(**dict(zip(PaperEntry.__struct_fields__, values, strict=True)))


async def number_paper(conn: asyncpg.Connection, new: NewPaper, *, actor: Actor) -> PaperHead:
    """Take the next number, or the next version of the same subject's paper; the lock holds to the transaction's end.

    Raises PaperRefused `too_many`: the subject has VERSIONS_MAX versions, or the organization's day is full.
    """
    await conn.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", PAPER_LOCK, new.kind)
    row = await conn.fetchrow(
        """
        SELECT clock_timestamp(), (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date,
               (SELECT count(*) FROM papers WHERE issued_by = $1 AND issued_at > clock_timestamp() - interval '1 day'),
               o.name_ko, o.name_en, (SELECT name FROM people WHERE id = $2)
        FROM organizations o WHERE o.id = $1
        """,
        actor.organization_id,
        actor.person_id,
    )
    assert row is not None, "who issues papers is of an organization"
    now, today, count, issuer_ko, issuer_en, person = row
    last = await conn.fetchrow(
        """
        SELECT year, serial, number, version FROM papers
        WHERE kind = $1 AND subject = $2 AND subject_id = $3 AND owner_id = $4 ORDER BY version DESC LIMIT 1
        """,
        new.kind,
        new.subject,
        new.subject_id,
        new.owner_id,
    )
    if count >= PAPERS_OF_A_DAY_MAX or (last and last["version"] >= VERSIONS_MAX):
        raise PaperRefused("too_many")
    if last is None:
        serial = await conn.fetchval(
            "SELECT coalesce(max(serial), 0) + 1 FROM papers WHERE kind = $1 AND year = $2",
            new.kind,
            today.year,
        )
        year, number, version = today.year, paper_number(new.kind, year=today.year, serial=serial), 1
    else:
        year, serial, number, version = last["year"], last["serial"], last["number"], last["version"] + 1
    return PaperHead(
        kind=new.kind, year=year, serial=serial, number=number, version=version, issued_on=today, issued_at=now,
        issuer_ko=issuer_ko, issuer_en=issuer_en, person=person or "",
        texts=await get_texts(conn, new.kind),
    )  # fmt: skip


async def keep_paper(
    conn: asyncpg.Connection, head: PaperHead, new: NewPaper, *, html_ko: str, html_en: str, actor: Actor
) -> None:
    """Write down a numbered paper, with its event. Raises PaperRefused `too_large` above HTML_BYTES_MAX."""
    if max(len(html_ko.encode()), len(html_en.encode())) > HTML_BYTES_MAX:
        raise PaperRefused("too_large")
    total = new.sum
    assert total is None or total.total_krw == total.supply_krw + total.vat_krw
    await conn.execute(
        """
        INSERT INTO papers (id, kind, year, serial, version, number, subject, subject_id, owner_id, other_id,
            coordinator_id, text_version, supply_krw, vat_krw, total_krw, data, html_ko, html_en, person_id, issued_by,
            issued_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
        """,
        new.id,
        new.kind,
        head.year,
        head.serial,
        head.version,
        head.number,
        new.subject,
        new.subject_id,
        new.owner_id,
        new.other_id,
        new.coordinator_id,
        head.texts.version,
        total and total.supply_krw,
        total and total.vat_krw,
        total and total.total_krw,
        msgspec.to_builtins(new.data),
        html_ko,
        html_en,
        actor.person_id,
        actor.organization_id,
        head.issued_at,
    )
    await record_event(
        conn, kind="paper.issued", subject="paper", subject_id=head.number, actor=actor,
        version=head.version, of=f"{new.subject} {new.subject_id}",
    )  # fmt: skip


async def get_paper(
    conn: asyncpg.Connection, number: str, *, version: int | None, organization_id: int
) -> Paper:
    """Read a paper as one of its parties, the newest version if none is named. Raises PaperNotFound for others."""
    row = await conn.fetchrow(
        f"""
        SELECT {COLUMNS}, p.html_ko, p.html_en, p.data,
               (SELECT count(*) FROM papers v WHERE v.number = p.number)::integer AS versions
        FROM papers p JOIN organizations o ON o.id = p.issued_by
        WHERE p.number = $1 AND ($2::integer IS NULL OR p.version = $2)
          AND $3 IN (p.owner_id, p.other_id, p.coordinator_id)
        ORDER BY p.version DESC LIMIT 1
        """,
        number,
        version,
        organization_id,
    )
    if row is None:
        raise PaperNotFound(number)
    *values, html_ko, html_en, data, versions = row
    entry = PaperEntry(**dict(zip(PaperEntry.__struct_fields__, values, strict=True)))
    return Paper(
        entry=entry,
        html_ko=html_ko,
        html_en=html_en,
        data=msgspec.convert(data, PaperData),
        versions=versions,
    )


async def list_papers(
    conn: asyncpg.Connection,
    *,
    organization_id: int,
    kind: PaperKind | None = None,
    subject: PaperSubject | None = None,
    subject_id: str | None = None,
    page: int = 1,
) -> PaperPage:
    """List the papers that an organization may read, the newest first; only of a kind or a subject if given."""
    page = min(max(page, 1), PAGES_MAX)
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS} FROM papers p JOIN organizations o ON o.id = p.issued_by
        WHERE (p.owner_id = $1 OR p.other_id = $1 OR p.coordinator_id = $1) AND ($2::text IS NULL OR p.kind = $2)
          AND ($3::text IS NULL OR (p.subject = $3 AND p.subject_id = $4))
        ORDER BY p.issued_at DESC, p.id LIMIT $5 OFFSET $6
        """,
        organization_id,
        kind,
        subject,
        subject_id,
        PAGE_SIZE + 1,
        (page - 1) * PAGE_SIZE,
    )
    found = [PaperEntry(**dict(row)) for row in rows]
    return PaperPage(found[:PAGE_SIZE], page, has_more=len(found) > PAGE_SIZE and page < PAGES_MAX)


async def keep_signed_file(
    conn: asyncpg.Connection, paper: PaperEntry, *, file_id: UUID, actor: Actor
) -> None:
    """Keep a signed copy of a contract; the same file again is one. Raises PaperRefused."""
    if paper.kind != "contract" or actor.organization_id not in {paper.owner_id, paper.other_id}:
        raise PaperRefused("not_a_contract")
    await conn.execute(
        "INSERT INTO paper_files (paper_id, file_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        paper.id,
        file_id,
    )
    count = await conn.fetchval("SELECT count(*) FROM paper_files WHERE paper_id = $1", paper.id)
    if count > SIGNED_FILES_MAX:
        raise PaperRefused("too_many")
    await record_event(
        conn, kind="paper.signed", subject="paper", subject_id=paper.number, actor=actor,
        version=paper.version, file=str(file_id),
    )  # fmt: skip


async def list_signed_files(conn: asyncpg.Connection, *, paper_id: UUID) -> list[SignedFile]:
    """List the signed copies of a paper in the order in which they came."""
    rows = await conn.fetch(
        """
        SELECT x.file_id, f.name, f.size_bytes, o.name_ko AS organization_ko, o.name_en AS organization_en, x.at
        FROM paper_files x JOIN files f ON f.id = x.file_id JOIN organizations o ON o.id = f.organization_id
        WHERE x.paper_id = $1 ORDER BY x.at
        """,
        paper_id,
    )
    return [SignedFile(**dict(row)) for row in rows]


TEXTS: Final = """
    SELECT DISTINCT ON (kind) kind, version, intro_ko, intro_en, terms_ko, terms_en, footer_ko, footer_en, at
    FROM paper_texts WHERE $1::text IS NULL OR kind = $1 ORDER BY kind, version DESC
"""


async def get_texts(conn: asyncpg.Connection, kind: PaperKind) -> PaperTexts:
    """The newest words on papers of a kind; every kind has some."""
    row = await conn.fetchrow(TEXTS, kind)
    assert row is not None, "the migration wrote a first version of each kind"
    return PaperTexts(**dict(row))


async def list_texts(conn: asyncpg.Connection) -> list[PaperTexts]:
    """The newest words on papers of every kind."""
    return [PaperTexts(**dict(row)) for row in await conn.fetch(TEXTS, None)]


async def change_texts(
    conn: asyncpg.Connection, kind: PaperKind, *, version: int, words: dict[str, str], actor: Actor
) -> bool:
    """Write the version after `version`; papers issued before keep theirs. False = nothing is different.

    Raises:
        InvalidPaper: a text is too long.
        PaperRefused: `text_changed`, somebody wrote another version meanwhile.
    """
    for name, text in words.items():
        letters_max = TEXT_LETTERS_MAX[name.partition("_")[0]]
        if len(text) > letters_max:
            raise InvalidPaper(f"/{name}", f"at most {letters_max} letters")
    now = await get_texts(conn, kind)
    if all(getattr(now, name) == text for name, text in words.items()):
        return False
    written: Literal[1] | None = await conn.fetchval(
        """
        INSERT INTO paper_texts (kind, version, intro_ko, intro_en, terms_ko, terms_en, footer_ko, footer_en, person_id)
        SELECT $1, $2 + 1, $3, $4, $5, $6, $7, $8, $9
        WHERE $2 = (SELECT max(version) FROM paper_texts WHERE kind = $1)
        ON CONFLICT DO NOTHING RETURNING 1
        """,
        kind,
        version,
        words["intro_ko"],
        words["intro_en"],
        words["terms_ko"],
        words["terms_en"],
        words["footer_ko"],
        words["footer_en"],
        actor.person_id,
    )
    if written is None:
        raise PaperRefused("text_changed")
    await record_event(
        conn, kind="paper.text_changed", subject="paper", subject_id=kind, actor=actor, version=version + 1
    )
    return True
