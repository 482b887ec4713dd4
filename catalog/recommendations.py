"""국산 패키지 모델 권장: the coordinator's label on a package, with a written reason, criteria and an end.

It says something about domestic goods, so it needs a verified share on the day it is given, and is shown only
while there is one.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from catalog.core.package_model import package_share
from catalog.core.viewer import Viewer
from catalog.errors import InvalidText, RecommendationNotFound, RecommendationRefused
from catalog.events import Actor, record_event
from catalog.notices import notify
from catalog.package_models import get_package_model

CRITERIA: Final = (
    "domestic_share",
    "level_intermediate_2",
    "reference_factory",
    "service_network",
    "open_standard",
)
"""What a coordinator may name as ground for the label."""

REASON_LENGTH_MAX: Final = 1000


class Recommendation(Struct, frozen=True, kw_only=True):
    """A live label. `verified_bp` is the verified domestic share on the day it was given."""

    id: UUID
    coordinator_ko: str
    coordinator_en: str
    reason_ko: str
    reason_en: str
    criteria: list[str]
    verified_bp: int
    valid_until: date


async def recommend(
    conn: asyncpg.Connection,
    *,
    recommendation_id: UUID,
    code: str,
    reason_ko: str,
    reason_en: str,
    criteria: Sequence[str],
    valid_until: date,
    today: date,
    actor: Actor,
) -> None:
    """Give a package the label; an older one is replaced. The same id twice is one.

    Raises PackageModelNotFound, InvalidText; RecommendationRefused `criteria_missing`, `expired`,
    `origin_not_verified`.
    """
    reason_ko = reason_ko.strip()
    if not 1 <= len(reason_ko) <= REASON_LENGTH_MAX:
        raise InvalidText("/reason_ko", length_max=REASON_LENGTH_MAX)
    known = [word for word in CRITERIA if word in criteria]
    if not known:
        raise RecommendationRefused(code, reason="criteria_missing")
    if valid_until < today:
        raise RecommendationRefused(code, reason="expired")
    package = await get_package_model(conn, code=code, viewer=Viewer(actor.organization_id, "coordinator"))
    share = package_share(package.version.lines, today=today)
    if share is None or share.verified_bp < 1:
        raise RecommendationRefused(code, reason="origin_not_verified")
    if await conn.fetchval("SELECT EXISTS (SELECT FROM recommendations WHERE id = $1)", recommendation_id):
        return
    await conn.execute(
        """
        UPDATE recommendations SET withdrawn_at = clock_timestamp()
        WHERE package_model_id = $1 AND withdrawn_at IS NULL
        """,
        package.id,
    )
    await conn.execute(
        """
        INSERT INTO recommendations
            (id, package_model_id, coordinator_id, reason_ko, reason_en, criteria, verified_bp, valid_until)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        recommendation_id,
        package.id,
        actor.organization_id,
        reason_ko,
        reason_en.strip(),
        known,
        share.verified_bp,
        valid_until,
    )
    await record_event(
        conn,
        kind="package.recommended",
        subject="package-models",
        subject_id=code,
        actor=actor,
        reason=reason_ko,
        criteria=known,
        valid_until=valid_until.isoformat(),
    )
    await notify(
        conn,
        organization_id=package.vendor.id,
        kind="package.recommended",
        path=f"/packages/{code}",
        name_ko=package.name_ko,
        name_en=package.name_en,
    )


async def withdraw_recommendation(conn: asyncpg.Connection, *, code: str, actor: Actor) -> None:
    """Take the coordinator's own label back. Raises RecommendationNotFound."""
    withdrawn = await conn.fetchval(
        """
        UPDATE recommendations r SET withdrawn_at = clock_timestamp() FROM package_models m
        WHERE m.id = r.package_model_id AND m.code = $1 AND r.coordinator_id = $2 AND r.withdrawn_at IS NULL
        RETURNING r.id
        """,
        code,
        actor.organization_id,
    )
    if withdrawn is None:
        raise RecommendationNotFound(code)
    await record_event(
        conn, kind="package.recommendation_withdrawn", subject="package-models", subject_id=code, actor=actor
    )


async def find_recommendation(
    conn: asyncpg.Connection, *, package_id: int, today: date
) -> Recommendation | None:
    """The label of a package that has not run out. Whether the share still bears it is the page's to see."""
    row = await conn.fetchrow(
        """
        SELECT r.id, o.name_ko AS coordinator_ko, o.name_en AS coordinator_en, r.reason_ko, r.reason_en, r.criteria,
               r.verified_bp, r.valid_until
        FROM recommendations r JOIN organizations o ON o.id = r.coordinator_id
        WHERE r.package_model_id = $1 AND r.withdrawn_at IS NULL AND r.valid_until >= $2
        """,
        package_id,
        today,
    )
    return None if row is None else Recommendation(**dict(row))
