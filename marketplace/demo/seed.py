"""Fill an empty market with the demo: the shipped files through the real import, accounts, rounds that really cleared."""

import csv
import importlib.resources
import io
from datetime import date, timedelta
from typing import Final
from uuid import uuid4

import asyncpg
import msgspec
import structlog

from catalog.core.import_rows import read_table
from catalog.core.listing_rows import ImportKind
from catalog.core.viewer import Viewer
from catalog.events import SYSTEM, Actor
from catalog.importing import apply_import
from catalog.origin_claims import claim_origin, verify_origin_claim
from catalog.standards import file_standard
from group_buy.closing import begin_closing
from group_buy.core.pledge import LineInput, deposit_ceiling_krw
from group_buy.deciding import clear_if_decided
from group_buy.pledging import place_pledge
from group_buy.receiving import verify_funding
from group_buy.rounds import get_round, open_round
from group_buy.sponsoring import confirm_sponsorship, make_sponsorship
from marketplace.accounts.access import Role
from marketplace.accounts.people import add_organization, add_person
from marketplace.demo.prices import PricedProduct, UnpricedProductError, reference_price_krw
from marketplace.demo.rounds import (
    CLOSED_ROUNDS,
    OPEN_ROUNDS,
    OPEN_ROUNDS_WANTED,
    DemoPledge,
    DemoRound,
    DemoSponsor,
)
from marketplace.demo.vendor_life import add_vendor_life

DATA: Final = importlib.resources.files("marketplace") / "demo" / "data"
PASSWORD: Final = "demo-password"  # noqa: S105 - shown on the sign-in page of the demo
ALLIANCE: Final = "alliance"

FACTORIES: Final[tuple[tuple[str, str, str, str, str], ...]] = (
    ("hanbit-precision", "한빛정밀(가상)", "Hanbit Precision (fictional)", "경남 창원", "machining"),
    ("daeseong-forging", "대성단조(가상)", "Daeseong Forging (fictional)", "경북 경주", "metal"),
    ("mirae-food", "미래식품(가상)", "Mirae Food (fictional)", "충북 음성", "food"),
    ("seojin-injection", "서진사출(가상)", "Seojin Injection (fictional)", "경기 화성", "injection_molding"),
    ("dongbang-battery", "동방전지(가상)", "Dongbang Battery (fictional)", "충남 천안", "battery"),
    ("ureum-plating", "우름도금(가상)", "Ureum Plating (fictional)", "인천", "metal"),
)
PEOPLE: Final[tuple[tuple[str, str, str, frozenset[Role]], ...]] = (
    ("operator@demo.example", "김운영", ALLIANCE, frozenset({"operator", "admin"})),
    ("hanbit@demo.example", "이구매", "hanbit-precision", frozenset({"buyer", "admin"})),
    ("daeseong@demo.example", "박공장", "daeseong-forging", frozenset({"buyer"})),
    ("mirae@demo.example", "최생산", "mirae-food", frozenset({"buyer"})),
    ("seojin@demo.example", "정사출", "seojin-injection", frozenset({"buyer"})),
    ("dongbang@demo.example", "강전지", "dongbang-battery", frozenset({"buyer"})),
    ("ureum@demo.example", "조도금", "ureum-plating", frozenset({"buyer"})),
    ("narae@demo.example", "윤로봇", "narae-robot", frozenset({"lister", "admin"})),
    ("onsaem@demo.example", "장제어", "onsaem-control", frozenset({"lister"})),
    ("gaon@demo.example", "문기록", "gaon-cloud", frozenset({"lister"})),
)

DECLARED_STANDARDS: Final = (
    ("haeon-mes-base", "iec_62264"),
    ("haeon-mes-pro", "iec_62264"),
    ("nuri-mes", "iec_62264"),
    ("garam-edge-100", "aas"),
    ("garam-edge-500", "aas"),
    ("garam-scada", "iec_62443"),
    ("areum-amr-300", "opc_ua"),
)
"""What fictional products declare beside the protocols that their specifications state; no certificate is invented."""

log = structlog.get_logger("marketplace.demo")


class SeedError(Exception):
    """A shipped file does not import: a defect of the demo data."""


def read_rows(name: str) -> list[dict[str, str]]:
    """Read a shipped CSV file as dictionaries."""
    return list(csv.DictReader(io.StringIO((DATA / name).read_text(encoding="utf-8-sig"))))


async def is_empty(conn: asyncpg.Connection) -> bool:
    """Whether nobody has registered in this market yet."""
    return not await conn.fetchval("SELECT EXISTS (SELECT FROM organizations)")


async def seed_demo(conn: asyncpg.Connection) -> None:
    """Fill an empty market; run it in one transaction.

    Raises:
        SeedError: a shipped file has an error.
    """
    alliance_id = await add_organization(
        conn,
        code=ALLIANCE,
        kind="coordinator",
        name_ko="스마트팩토리 얼라이언스 사무국",
        name_en="Smart Factory Alliance office",
        region="서울",
    )
    verifier_id = await add_organization(
        conn,
        code="origin-verifier",
        kind="partner",
        name_ko="원산지확인원(가상)",
        name_en="Origin Verification Agency (fictional)",
        is_fictional=True,
    )
    for code, name_ko, name_en, region, industry in FACTORIES:
        await add_organization(
            conn,
            code=code,
            kind="factory",
            name_ko=name_ko,
            name_en=name_en,
            region=region,
            industry=industry,
            size="small",
            is_fictional=True,
        )
    coordinator = Viewer(alliance_id, "coordinator")
    for kind, name in (
        ("vendors", "vendors.csv"),
        ("products", "products.csv"),
        ("package-models", "package-models.csv"),
        ("offers", "offers.csv"),
        ("service-centers", "service-centers.csv"),
        ("demands", "demands.csv"),
    ):
        await import_shipped(conn, kind=kind, name=name, viewer=coordinator)  # type: ignore[arg-type] # literals
    await _add_people(conn)
    await _add_origin_claims(conn, coordinator, verifier_id=verifier_id)
    await _declare_standards(conn)
    await _add_reference_prices(conn)
    await _invite(conn)
    actor = Actor(await _person_id(conn, "operator@demo.example"), alliance_id)
    await add_vendor_life(conn, actor=actor, password=PASSWORD)
    for demo_round in CLOSED_ROUNDS:
        await _open_demo_round(conn, demo_round, actor=actor)
        if demo_round.sponsor is not None:
            await _sponsor(conn, demo_round.code, demo_round.sponsor, actor=actor)
        await begin_closing(conn, code=demo_round.code, actor=actor, early=True)
        await clear_if_decided(conn, code=demo_round.code)
    await top_up_rounds(conn)


async def _sponsor(conn: asyncpg.Connection, code: str, sponsor: DemoSponsor, *, actor: Actor) -> None:
    row = await conn.fetchrow(
        """
        SELECT o.id, m.person_id FROM organizations o JOIN memberships m ON m.organization_id = o.id
        WHERE o.code = $1 AND m.role = 'admin' LIMIT 1
        """,
        sponsor.factory,
    )
    assert row is not None, "the demo's sponsor has somebody who may promise its money"
    sponsorship_id = uuid4()
    await make_sponsorship(
        conn,
        sponsorship_id=sponsorship_id,
        round_code=code,
        sponsor_code=sponsor.factory,
        kind="share",
        share_bp=sponsor.share_bp,
        krw_max=sponsor.krw_max,
        member_codes=sponsor.members,
        note="",
        actor=actor,
    )
    await confirm_sponsorship(conn, sponsorship_id=sponsorship_id, actor=Actor(row["person_id"], row["id"]))


async def import_shipped(conn: asyncpg.Connection, *, kind: ImportKind, name: str, viewer: Viewer) -> None:
    """Import one shipped file the way a vendor's file is imported.

    Raises:
        SeedError
    """
    table = read_table((DATA / name).read_bytes(), suffix=".csv")
    report = await apply_import(conn, kind=kind, table=table, viewer=viewer)
    if report.errors:
        raise SeedError(f"{name}: {report.errors[:3]}")


async def _add_people(conn: asyncpg.Connection) -> None:
    for email, name, organization, roles in PEOPLE:
        organization_id = await conn.fetchval("SELECT id FROM organizations WHERE code = $1", organization)
        await add_person(
            conn, email=email, name=name, password=PASSWORD, organization_id=organization_id, roles=roles
        )


async def _person_id(conn: asyncpg.Connection, email: str) -> int:
    return int(await conn.fetchval("SELECT id FROM people WHERE email = $1", email))


async def _add_origin_claims(conn: asyncpg.Connection, coordinator: Viewer, *, verifier_id: int) -> None:
    now = await conn.fetchval("SELECT clock_timestamp()")
    for row in read_rows("origin_claims.csv"):
        claim_id = uuid4()
        await claim_origin(
            conn,
            claim_id=claim_id,
            product_code=row["product"],
            viewer=coordinator,
            basis=row["basis"],  # type: ignore[arg-type] # the column's CHECK knows the words
            country=row["country"],
            domestic_content_bp=int(row["domestic_content_bp"]) if row["domestic_content_bp"] else None,
            evidence_note=row["evidence_note"],
            valid_until=date.fromisoformat(row["valid_until"]) if row["valid_until"] else None,
            is_fictional=True,
        )
        if row["verified"] == "yes":
            await verify_origin_claim(conn, claim_id=claim_id, verifier_id=verifier_id, now=now)


async def _declare_standards(conn: asyncpg.Connection) -> None:
    for product, standard in DECLARED_STANDARDS:
        vendor_id = await conn.fetchval("SELECT vendor_id FROM products WHERE code = $1", product)
        await file_standard(
            conn,
            product_code=product,
            standard=standard,
            evidence="declared",
            viewer=Viewer(vendor_id, "vendor"),
            actor=SYSTEM,
        )


async def _add_reference_prices(conn: asyncpg.Connection) -> None:
    """Write the illustrative reference price of every product that the written rule prices."""
    prices = []
    for row in read_rows("products.csv"):
        specs = {
            name.removeprefix("spec."): cell
            for name, cell in row.items()
            if name.startswith("spec.") and cell
        }
        product = PricedProduct(
            code=row["code"], category=row["category"], subcategory=row["subcategory"], specs=specs
        )
        try:
            prices.append((row["code"], reference_price_krw(product)))
        except UnpricedProductError:
            continue
    await conn.executemany(
        """
        INSERT INTO reference_prices (product_id, unit_price_krw, is_illustrative, source)
        SELECT id, $2, true, 'marketplace/demo/data/README.md' FROM products WHERE code = $1
        ON CONFLICT DO NOTHING
        """,
        prices,
    )


async def _invite(conn: asyncpg.Connection) -> None:
    await conn.execute(
        """
        INSERT INTO offer_invitations (offer_id, organization_id)
        SELECT o.id, f.id FROM offers o, organizations f
        WHERE o.audience = 'invited' AND f.code IN ('hanbit-precision', 'daeseong-forging')
        ON CONFLICT DO NOTHING
        """
    )


async def top_up_rounds(conn: asyncpg.Connection) -> int:
    """Open rounds until OPEN_ROUNDS_WANTED public ones run, on offers without a running round; return how many."""
    alliance_id = await conn.fetchval("SELECT id FROM organizations WHERE code = $1", ALLIANCE)
    running = await conn.fetch(
        """
        SELECT r.code, o.code AS offer FROM rounds r JOIN offers o ON o.id = r.offer_id
        WHERE r.state IN ('announced', 'open', 'fill_up', 'closing') AND r.audience = 'public'
          AND (r.state <> 'open' OR r.closes_at > clock_timestamp())
        """
    )
    busy = {row["offer"] for row in running}
    actor = Actor(await _person_id(conn, "operator@demo.example"), alliance_id)
    opened = 0
    for demo_round in OPEN_ROUNDS:
        if len(busy) >= OPEN_ROUNDS_WANTED:
            break
        if demo_round.offer in busy:
            continue
        number = await conn.fetchval(
            "SELECT count(*) FROM rounds r JOIN offers o ON o.id = r.offer_id WHERE o.code = $1",
            demo_round.offer,
        )
        code = demo_round.code if number == 0 else f"{demo_round.code}-{number + 1}"
        await _open_demo_round(conn, msgspec.structs.replace(demo_round, code=code), actor=actor)
        busy.add(demo_round.offer)
        opened += 1
    return opened


async def _open_demo_round(conn: asyncpg.Connection, demo_round: DemoRound, *, actor: Actor) -> None:
    assert actor.organization_id is not None
    now = await conn.fetchval("SELECT clock_timestamp()")
    buying_round = await open_round(
        conn,
        code=demo_round.code,
        offer_code=demo_round.offer,
        coordinator_id=actor.organization_id,
        opens_at=now,
        closes_at=now + timedelta(days=demo_round.days),
        allocation_rule=demo_round.allocation_rule,
        deposit_bp=1000,
        may_close_early=True,
        funding_window=timedelta(0),
        actor=actor,
    )
    for pledge in demo_round.pledges:
        await _place_demo_pledge(conn, demo_round.code, pledge, actor=actor)
    log.info("round opened", code=buying_round.code, pledges=len(demo_round.pledges))


async def _place_demo_pledge(
    conn: asyncpg.Connection, code: str, pledge: DemoPledge, *, actor: Actor
) -> None:
    row = await conn.fetchrow(
        """
        SELECT o.id, m.person_id FROM organizations o JOIN memberships m ON m.organization_id = o.id
        WHERE o.code = $1 AND m.role = 'buyer' LIMIT 1
        """,
        pledge.factory,
    )
    assert row is not None, "every demo factory has a buyer"
    tiers = await conn.fetchval("SELECT tiers FROM rounds WHERE code = $1", code)
    limit = None if pledge.tier is None else tiers[min(pledge.tier, len(tiers) - 1)]["unit_price_krw"]
    placed = await place_pledge(
        conn,
        round_code=code,
        pledge_id=uuid4(),
        buyer=Viewer(row["id"], "factory"),
        person_id=row["person_id"],
        funding="transfer",
        lines=(LineInput(pledge.quantity_max, pledge.quantity_min, limit),),
    )
    if not pledge.is_funded:
        return
    assert actor.organization_id is not None
    buying_round = await get_round(conn, code, viewer=Viewer(actor.organization_id, "coordinator"))
    await verify_funding(
        conn,
        pledge_id=placed.id,
        coordinator_id=actor.organization_id,
        kind="deposit",
        received_krw=deposit_ceiling_krw(buying_round, placed.lines),
        actor=actor,
    )
