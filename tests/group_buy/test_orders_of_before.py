"""What stood in a database before there were orders has them after the migration, and every invariant holds."""

from pathlib import Path
from uuid import uuid4

import asyncpg
from builders import a_coordinator, a_pledge, a_round, fund

from group_buy.checks import check_invariants
from group_buy.closing import begin_closing
from group_buy.deciding import clear_if_decided
from marketplace import db
from marketplace.db import connect, migrate


async def test_orders_are_made_of_what_was_there(empty_database: str, tmp_path: Path) -> None:
    before = tmp_path / "migrations"
    before.mkdir()
    for file in db.MIGRATIONS.iterdir():
        if file.name < "0019" and file.name.endswith(".sql"):
            (before / file.name).write_bytes(file.read_bytes())
    await migrate(empty_database, migrations=before)
    conn, owner = await connect(empty_database), await connect(empty_database, role=None)
    try:
        coordinator = await a_coordinator(conn)
        for code in ("cleared", "ordered", "delivered"):
            vendor_round = await a_round(conn, code, coordinator=coordinator, allocation_rule="time")
            for n in (2, 3):
                await fund(conn, await a_pledge(conn, vendor_round, f"f{n}-{code}", n))
            await begin_closing(conn, code=code, early=True)
            assert await clear_if_decided(conn, code=code)
        await owner.execute("UPDATE rounds SET state = 'ordered' WHERE code <> 'cleared'")
        # One unit of five did not come: the later buyer got two of three.
        await owner.execute(
            """
            INSERT INTO allocation_changes (allocation_id, change_no, reason, quantity, unit_price_krw,
                                            supply_krw, vat_krw, total_krw)
            SELECT a.id, 1, 'delivery', 2, a.unit_price_krw, a.unit_price_krw * 2, a.unit_price_krw / 5,
                   a.unit_price_krw * 2 + a.unit_price_krw / 5
            FROM allocations a JOIN rounds r ON r.id = a.round_id WHERE r.code = 'delivered' AND a.quantity = 3
            """
        )
        await owner.execute(
            "INSERT INTO deliveries (round_id, quantity, returned, recorded_by) "
            "SELECT id, 4, 0, $1 FROM rounds WHERE code = 'delivered'",
            coordinator.person_id,
        )
        await owner.execute("UPDATE rounds SET state = 'delivered' WHERE code = 'delivered'")
        buyer, person = await owner.fetchrow("SELECT buyer_id, person_id FROM pledges LIMIT 1")
        for state in ("confirmed", "canceled"):
            await owner.execute(
                """
                INSERT INTO single_purchases (id, round_id, buyer_id, person_id, quantity, unit_price_krw, state,
                                              decided_by, decided_at)
                SELECT $1, id, $2, $3, 2, 100, $4, $3, now() FROM rounds WHERE code = 'cleared'
                """,
                uuid4(),
                buyer,
                person,
                state,
            )
        await migrate(empty_database)
        rows = await conn.fetch(
            """
            SELECT r.code, o.source, o.state, o.quantity, o.quantity_delivered, o.ordered_on IS NOT NULL,
                   (SELECT string_agg(kind, ' ' ORDER BY step_no) FROM order_steps s WHERE s.order_id = o.id)
            FROM orders o JOIN rounds r ON r.id = o.round_id ORDER BY r.id, o.source, o.buyer_id, o.quantity DESC
            """
        )
        assert [tuple(row) for row in rows] == [
            ("cleared", "allocation", "placed", 2, 0, False, None),
            ("cleared", "allocation", "placed", 3, 0, False, None),
            ("cleared", "single_purchase", "placed", 2, 0, True, None),
            ("cleared", "single_purchase", "placed", 0, 0, True, None),
            ("ordered", "allocation", "placed", 2, 0, True, None),
            ("ordered", "allocation", "placed", 3, 0, True, None),
            ("delivered", "allocation", "shipped", 2, 2, True, "confirm deliver"),
            ("delivered", "allocation", "shipped", 2, 2, True, "confirm deliver"),
        ]
        wrong = {each.name for each in await check_invariants(conn) if each.violations}
        assert {name for name in wrong if "order" in name} == set()
        who = await conn.fetchval("SELECT array_agg(DISTINCT organization_id) FROM order_steps")
        assert who == [coordinator.organization_id]
    finally:
        conn.terminate()
        owner.terminate()


async def test_numbers_are_given_in_the_order_of_placing(conn: asyncpg.Connection) -> None:
    buying_round = await a_round(conn, allocation_rule="time")
    for n in (2, 3, 4):
        await fund(conn, await a_pledge(conn, buying_round, f"f{n}", n))
    await begin_closing(conn, code="round", early=True)
    assert await clear_if_decided(conn, code="round")
    rows = await conn.fetch("SELECT number, placed_at FROM orders ORDER BY placed_at, id")
    assert [row["number"] for row in rows] == sorted(row["number"] for row in rows)
    assert [row["number"][-6:] for row in rows] == ["000001", "000002", "000003"]
