"""The demo's vendor life: papers in order, one that ran out, a vendor that waits, a change to look at, questions."""

from datetime import timedelta
from typing import Final
from uuid import uuid4

import asyncpg

from catalog.change_requests import edit_listing
from catalog.events import Actor
from catalog.onboarding import answer_requirement, read_today, refresh_vendors, waive_requirement
from catalog.package_details import add_reference
from catalog.questions import answer_question, ask
from catalog.recommendations import recommend
from catalog.vendor_life import register_vendor
from marketplace.accounts.people import add_person

LAPSED: Final = "taeum-sensing"
"""The vendor whose paper ran out yesterday: its listings say so."""

RECOMMENDED: Final = "lathe-tending-cobot"


async def add_vendor_life(conn: asyncpg.Connection, *, actor: Actor, password: str) -> None:
    """Give the demo's vendors papers and their packages facts; run it inside the seed's transaction."""
    today = await read_today(conn)
    vendors = await conn.fetch("SELECT id, code FROM organizations WHERE kind = 'vendor' ORDER BY code")
    await conn.execute(
        """
        UPDATE organizations SET contact_email = 'contact@' || code || '.example', contact_phone = '02-000-0000'
        WHERE kind = 'vendor'
        """
    )
    for vendor in vendors:
        await answer_requirement(conn, key="market_terms", actor=Actor(None, vendor["id"]), is_attested=True)
        await waive_requirement(
            conn,
            vendor_id=vendor["id"],
            key="business_certificate",
            reason="시연용 가상 기업이라 서류를 받지 않습니다.",
            valid_until=today - timedelta(days=1) if vendor["code"] == LAPSED else None,
            actor=actor,
        )
    await conn.execute("UPDATE notifications SET read_at = created_at WHERE kind LIKE 'requirement.%'")
    await _add_reference(conn)
    await recommend(
        conn,
        recommendation_id=uuid4(),
        code=RECOMMENDED,
        reason_ko="국산 협동로봇과 국산 그리퍼로 구성되고, 국산 비중이 증빙으로 확인된 시연용 패키지입니다.",
        reason_en="A demo package of a domestic cobot and gripper whose domestic share is verified.",
        criteria=("domestic_share", "reference_factory"),
        valid_until=today + timedelta(days=365),
        today=today,
        actor=actor,
    )
    await _add_questions(conn)
    await _add_change(conn)
    await _add_newcomer(conn, password=password)
    await refresh_vendors(conn, today=today)


async def _vendor_id(conn: asyncpg.Connection, code: str) -> int:
    return int(await conn.fetchval("SELECT id FROM organizations WHERE code = $1", code))


async def _add_reference(conn: asyncpg.Connection) -> None:
    await add_reference(
        conn,
        reference_id=uuid4(),
        code=RECOMMENDED,
        version=1,
        name_ko="경남 창원의 기계가공 공장(가상)",
        name_en="A machining factory in Changwon (fictional)",
        region="경남 창원",
        industry="machining",
        installed_year=2025,
        may_visit=True,
        actor=Actor(None, await _vendor_id(conn, "narae-robot")),
    )


async def _add_questions(conn: asyncpg.Connection) -> None:
    """One answered question and one that waits, on the same offer."""
    narae, factory = await _vendor_id(conn, "narae-robot"), await _vendor_id(conn, "hanbit-precision")
    offer_id = await conn.fetchval("SELECT id FROM offers WHERE code = 'offer-lathe-tending-cobot'")
    answered, waiting = uuid4(), uuid4()
    for question_id, text in (
        (answered, "선반 앞 공간이 1.2 m뿐인데 설치할 수 있나요?"),
        (waiting, "야간 무인 운전도 보증에 들어가나요?"),
    ):
        await ask(
            conn,
            question_id=question_id,
            thread="offer",
            subject_id=offer_id,
            vendor_id=narae,
            text=text,
            actor=Actor(None, factory),
        )
    await answer_question(
        conn,
        question_id=answered,
        answer="1.0 m까지 가능합니다. 현장 사진을 보내 주시면 배치도를 그려 드립니다.",
        actor=Actor(None, narae),
    )


async def _add_change(conn: asyncpg.Connection) -> None:
    """A change of a published package that waits for the coordinator."""
    onsaem = await _vendor_id(conn, "onsaem-control")
    await edit_listing(
        conn,
        request_id=uuid4(),
        kind="package-models",
        code="press-stroke-counter",
        fields={"lead_time_days": "35", "return_terms_ko": "검수 뒤 14일 안에 반품할 수 있습니다."},
        actor=Actor(None, onsaem),
    )


async def _add_newcomer(conn: asyncpg.Connection, *, password: str) -> None:
    """A vendor that registered and waits for approval."""
    vendor_id = await register_vendor(
        conn,
        name_ko="새봄비전(가상)",
        name_en="Saebom Vision (fictional)",
        business_number="000-88-00124",
        contact_email="saebom@demo.example",
        contact_phone="02-000-0000",
        region="경기 안양",
        introduction_ko="작은 부품의 외관 검사를 돕는 가상 기업입니다.",
    )
    await conn.execute("UPDATE organizations SET is_fictional = true WHERE id = $1", vendor_id)
    await add_person(
        conn,
        email="saebom@demo.example",
        name="봄검사",
        password=password,
        organization_id=vendor_id,
        roles=frozenset({"lister", "admin"}),
    )
