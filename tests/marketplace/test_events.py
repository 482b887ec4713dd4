"""The record of what happened: written with the change, sealed in a chain, and honest about every forgery."""

import asyncio

import asyncpg
import pytest

from catalog.events import SYSTEM, Actor, list_events, record_event, seal_events
from group_buy.checks import check_invariants
from group_buy.transactions import transaction
from marketplace.accounts.people import add_organization, add_person

CHAIN = "the chain of sealed events is whole"


async def record(conn: asyncpg.Connection, number: int, *, actor: Actor = SYSTEM) -> None:
    await record_event(conn, kind="thing.done", subject="thing", subject_id="1", actor=actor, number=number)


async def broken(conn: asyncpg.Connection) -> list[str]:
    return [result.name for result in await check_invariants(conn) if result.violations]


async def seals(conn: asyncpg.Connection) -> list[tuple[int, bytes | None, bytes]]:
    rows = await conn.fetch("SELECT event_count, previous_sha256, sha256 FROM event_seals ORDER BY id")
    return [tuple(row) for row in rows]


async def test_an_event_stands_and_falls_with_its_change(
    pool: asyncpg.Pool, conn: asyncpg.Connection
) -> None:
    async def change_and_fail() -> None:
        async with transaction(pool) as own:
            await record(own, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change_and_fail()
    assert await conn.fetchval("SELECT count(*) FROM events") == 0


async def test_a_trail_tells_who_did_what_in_order(conn: asyncpg.Connection) -> None:
    mill = await add_organization(conn, code="mill", kind="factory", name_ko="제분소", name_en="Mill")
    person = await add_person(
        conn,
        email="a@test.example",
        name="김하나",
        password="x",
        organization_id=mill,
        roles=frozenset({"buyer"}),
    )
    await record(conn, 1, actor=Actor(person, mill))
    await record(conn, 2)
    await record_event(conn, kind="other.done", subject="thing", subject_id="2", actor=SYSTEM)
    trail = await list_events(conn, subject="thing", subject_id="1")
    assert [(e.kind, e.person_name, e.organization_ko, e.organization_en, e.data) for e in trail] == [
        ("thing.done", "김하나", "제분소", "Mill", {"number": 1}),
        ("thing.done", None, None, None, {"number": 2}),
    ]
    assert all(event.at.endswith("Z") for event in trail)
    assert [e.data["number"] for e in await list_events(conn, subject="thing", subject_id="1", limit=1)] == [
        1
    ]


async def test_seals_make_one_chain_over_all_events(conn: asyncpg.Connection) -> None:
    for number in range(7):
        await record(conn, number)
    assert [await seal_events(conn, batch_size=3) for _ in range(4)] == [3, 3, 1, 0]
    found = await seals(conn)
    assert [count for count, _, _ in found] == [3, 3, 1]
    assert [before for _, before, _ in found] == [None, found[0][2], found[1][2]]
    assert await broken(conn) == []
    await record(conn, 8)
    assert await broken(conn) == []  # not sealed yet, and that is fine
    assert await seal_events(conn) == 1
    assert len(await seals(conn)) == 4


async def test_many_workers_seal_each_event_once(pool: asyncpg.Pool, conn: asyncpg.Connection) -> None:
    for number in range(40):
        await record(conn, number)

    async def work() -> int:
        async with transaction(pool) as own:
            return await seal_events(own, batch_size=7)

    assert sorted(await asyncio.gather(*(work() for _ in range(8)))) == [0, 0, 5, 7, 7, 7, 7, 7]
    assert await conn.fetchval("SELECT count(*) FROM events WHERE seal_id IS NULL") == 0
    assert len(await seals(conn)) == 6
    assert await broken(conn) == []


async def test_an_event_that_commits_late_is_sealed_later(
    pool: asyncpg.Pool, conn: asyncpg.Connection
) -> None:
    """Its id is below a sealed one: it belongs to the next seal, and breaks none."""
    async with transaction(pool) as slow:
        await record(slow, 1)
        await record(conn, 2)
        assert await seal_events(conn) == 1
    assert await seal_events(conn) == 1
    assert await broken(conn) == []


async def test_every_forgery_of_what_is_sealed_breaks_the_chain(
    conn: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    for number in range(4):
        await record(conn, number)
    while await seal_events(conn, batch_size=2):
        pass
    for forgery in (
        "UPDATE events SET data = '{}' WHERE id = (SELECT min(id) FROM events)",
        "UPDATE events SET at = at - interval '1 second'",
        "UPDATE events SET subject_id = '2'",
        "UPDATE events SET person_id = 1",
        "DELETE FROM events WHERE id = (SELECT max(id) FROM events)",
        "INSERT INTO events (kind, subject, subject_id, seal_id) SELECT 'x', 'y', 'z', max(id) FROM event_seals",
        "UPDATE events SET seal_id = (SELECT max(id) FROM event_seals)",
        "UPDATE events SET seal_id = NULL WHERE id = (SELECT min(id) FROM events)",
        "UPDATE event_seals SET event_count = event_count + 1",
        "DELETE FROM events WHERE seal_id = 1; DELETE FROM event_seals WHERE id = 1",
    ):
        undo = owner_conn.transaction()
        await undo.start()
        await owner_conn.execute(forgery)
        assert await broken(owner_conn) == [CHAIN], forgery
        await undo.rollback()
    assert await broken(conn) == []
