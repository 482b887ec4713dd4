"""What products say they support, and what came out of public R&D: read with their evidence, filed by the lister."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from catalog.core.standard import (
    DECLARABLE,
    SPOKEN_SPECS,
    STANDARDS,
    StandardEvidence,
    SupportedStandard,
    stated_protocols,
)
from catalog.core.viewer import Viewer
from catalog.errors import EvidenceRefused, ProductNotFound
from catalog.events import Actor, record_event

CODES_MAX: Final = 200


class ResearchOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """That a product came out of a public R&D project (S19): its number and the document that says so."""

    project_id: str
    program_ko: str
    program_en: str
    document_title: str


class _Read(msgspec.Struct, frozen=True):
    code: str
    filed: tuple[SupportedStandard, ...]
    texts: tuple[str, ...]


async def list_supported_standards(
    conn: asyncpg.Connection, *, codes: Sequence[str]
) -> Mapping[str, tuple[SupportedStandard, ...]]:
    """What each product supports, by product code: what was filed, then what its specifications merely state.

    Visibility is the caller's matter: ask for codes of products that the viewer was shown.
    """
    rows = await conn.fetch(
        """
        SELECT json_build_object(
            'code', p.code,
            'filed', coalesce((
                SELECT json_agg(json_build_object(
                    'standard', s.standard, 'evidence', s.evidence, 'reference', s.reference,
                    'issuer', s.issuer, 'valid_until', s.valid_until,
                    'has_file', s.evidence_file_id IS NOT NULL) ORDER BY s.standard)
                FROM product_standards s WHERE s.product_id = p.id), '[]'::json),
            'texts', coalesce((
                SELECT json_agg(x.text) FROM product_specs x
                WHERE x.product_id = p.id AND x.code = ANY ($2::text[]) AND x.text IS NOT NULL), '[]'::json))::text
        FROM products p WHERE p.code = ANY ((SELECT $1::text[])::text[])
        """,
        list(dict.fromkeys(codes))[:CODES_MAX],
        list(SPOKEN_SPECS),
    )
    found = [msgspec.json.decode(row[0], type=_Read) for row in rows]
    return {product.code: _with_stated(product) for product in found}


def _with_stated(product: _Read) -> tuple[SupportedStandard, ...]:
    filed = {support.standard for support in product.filed}
    stated = sorted(stated_protocols(product.texts) - filed)
    return (*product.filed, *(SupportedStandard(standard=code, evidence="stated") for code in stated))


async def file_standard(
    conn: asyncpg.Connection,
    *,
    product_code: str,
    standard: str,
    evidence: StandardEvidence,
    viewer: Viewer,
    actor: Actor,
    reference: str = "",
    issuer: str = "",
    valid_until: date | None = None,
    evidence_file_id: UUID | None = None,
) -> None:
    """State that one's own product supports a standard; a report or certificate needs its number and issuer.

    Raises ProductNotFound, also for somebody else's; EvidenceRefused `unknown_standard`, `no_document`.
    """
    if standard not in STANDARDS or evidence not in DECLARABLE:
        raise EvidenceRefused(product_code, reason="unknown_standard")
    if evidence != "declared" and not (reference and issuer and evidence_file_id):
        raise EvidenceRefused(product_code, reason="no_document")
    written = await conn.fetchval(
        """
        INSERT INTO product_standards
            (product_id, standard, evidence, reference, issuer, valid_until, evidence_file_id)
        SELECT id, $2, $3, $4, $5, $6, $7 FROM products WHERE code = $1 AND vendor_id = $8
        ON CONFLICT (product_id, standard) DO UPDATE SET
            evidence = excluded.evidence, reference = excluded.reference, issuer = excluded.issuer,
            valid_until = excluded.valid_until, evidence_file_id = excluded.evidence_file_id,
            updated_at = clock_timestamp()
        RETURNING product_id
        """,
        product_code,
        standard,
        evidence,
        reference,
        issuer,
        valid_until,
        evidence_file_id,
        viewer.organization_id,
    )
    if written is None:
        raise ProductNotFound(product_code)
    await record_event(
        conn,
        kind="standard.filed",
        subject="product",
        subject_id=product_code,
        actor=actor,
        standard=standard,
        evidence=evidence,
    )


async def remove_standard(
    conn: asyncpg.Connection, *, product_code: str, standard: str, viewer: Viewer, actor: Actor
) -> None:
    """Take a filed standard back; nothing to take back is no error. Only the lister's own rows are touched."""
    removed = await conn.fetchval(
        """
        DELETE FROM product_standards s USING products p
        WHERE p.id = s.product_id AND p.code = $1 AND s.standard = $2 AND p.vendor_id = $3
        RETURNING s.product_id
        """,
        product_code,
        standard,
        viewer.organization_id,
    )
    if removed is not None:
        await record_event(
            conn,
            kind="standard.removed",
            subject="product",
            subject_id=product_code,
            actor=actor,
            standard=standard,
        )


async def find_research_outcome(conn: asyncpg.Connection, *, product_code: str) -> ResearchOutcome | None:
    """The R&D project that a product came out of, where one was filed."""
    row = await conn.fetchrow(
        """
        SELECT r.project_id, r.program_ko, r.program_en, r.document_title
        FROM research_outcomes r JOIN products p ON p.id = r.product_id WHERE p.code = $1
        """,
        product_code,
    )
    return None if row is None else ResearchOutcome(**dict(row))


async def file_research_outcome(
    conn: asyncpg.Connection,
    *,
    product_code: str,
    outcome: ResearchOutcome,
    document_file_id: UUID | None,
    viewer: Viewer,
    actor: Actor,
) -> None:
    """Tag one's own product as the outcome of a public R&D project; the document is what makes it one.

    Raises ProductNotFound, also for somebody else's; EvidenceRefused `no_document`.
    """
    if document_file_id is None or not outcome.document_title:
        raise EvidenceRefused(product_code, reason="no_document")
    written = await conn.fetchval(
        """
        INSERT INTO research_outcomes
            (product_id, project_id, program_ko, program_en, document_title, document_file_id)
        SELECT id, $2, $3, $4, $5, $6 FROM products WHERE code = $1 AND vendor_id = $7
        ON CONFLICT (product_id) DO UPDATE SET
            project_id = excluded.project_id, program_ko = excluded.program_ko,
            program_en = excluded.program_en, document_title = excluded.document_title,
            document_file_id = excluded.document_file_id, updated_at = clock_timestamp()
        RETURNING product_id
        """,
        product_code,
        outcome.project_id,
        outcome.program_ko,
        outcome.program_en,
        outcome.document_title,
        document_file_id,
        viewer.organization_id,
    )
    if written is None:
        raise ProductNotFound(product_code)
    await record_event(
        conn,
        kind="research_outcome.filed",
        subject="product",
        subject_id=product_code,
        actor=actor,
        project_id=outcome.project_id,
    )
