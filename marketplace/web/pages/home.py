"""The front page: what can be joined now, and three ways in (problem, industry, level)."""

from typing import Final

import asyncpg
import msgspec
from litestar import Response, get

from catalog.core.package_model import INDUSTRIES
from catalog.core.viewer import Viewer
from group_buy.core.round import PLEDGING_STATES
from group_buy.rounds import list_rounds
from marketplace.accounts.access import viewer_of
from marketplace.deps import AnyRequest, Conn, User
from marketplace.web.cards import list_round_cards
from marketplace.web.i18n import LANG
from marketplace.web.render import page_response

CARDS_ON_FRONT_MAX: Final = 6


class Problem(msgspec.Struct, frozen=True):
    """A problem in the words of a factory, and what is searched for it."""

    query_ko: str
    query_en: str
    name_ko: str
    name_en: str


class ShownProblem(msgspec.Struct, frozen=True):
    """A problem as the template takes it: the query is in the language of the page."""

    query_text: str
    name_ko: str
    name_en: str


class Figures(msgspec.Struct, frozen=True):
    """How much is listed for this visitor."""

    package_count: int
    product_count: int
    vendor_count: int
    open_round_count: int


class Doors(msgspec.Struct, frozen=True):
    """Industries and levels that packages exist for."""

    industries: list[str]
    levels: list[int]


PROBLEMS: Final = (
    Problem("비전 검사", "vision inspection", "불량을 눈으로 골라냅니다", "Defects are sorted out by eye"),
    Problem("예지보전", "predictive maintenance", "설비가 갑자기 멈춥니다", "Machines stop without warning"),
    Problem("MES", "MES", "생산 현황을 손으로 적습니다", "Production is logged by hand"),
    Problem("협동로봇", "collaborative robot", "사람을 구하기 어렵습니다", "Hands are hard to find"),
    Problem("에너지", "energy", "전기요금이 부담됩니다", "Power bills weigh heavily"),
    Problem("물류 로봇", "mobile robot", "자재를 사람이 나릅니다", "Material is carried by hand"),
)
"""Six common starting points; each is an ordinary search, so it finds whatever is listed."""


async def count_listings(conn: asyncpg.Connection, *, viewer: Viewer) -> Figures:
    """Count what this visitor may find."""
    row = await conn.fetchrow(
        """
        SELECT (SELECT count(*) FROM package_models m JOIN organizations v ON v.id = m.vendor_id
                WHERE m.state = 'published' AND v.state = 'active'
                  AND (m.visibility = 'public' OR m.visibility = 'members' AND $1::bigint IS NOT NULL)),
               (SELECT count(*) FROM products p JOIN organizations v ON v.id = p.vendor_id
                WHERE p.state = 'published' AND v.state = 'active'
                  AND (p.visibility = 'public' OR p.visibility = 'members' AND $1::bigint IS NOT NULL)),
               (SELECT count(*) FROM organizations WHERE kind = 'vendor' AND state = 'active'),
               (SELECT count(*) FROM rounds r WHERE r.state = ANY ($2)
                  AND (r.audience = 'public' OR r.audience = 'members' AND $1 IS NOT NULL))
        """,
        viewer.organization_id,
        list(PLEDGING_STATES),
    )
    assert row is not None, "a SELECT without FROM has one row"
    return Figures(*row)


async def list_doors(conn: asyncpg.Connection) -> Doors:
    """The industries and levels of public packages, in the order in which the site lists them."""
    rows = await conn.fetch(
        """
        SELECT n.level_to, n.industries FROM package_models m
        JOIN organizations v ON v.id = m.vendor_id AND v.state = 'active'
        JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
        WHERE m.state = 'published' AND m.visibility = 'public'
        """
    )
    found = {code for row in rows for code in row["industries"]}
    return Doors([code for code in INDUSTRIES if code in found], sorted({row["level_to"] for row in rows}))


@get("/", opt={"audience": "anyone"}, include_in_schema=False)
async def home_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """Show what is open now and the ways into the catalog."""
    viewer = viewer_of(user)
    rounds = await list_rounds(conn, viewer=viewer, states=PLEDGING_STATES, limit=CARDS_ON_FRONT_MAX)
    doors = await list_doors(conn)
    is_english = LANG.get() == "en"
    problems = [
        ShownProblem(problem.query_en if is_english else problem.query_ko, problem.name_ko, problem.name_en)
        for problem in PROBLEMS
    ]
    return page_response(
        request,
        "home.html",
        cards=await list_round_cards(conn, rounds),
        problems=problems,
        industries=doors.industries,
        levels=doors.levels,
        figures=await count_listings(conn, viewer=viewer),
    )


HOME_PAGES = [home_page]
