"""Each wrong row that no constraint stops is refused by a trigger, and found by `marketplace check`, by name."""

import asyncpg
import pytest
from builders import a_pledge, a_round, fund

from group_buy.checks import check_invariants
from group_buy.closing import begin_closing
from group_buy.deciding import clear_if_decided

PARENTS = "every row of money belongs to a pledge of the same round and buyer, and to its parent"
ORPHANS = {
    "an allocation in another round": """
        UPDATE allocations SET round_id = round_id + 1
    """,
    "an allocation of another buyer": "UPDATE allocations SET buyer_id = buyer_id + 1",
    "an allocation without a pledge": "UPDATE allocations SET pledge_id = gen_random_uuid()",
    "a line without an allocation": """
        INSERT INTO allocation_lines (allocation_id, line_no, quantity) VALUES (gen_random_uuid(), 1, 1)
    """,
    "a share without an allocation": """
        INSERT INTO allocation_shares (allocation_id) VALUES (gen_random_uuid())
    """,
    "a charge in another round": "UPDATE charges SET round_id = round_id + 1",
    "a charge of another buyer": "UPDATE charges SET buyer_id = buyer_id + 1",
    "a charge without a pledge": "UPDATE charges SET pledge_id = gen_random_uuid()",
    "a charge with the allocation of nobody": "UPDATE charges SET allocation_id = gen_random_uuid()",
    "an event without a charge": """
        INSERT INTO charge_events (charge_id, attempt, state) VALUES (gen_random_uuid(), 1, 'due')
    """,
    "an invoice to another buyer": "UPDATE invoices SET buyer_id = buyer_id + 1",
    "an invoice of another vendor": "UPDATE invoices SET vendor_id = vendor_id + 1",
    "an invoice without an allocation": "UPDATE invoices SET allocation_id = gen_random_uuid()",
}
REFUSED = {
    "an allocation": """
        INSERT INTO allocations (id, round_id, pledge_id, buyer_id, quantity, unit_price_krw, supply_krw, vat_krw, total_krw)
        SELECT gen_random_uuid(), round_id, gen_random_uuid(), buyer_id, 1, 10, 10, 1, 11 FROM pledges
    """,
    "an allocation in another round": """
        INSERT INTO allocations (id, round_id, pledge_id, buyer_id, quantity, unit_price_krw, supply_krw, vat_krw, total_krw)
        SELECT gen_random_uuid(), round_id + 1, id, buyer_id, 1, 10, 10, 1, 11 FROM pledges WHERE outcome IS NULL
    """,
    "an allocation line": ORPHANS["a line without an allocation"],
    "a share": ORPHANS["a share without an allocation"],
    "a charge": """
        INSERT INTO charges (id, round_id, pledge_id, buyer_id, purpose, method, amount_krw)
        SELECT gen_random_uuid(), round_id, gen_random_uuid(), buyer_id, 'refund', 'transfer', 1 FROM pledges
    """,
    "a charge of another buyer": """
        INSERT INTO charges (id, round_id, pledge_id, buyer_id, purpose, method, amount_krw)
        SELECT gen_random_uuid(), round_id, id, buyer_id + 1, 'refund', 'transfer', 1 FROM pledges
    """,
    "a charge that learns a strange allocation": ORPHANS["a charge with the allocation of nobody"],
    "an event": ORPHANS["an event without a charge"],
    "an invoice": """
        INSERT INTO invoices (id, number, allocation_id, buyer_id, vendor_id, supply_krw, vat_krw, total_krw,
                              deposit_krw, balance_krw, due_on, reference)
        SELECT gen_random_uuid(), 'x', gen_random_uuid(), buyer_id, vendor_id, 10, 1, 11, 0, 11, now(), 'x'
        FROM invoices LIMIT 1
    """,
    "a notification": "INSERT INTO notifications (organization_id, kind) VALUES (-1, 'x')",
}
WRONG = {
    "every cleared round sells exactly what its allocations add up to": "UPDATE rounds SET quantity = quantity + 1",
    "no round sells above its capacity or a part of a pack": "UPDATE rounds SET pack_size = 4",
    "every first decision sold whole packs within the capacity, at the minimum of the tier it names": """
        UPDATE clearings SET outcome = jsonb_set(outcome, '{quantity}', '1000')
    """,
    "everybody in a round pays the same unit price, and it is one of its tiers": """
        UPDATE allocations SET unit_price_krw = 1, supply_krw = quantity, total_krw = quantity + vat_krw
    """,
    "a price is sold at its tier's minimum, unless the vendor, the pool or a policy allows less": """
        UPDATE rounds SET tiers = jsonb_set(tiers, '{1,quantity_min}', '15')
    """,
    "what was delivered is with a buyer or went back": """
        INSERT INTO deliveries (round_id, quantity, returned, recorded_by) SELECT id, 3, 1, 1 FROM rounds
    """,
    "allocation lines add up to their allocation": "UPDATE allocation_lines SET quantity = quantity + 1",
    "nobody gets less than a line's minimum, more than its maximum, or above its price limit": """
        UPDATE pledge_lines SET limit_unit_price_krw = 1
    """,
    "every allocation has its invoice, to the won": "DELETE FROM invoices",
    "deposits and balances without refunds add up to what is owed now": """
        UPDATE charges SET amount_krw = amount_krw + 1 WHERE purpose = 'balance'
    """,
    "every decision of a round has its proof": "UPDATE clearings SET input = input || ' '",
    "no pledge came after its round had closed": "UPDATE pledges SET placed_at = clock_timestamp()",
    "every pledge belongs to a round and a buyer": "UPDATE pledges SET round_id = -1",
    "every notification is to somebody": "UPDATE notifications SET organization_id = -1",
    "every pledge has lines or was withdrawn": "DELETE FROM pledge_lines",
    "a charge's state is its last event": "DELETE FROM charge_events",
    "decided rounds leave no pledge undecided and no hold forgotten": "UPDATE pledges SET outcome = NULL",
    "every allocation and every purchase alone has its order, of its units and price": """
        UPDATE orders SET quantity = quantity + 1
    """,
    "an order's units and days are those of its steps": "UPDATE orders SET quantity_delivered = 1",
    "a round is delivered when all units of its orders came": "UPDATE rounds SET state = 'delivered'",
    "every round has the event of its state": "DELETE FROM events WHERE subject = 'round'",
}


@pytest.fixture
async def cleared(conn: asyncpg.Connection) -> asyncpg.Connection:
    """A round of two pledges that sold five units at the second tier; all invariants hold."""
    buying_round = await a_round(conn)
    for code, quantity in (("hanbit", 2), ("daeseong", 3)):
        await fund(conn, await a_pledge(conn, buying_round, code, quantity))
    await begin_closing(conn, code="round", early=True)
    assert await clear_if_decided(conn, code="round")
    assert await broken(conn) == []
    return conn


async def broken(conn: asyncpg.Connection) -> list[str]:
    return [result.name for result in await check_invariants(conn) if result.violations]


async def write_wrongly(owner_conn: asyncpg.Connection, statement: str) -> None:
    """As somebody who has the whole database in their hands: no trigger and no foreign key stops it."""
    await owner_conn.execute("SET session_replication_role = replica")
    changed = await owner_conn.execute(statement)
    assert not changed.endswith(" 0"), "the statement must reach a row"


@pytest.mark.parametrize("statement", ORPHANS.values(), ids=ORPHANS)
async def test_a_row_of_money_without_its_parent_is_found(
    cleared: asyncpg.Connection, owner_conn: asyncpg.Connection, statement: str
) -> None:
    await write_wrongly(owner_conn, statement)
    assert PARENTS in await broken(cleared)


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
async def test_a_row_of_money_without_its_parent_is_refused_and_nothing_is_written(
    cleared: asyncpg.Connection, owner_conn: asyncpg.Connection, statement: str
) -> None:
    tables = ("allocations", "allocation_lines", "allocation_shares", "charges", "charge_events", "invoices")

    async def rows() -> list[int]:
        return [
            await cleared.fetchval(f"SELECT count(*) FROM {table}") for table in (*tables, "notifications")
        ]

    before = await rows()
    await a_pledge(cleared, await a_round(cleared, "another"), "sejin", 1)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await owner_conn.execute(statement)
    assert await rows() == before
    assert await broken(cleared) == []


@pytest.mark.parametrize(("name", "statement"), WRONG.items(), ids=WRONG)
async def test_each_invariant_finds_a_row_that_breaks_it(
    cleared: asyncpg.Connection, owner_conn: asyncpg.Connection, name: str, statement: str
) -> None:
    await write_wrongly(owner_conn, statement)
    assert name in await broken(cleared)
