"""Money by card against a real provider and a real database: once, to the won, whatever fails on the way."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from builders import a_coordinator, a_round
from card_desk import (
    CAPTURE,
    CONFIRM,
    CREATE,
    DECLINED_LATER,
    CardDesk,
    Held,
    charge_of,
    close,
    gateway_to,
    make_due,
    trail,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.events import SYSTEM
from group_buy.core.charge import CHARGE_TRANSITIONS, ChargeState, steps_to
from group_buy.core.pledge import deposit_ceiling_krw
from group_buy.deciding import clear_if_decided
from group_buy.errors import ChargeNotFound, ChargeStateConflict
from group_buy.gateway import HoldRequest, HoldResult, WebhookHint
from group_buy.reading import list_charges
from group_buy.recording import record_result
from group_buy.retrying import retry_charge
from group_buy.settling import claim_charges, settle_one
from group_buy.transactions import transaction
from marketplace.payments.contract_calls import Fault
from marketplace.payments.stripe_gateway import StripeGateway
from marketplace.payments.webhooks import process_one_webhook, store_webhook

ODD_TIERS = ((2, 1_000_003), (5, 900_001), (10, 800_009))
DEPOSIT_BP = 1_234


async def decide_late(conn: asyncpg.Connection, owner_conn: asyncpg.Connection) -> None:
    """The time for cards is over: clear on what is confirmed until now."""
    await owner_conn.execute("UPDATE pledges SET placed_at = placed_at - interval '1 hour'")
    await owner_conn.execute(
        "UPDATE rounds SET closed_at = closed_at - interval '16 minutes', funding_due_at = closed_at"
    )
    assert await clear_if_decided(conn, code="round")


# -- the way of a card -------------------------------------------------------------------------------------------


async def test_cards_are_held_at_the_close_and_captured_to_the_won(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked, tiers=ODD_TIERS, deposit_bp=DEPOSIT_BP)
    pledges = [await desk.pledge(checked, buying_round, f"factory-{n}", n) for n in (3, 2)]
    await close(checked)
    charges = [await charge_of(checked, pledge) for pledge in pledges]
    assert [(c["state"], c["amount_krw"]) for c in charges] == [("due", 370_201), ("due", 246_800)]
    assert not await clear_if_decided(checked, code="round")
    assert await desk.settle() == 2
    assert await desk.holds(charges[0]["id"]) == [Held(370_201, 0, "requires_capture")]
    assert await clear_if_decided(checked, code="round")
    assert await desk.settle() == 2
    assert [await desk.holds(c["id"]) for c in charges] == [
        [Held(370_201, 333_180, "succeeded")],
        [Held(246_800, 222_120, "succeeded")],
    ]
    settled = [await charge_of(checked, pledge) for pledge in pledges]
    assert [(c["state"], c["capture_krw"], c["last_error"]) for c in settled] == [
        ("captured", 333_180, None),
        ("captured", 222_120, None),
    ]
    assert await trail(checked, charges[0]["id"]) == [
        (1, state) for state in ("due", "processing", "authorized", "captured")
    ]
    # 3 × ₩900,001 and 10 % of it, less the deposit.
    balances = [c for c in await list_charges(checked, round_id=buying_round.id) if c.purpose == "balance"]
    assert sorted(c.amount_krw for c in balances) == [2 * 900_001 + 180_000 - 222_120, 2_970_003 - 333_180]


async def test_the_hold_of_a_loser_is_given_back(desk: CardDesk, checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    winner = await desk.pledge(checked, buying_round, "winner", 5)
    loser = await desk.pledge(checked, buying_round, "loser", 2, limit=800_000)
    await close(checked)
    assert await desk.settle() == 2
    assert await clear_if_decided(checked, code="round")
    assert await desk.settle() == 2
    won, lost = await charge_of(checked, winner), await charge_of(checked, loser)
    assert (won["state"], won["capture_krw"]) == ("captured", 450_000)
    assert (lost["state"], lost["capture_krw"], lost["allocation_id"]) == ("released", 0, None)
    assert await desk.holds(lost["id"]) == [Held(160_000, 0, "canceled")]
    assert await desk.settle() == 0


async def test_a_shortfall_gives_every_hold_back(desk: CardDesk, checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked, tiers=((10, 1_000_000),))
    pledges = [await desk.pledge(checked, buying_round, f"factory-{n}", 2) for n in range(2)]
    await close(checked)
    await desk.settle()
    assert await clear_if_decided(checked, code="round")
    await desk.settle()
    charges = [await charge_of(checked, pledge) for pledge in pledges]
    assert [c["state"] for c in charges] == ["released", "released"]
    assert [await desk.holds(c["id"]) for c in charges] == [[Held(200_000, 0, "canceled")]] * 2
    assert await checked.fetchval("SELECT count(*) FROM invoices") == 0


# -- refusals ----------------------------------------------------------------------------------------------------


async def test_a_declined_card_fails_and_is_tried_again_with_new_keys(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    actor = await a_coordinator(checked)
    buying_round = await a_round(checked, coordinator=actor)
    pledge = await desk.pledge(checked, buying_round, "hanbit", 2, number=DECLINED_LATER)
    other = await desk.pledge(checked, buying_round, "other", 2)
    await close(checked)
    await desk.settle()
    first = await charge_of(checked, pledge)
    assert (first["state"], first["attempt"], first["last_error"]) == ("failed", 1, "card_declined")
    with pytest.raises(ChargeNotFound):
        await retry_charge(checked, charge_id=first["id"], buyer_id=other.buyer_id, actor=actor)
    with pytest.raises(ChargeNotFound):
        await retry_charge(checked, charge_id=uuid4(), actor=actor)
    with pytest.raises(ChargeStateConflict):
        await retry_charge(checked, charge_id=(await charge_of(checked, other))["id"], actor=actor)
    await retry_charge(checked, charge_id=first["id"], buyer_id=pledge.buyer_id, actor=actor)
    with pytest.raises(ChargeStateConflict):
        await retry_charge(checked, charge_id=first["id"], actor=actor)
    assert await desk.settle() == 1
    second = await charge_of(checked, pledge)
    assert (second["state"], second["attempt"], second["attempts"]) == ("failed", 2, 2)
    for key in ("create_key", "confirm_key", "finish_key", "provider_ref"):
        assert second[key] != first[key]
    assert await desk.holds(first["id"]) == [Held(200_000, 0, "requires_payment_method")] * 2
    assert await trail(checked, first["id"]) == [
        (n, state) for n in (1, 2) for state in ("due", "processing", "failed")
    ]
    assert await clear_if_decided(checked, code="round")
    with pytest.raises(ChargeStateConflict):
        await retry_charge(checked, charge_id=first["id"], actor=actor)


async def test_a_refused_creation_has_failed_and_holds_nothing(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked)
    pledge = await desk.pledge(checked, buying_round, "hanbit", 2)
    method_ref = await checked.fetchval("SELECT method_ref FROM payment_methods")
    await checked.execute("UPDATE payment_methods SET method_ref = 'pm_unknown'")
    await close(checked)
    assert await desk.settle() == 1
    charge = await charge_of(checked, pledge)
    assert (charge["state"], charge["provider_ref"]) == ("failed", None)
    assert charge["last_error"]
    assert await desk.holds(charge["id"]) == []
    await checked.execute("UPDATE payment_methods SET method_ref = $1", method_ref)
    await retry_charge(checked, charge_id=charge["id"], actor=SYSTEM)
    assert await desk.settle() == 1
    assert (await charge_of(checked, pledge))["state"] == "authorized"


async def test_a_provider_that_is_away_leaves_the_charge_with_a_growing_delay(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked)
    pledge = await desk.pledge(checked, buying_round, "hanbit", 2)
    await close(checked)
    nobody = StripeGateway("sk_test_a", "pk_test_a", "whsec_a", "http://127.0.0.1:1")
    keys, waits = set(), []
    for _ in range(4):
        await make_due(checked)
        assert await settle_one(desk.pool, nobody)
        assert not await settle_one(desk.pool, nobody)  # not before its time
        charge = await charge_of(checked, pledge)
        assert (charge["state"], charge["attempt"], charge["last_error"]) == ("processing", 1, "connection")
        keys.add((charge["create_key"], charge["confirm_key"], charge["finish_key"]))
        waits.append(charge["waits_seconds"])
    await checked.execute("UPDATE charges SET tries = 1000")
    await make_due(checked)
    await settle_one(desk.pool, nobody)
    waits.append((await charge_of(checked, pledge))["waits_seconds"])
    await nobody.close()
    assert [round(seconds / 2) * 2 for seconds in waits] == [2, 4, 8, 16, 600]
    assert len(keys) == 1
    await make_due(checked)
    assert await desk.settle() == 1
    charge = await charge_of(checked, pledge)
    assert (charge["state"], charge["tries"], charge["last_error"]) == ("authorized", 0, None)


# -- kills, faults and crowds ------------------------------------------------------------------------------------


async def test_answers_lost_at_every_step_make_one_payment(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked)
    pledge = await desk.pledge(checked, buying_round, "hanbit", 2)
    await close(checked)
    desk.local.inject(
        Fault("timeout_after", path=CREATE, seconds=1),
        Fault("reset_after", path=CONFIRM),
        Fault("status_500_after", path=CAPTURE),
    )
    async with gateway_to(desk.local, seconds=0.5) as impatient:
        assert await settle_one(desk.pool, impatient)
    charge = await charge_of(checked, pledge)
    assert (charge["state"], charge["provider_ref"], charge["last_error"]) == ("processing", None, "timeout")
    await make_due(checked)
    assert await settle_one(desk.pool, desk.gateway)
    charge = await charge_of(checked, pledge)
    assert (charge["state"], charge["last_error"]) == ("processing", "connection")
    assert await desk.holds(charge["id"]) == [Held(200_000, 0, "requires_capture")]
    await make_due(checked)
    assert await desk.settle() == 1
    assert await clear_if_decided(checked, code="round")
    assert await settle_one(desk.pool, desk.gateway)
    assert (await charge_of(checked, pledge))["state"] == "authorized"
    await make_due(checked)
    assert await desk.settle() == 1
    assert (await charge_of(checked, pledge))["state"] == "captured"
    assert await desk.holds(charge["id"]) == [Held(200_000, 200_000, "succeeded")]
    assert charge["attempts"] == 1


class KilledAfterCreating(StripeGateway):
    """The process ends when the provider has created the hold, before anybody wrote its id down."""

    async def create_hold(self, request: HoldRequest) -> str:
        await super().create_hold(request)
        raise RuntimeError("killed")


class KilledBeforeConfirming(StripeGateway):
    """The process ends when the id is written down, before the bank was asked."""

    async def confirm_hold(self, request: HoldRequest, *, provider_ref: str) -> HoldResult:
        raise RuntimeError("killed")


@pytest.mark.parametrize(
    ("killed", "is_ref_known"), [(KilledAfterCreating, False), (KilledBeforeConfirming, True)]
)
async def test_a_kill_between_create_and_confirm_goes_on_with_the_same_hold(
    desk: CardDesk, checked: asyncpg.Connection, killed: type[StripeGateway], is_ref_known: bool
) -> None:
    buying_round = await a_round(checked)
    pledge = await desk.pledge(checked, buying_round, "hanbit", 2)
    await close(checked)
    local = desk.local
    dying = killed(local.secret_key, local.publishable_key, local.webhook_secret, local.url)
    with pytest.raises(RuntimeError, match="killed"):
        await settle_one(desk.pool, dying)
    await dying.close()
    before = await charge_of(checked, pledge)
    assert (before["state"], before["provider_ref"] is not None) == ("processing", is_ref_known)
    assert await desk.settle() == 0  # leased to the dead
    await make_due(checked)
    assert await desk.settle() == 1
    after = await charge_of(checked, pledge)
    assert (after["state"], after["attempts"]) == ("authorized", 1)
    assert not is_ref_known or after["provider_ref"] == before["provider_ref"]
    assert await desk.holds(after["id"]) == [Held(200_000, 0, "requires_capture")]


async def test_many_workers_settle_each_charge_once(desk: CardDesk, checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    pledges = [await desk.pledge(checked, buying_round, f"factory-{n}", 2) for n in range(3)]
    await close(checked)
    took = await asyncio.gather(*(settle_one(desk.pool, desk.gateway) for _ in range(8)))
    assert sum(took) == 3
    assert await clear_if_decided(checked, code="round")
    took = await asyncio.gather(*(settle_one(desk.pool, desk.gateway) for _ in range(8)))
    assert sum(took) == 3
    for pledge in pledges:
        charge = await charge_of(checked, pledge)
        assert (charge["state"], charge["attempts"]) == ("captured", 1)
        assert await desk.holds(charge["id"]) == [Held(200_000, 180_000, "succeeded")]


async def test_a_claimed_charge_is_left_alone_until_its_lease_ends(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked)
    await desk.pledge(checked, buying_round, "hanbit", 2)
    await close(checked)
    [first] = await claim_charges(checked, limit=5)
    assert await claim_charges(checked, limit=5) == []
    await checked.execute("UPDATE charges SET leased_until = clock_timestamp()")
    [again] = await claim_charges(checked, limit=5)
    assert (first.tries, again.tries) == (1, 2)
    assert msgspec.structs.replace(again, tries=1) == first


# -- too late ----------------------------------------------------------------------------------------------------


async def test_a_card_not_asked_before_the_round_was_decided_is_never_asked(
    desk: CardDesk, checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked)
    pledges = [await desk.pledge(checked, buying_round, f"factory-{n}", 2) for n in range(2)]
    await close(checked)
    assert await settle_one(desk.pool, desk.gateway)
    await decide_late(checked, owner_conn)
    await desk.settle()
    states = {(await charge_of(checked, pledge))["state"]: pledge for pledge in pledges}
    assert set(states) == {"captured", "released"}
    late = await charge_of(checked, states["released"])
    assert (late["attempts"], await desk.holds(late["id"])) == (0, [])
    assert await trail(checked, late["id"]) == [(1, "due"), (1, "released")]


@pytest.mark.parametrize("path", [CREATE, CONFIRM])
async def test_a_hold_begun_before_the_round_was_decided_is_canceled_unconfirmed(
    desk: CardDesk, checked: asyncpg.Connection, owner_conn: asyncpg.Connection, path: str
) -> None:
    buying_round = await a_round(checked)
    pledge = await desk.pledge(checked, buying_round, "slow", 2)
    await close(checked)
    desk.local.inject(Fault("reset", path=path))
    assert await settle_one(desk.pool, desk.gateway)
    await decide_late(checked, owner_conn)
    await make_due(checked)
    assert await desk.settle() == 1
    charge = await charge_of(checked, pledge)
    assert (charge["state"], charge["capture_krw"]) == ("released", 0)
    assert await desk.holds(charge["id"]) == [Held(200_000, 0, "canceled")]
    assert await trail(checked, charge["id"]) == [(1, s) for s in ("due", "processing", "released")]


async def test_a_hold_confirmed_while_the_round_was_decided_is_released(
    desk: CardDesk, checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked)
    pledge = await desk.pledge(checked, buying_round, "slow", 2)
    await close(checked)

    class Slow(StripeGateway):
        async def confirm_hold(self, request: HoldRequest, *, provider_ref: str) -> HoldResult:
            result = await super().confirm_hold(request, provider_ref=provider_ref)
            await decide_late(checked, owner_conn)
            return result

    local = desk.local
    slow = Slow(local.secret_key, local.publishable_key, local.webhook_secret, local.url)
    assert await settle_one(desk.pool, slow)
    await slow.close()
    assert (await charge_of(checked, pledge))["state"] == "authorized"
    assert await desk.settle() == 1
    charge = await charge_of(checked, pledge)
    assert (charge["state"], charge["allocation_id"]) == ("released", None)
    assert await desk.holds(charge["id"]) == [Held(200_000, 0, "canceled")]


# -- results in any order ----------------------------------------------------------------------------------------

HISTORIES: tuple[tuple[ChargeState, ...], ...] = (
    ("processing", "authorized"),
    ("processing", "failed"),
    ("processing", "released"),
    ("processing", "action_required", "failed"),
    ("processing", "action_required", "released"),
    ("processing", "authorized", "captured"),
    ("processing", "authorized", "released"),
    ("processing", "action_required", "authorized", "captured"),
    ("processing", "action_required", "authorized", "released"),
)
"""What a provider may go through with one attempt; the last state is where our charge must end, too."""


@st.composite
def shuffled_histories(draw: st.DrawFn) -> tuple[tuple[ChargeState, ...], list[ChargeState]]:
    history = draw(st.sampled_from(HISTORIES))
    repeated = draw(st.lists(st.sampled_from(history), max_size=3))
    return history, draw(st.permutations([*history, *repeated]))


def walk_reports(drawn: tuple[tuple[ChargeState, ...], list[ChargeState]]) -> None:
    """The state must be a function of the set of reports, whatever their order and however often each comes."""
    history, reports = drawn
    state: ChargeState = "processing"
    for report in reports:
        for step in steps_to(report, state=state) if report != "processing" else ():
            assert step in CHARGE_TRANSITIONS[state]
            state = step
    assert state == history[-1]


@given(shuffled_histories())
@settings(deadline=None, max_examples=500)
def test_reports_in_any_order_walk_allowed_steps_to_one_end(
    drawn: tuple[tuple[ChargeState, ...], list[ChargeState]],
) -> None:
    walk_reports(drawn)


@pytest.mark.ci
@given(shuffled_histories())
@settings(deadline=None, max_examples=10_000)
def test_ten_thousand_orders_of_reports_walk_to_one_end(
    drawn: tuple[tuple[ChargeState, ...], list[ChargeState]],
) -> None:
    walk_reports(drawn)


@pytest.fixture
async def hanging(desk: CardDesk, checked: asyncpg.Connection) -> tuple[asyncpg.Connection, UUID]:
    """A charge in state processing."""
    buying_round = await a_round(checked)
    pledge = await desk.pledge(checked, buying_round, "hanbit", 2)
    await close(checked)
    [work] = await claim_charges(checked, limit=1)
    assert work.hold_request.amount_krw == deposit_ceiling_krw(buying_round, pledge.lines) == 200_000
    return checked, work.charge_id


@given(shuffled_histories())
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_results_in_any_order_end_in_one_state(
    hanging: tuple[asyncpg.Connection, UUID], drawn: tuple[tuple[ChargeState, ...], list[ChargeState]]
) -> None:
    await record_in_order(hanging, drawn)


@pytest.mark.long
@given(shuffled_histories())
@settings(deadline=None, max_examples=10_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_ten_thousand_orders_of_results_end_in_one_state(
    hanging: tuple[asyncpg.Connection, UUID], drawn: tuple[tuple[ChargeState, ...], list[ChargeState]]
) -> None:
    await record_in_order(hanging, drawn)


async def record_in_order(
    hanging: tuple[asyncpg.Connection, UUID], drawn: tuple[tuple[ChargeState, ...], list[ChargeState]]
) -> None:
    conn, charge_id = hanging
    history, reports = drawn
    undo = conn.transaction()
    await undo.start()
    try:
        for report in reports:
            result = HoldResult("pi_1", report, captured_krw=180_000 if report == "captured" else 0)  # type: ignore[arg-type]
            await record_result(conn, charge_id=charge_id, attempt=1, result=result)
        row = await conn.fetchrow("SELECT state, capture_krw, attempt FROM charges WHERE id = $1", charge_id)
        # A hold that ended while its round still waits for it is asked for again.
        end = ("due", 2) if history[-1] == "released" else (history[-1], 1)
        assert tuple(row) == (end[0], 180_000 if history[-1] == "captured" else None, end[1])
        states = await conn.fetch("SELECT state FROM charge_events WHERE charge_id = $1", charge_id)
        assert {history[-1], "processing", "due"} <= {row[0] for row in states}
        kinds = await conn.fetch("SELECT kind FROM events WHERE subject_id = $1 ORDER BY id", str(charge_id))
        assert len(set(kinds)) == len(kinds)
    finally:
        await undo.rollback()


async def test_a_result_of_an_older_attempt_changes_nothing(
    hanging: tuple[asyncpg.Connection, UUID],
) -> None:
    conn, charge_id = hanging
    await record_result(conn, charge_id=charge_id, attempt=1, result=HoldResult("pi_1", "failed"))
    await retry_charge(conn, charge_id=charge_id, actor=SYSTEM)
    before = await conn.fetchrow("SELECT * FROM charges")
    assert not await record_result(
        conn, charge_id=charge_id, attempt=1, result=HoldResult("pi_1", "authorized")
    )
    assert not await record_result(
        conn, charge_id=uuid4(), attempt=1, result=HoldResult("pi_1", "authorized")
    )
    assert await conn.fetchrow("SELECT * FROM charges") == before


# -- webhooks ----------------------------------------------------------------------------------------------------


def hint(object_ref: str, event_id: str = "evt_1", kind: str = "payment_intent.succeeded") -> WebhookHint:
    return WebhookHint(event_id, kind, object_ref, b'{"id": "evt"}')


async def webhook_rows(conn: asyncpg.Connection) -> list[tuple[Any, ...]]:
    rows = await conn.fetch(
        "SELECT id, processed_at IS NOT NULL, attempts, last_error FROM webhook_events ORDER BY id"
    )
    return [tuple(row) for row in rows]


async def test_a_webhook_moves_its_charge_and_is_worked_on_once(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked)
    pledge = await desk.pledge(checked, buying_round, "hanbit", 2)
    await close(checked)
    desk.local.inject(Fault("reset_after", path=CONFIRM))
    await settle_one(desk.pool, desk.gateway)
    provider_ref = (await charge_of(checked, pledge))["provider_ref"]
    kept = [await store_webhook(checked, hint(provider_ref)) for _ in range(3)]
    assert kept == [True, False, False]
    worked = await asyncio.gather(*(process_one_webhook(desk.pool, desk.gateway) for _ in range(4)))
    assert sum(worked) == 1
    charge = await charge_of(checked, pledge)
    assert charge["state"] == "authorized"
    assert await webhook_rows(checked) == [("evt_1", True, 1, None)]
    assert not await process_one_webhook(desk.pool, desk.gateway)
    assert await trail(checked, charge["id"]) == [(1, s) for s in ("due", "processing", "authorized")]


async def test_a_webhook_with_old_news_leaves_the_charge_as_it_is(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked)
    pledge = await desk.pledge(checked, buying_round, "hanbit", 2)
    await close(checked)
    await desk.settle()
    assert await clear_if_decided(checked, code="round")
    async with transaction(desk.pool) as conn:
        assert await claim_charges(conn, limit=1)  # a worker is about to capture it
    before = await charge_of(checked, pledge)
    await store_webhook(checked, hint(before["provider_ref"]))
    assert await process_one_webhook(desk.pool, desk.gateway)
    after = await charge_of(checked, pledge)
    same = ("state", "leased_until", "next_attempt_at", "last_error", "tries", "capture_krw")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert after["last_error"] is None


@pytest.mark.parametrize("object_ref", ["pi_unknown", "seti_unknown"])
async def test_a_webhook_about_something_unknown_is_harmless(
    desk: CardDesk, checked: asyncpg.Connection, object_ref: str
) -> None:
    await store_webhook(checked, hint(object_ref))
    assert await process_one_webhook(desk.pool, desk.gateway)
    assert await webhook_rows(checked) == [("evt_1", True, 1, None)]
    assert await checked.fetchval("SELECT count(*) FROM events") == 0


async def test_a_webhook_is_asked_about_again_while_the_provider_is_away(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked)
    pledge = await desk.pledge(checked, buying_round, "hanbit", 2)
    await close(checked)
    await desk.settle()
    charge = await charge_of(checked, pledge)
    await store_webhook(checked, hint(charge["provider_ref"]))
    nobody = StripeGateway("sk_test_a", "pk_test_a", "whsec_a", "http://127.0.0.1:1")
    assert await process_one_webhook(desk.pool, nobody)
    assert not await process_one_webhook(desk.pool, nobody)
    await nobody.close()
    assert await webhook_rows(checked) == [("evt_1", False, 1, "connection")]
    await checked.execute("UPDATE webhook_events SET next_attempt_at = clock_timestamp()")
    assert await process_one_webhook(desk.pool, desk.gateway)
    assert await webhook_rows(checked) == [("evt_1", True, 2, None)]
