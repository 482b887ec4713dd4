"""A vendor's file changes a published listing as its form does: exempt fields at once, the rest by request."""

from typing import Any

import asyncpg
import pytest

from catalog.change_requests import approve_change, decline_change, list_changes
from catalog.events import Actor
from catalog.importing import ImportReport, check_import, reviewing


def vendor(market: Any) -> Actor:
    return Actor(None, market.alpha.organization_id)


async def bring(market: Any, *rows: dict[str, str], kind: str = "products") -> ImportReport:
    return await market.bring(kind, *rows, viewer=market.alpha, asks=vendor(market))


async def pending(market: Any) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    found = await list_changes(market.conn, is_pending=True)
    return [(change.code, change.before, change.after) for change in found]


async def named(conn: asyncpg.Connection) -> tuple[str, str | None]:
    row = await conn.fetchrow("SELECT name_ko, note FROM products WHERE code = 'cobot-10'")
    return row["name_ko"], row["note"]


async def test_a_new_listing_and_a_draft_are_written_at_once(market: Any) -> None:
    report = await bring(market, market.row("products", state="draft"))
    assert (report.new, report.for_review) == (1, 0)
    report = await bring(market, market.row("products", state="draft", name_ko="새 이름"))
    assert (report.changed, report.for_review) == (1, 0)
    assert (await named(market.conn))[0] == "새 이름"


async def test_what_is_not_exempt_waits_and_twice_is_once(market: Any) -> None:
    await bring(market)
    row = market.row("products", name_ko="새 이름", note="바로", spec__payload="5 kg")
    seen = await check_import(
        market.conn, kind="products", table=market.table(row), viewer=market.alpha, is_reviewed=True
    )
    assert (seen.changed, seen.for_review) == (1, 1)
    assert {field.column for field in seen.changes[0].fields if field.waits} == {"name_ko", "spec.payload"}
    assert await pending(market) == []
    report = await bring(market, row)
    assert (report.changed, report.for_review, report.is_applied) == (1, 1, True)
    assert await named(market.conn) == ("협동로봇 C10", "바로")
    asked = [(
        "cobot-10", {"name_ko": "협동로봇 C10", "spec.payload": ""}, {"name_ko": "새 이름", "spec.payload": "5 kg"},
    )]  # fmt: skip
    assert await pending(market) == asked
    again = await bring(market, row)
    assert (again.new, again.changed, again.unchanged, again.for_review) == (0, 0, 1, 0)
    assert await pending(market) == asked
    assert await market.conn.fetchval("SELECT count(*) FROM change_requests") == 1
    change = (await list_changes(market.conn, is_pending=True))[0]
    await approve_change(
        market.conn, request_id=change.id, actor=Actor(None, market.coordinator.organization_id)
    )
    assert await named(market.conn) == ("새 이름", "바로")
    last = await bring(market, row)
    assert (last.changed, last.unchanged, last.for_review) == (0, 1, 0)


async def test_what_was_declined_may_be_asked_again_and_another_wish_replaces_the_first(market: Any) -> None:
    await bring(market)
    row = market.row("products", name_ko="새 이름")
    await bring(market, row)
    change = (await list_changes(market.conn, is_pending=True))[0]
    coordinator = Actor(None, market.coordinator.organization_id)
    await decline_change(market.conn, request_id=change.id, reason="까닭", actor=coordinator)
    assert (await bring(market, row)).for_review == 1
    assert (await bring(market, market.row("products", name_ko="다른 이름"))).for_review == 1
    assert [after for _, _, after in await pending(market)] == [{"name_ko": "다른 이름"}]


async def test_a_listing_can_be_taken_down_by_file(market: Any) -> None:
    await bring(market)
    report = await bring(market, market.row("products", state="retired"))
    assert (report.changed, report.for_review) == (1, 0)
    assert await market.conn.fetchval("SELECT state FROM products") == "retired"


async def test_packages_and_offers_wait_too_and_old_versions_stay(market: Any) -> None:
    await market.fill()
    await market.conn.execute("UPDATE products SET visibility = 'public'")
    report = await bring(market, market.row("package-models", summary_ko="새 요약"), kind="package-models")
    assert (report.changed, report.for_review, report.errors) == (1, 1, ())
    offer = market.row("offers", tiers="3:47000000", capacity="30")
    report = await bring(market, offer, kind="offers")
    assert (report.changed, report.for_review, report.errors) == (1, 1, ())
    assert await market.conn.fetchval("SELECT max(version) FROM package_versions") == 1
    assert await market.conn.fetchval("SELECT capacity FROM offers") == 30
    assert await market.conn.fetchval("SELECT max(unit_price_krw) FROM price_tiers") == 48_000_000
    assert {code: after for code, _, after in await pending(market)} == {
        "weld-cell": {"summary_ko": "새 요약"}, "weld-offer": {"tiers": "3:47000000"},
    }  # fmt: skip


async def test_a_coordinators_file_is_written_at_once(market: Any) -> None:
    await bring(market)
    report = await market.bring("products", market.row("products", name_ko="새 이름", vendor="alpha"))
    assert (report.changed, report.for_review) == (1, 0)
    assert (await named(market.conn))[0] == "새 이름"


async def test_one_file_asks_for_no_more_than_somebody_can_read(
    market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviewing, "REVIEWED_MAX", 2)
    rows = [market.row("products", code=f"p-{n}", model=f"M{n}") for n in range(4)]
    await bring(market, *rows)
    report = await bring(market, *(row | {"name_ko": "새 이름"} for row in rows))
    assert [(error.line, error.column) for error in report.errors] == [(4, "code"), (5, "code")]
    assert not report.is_applied
    assert await pending(market) == []


async def test_coordinators_get_one_message_for_a_file(market: Any) -> None:
    rows = [market.row("products", code=f"p-{n}", model=f"M{n}") for n in range(5)]
    await bring(market, *rows)
    await bring(market, *(row | {"name_ko": "새 이름"} for row in rows))
    told = await market.conn.fetch("SELECT data FROM notifications WHERE kind = 'change.requested'")
    assert [row["data"] for row in told] == [{"path": "/coordinator/changes", "code": "p-0, p-1, p-2, … (5)"}]
    events = await market.conn.fetchval("SELECT count(*) FROM events WHERE kind = 'change.requested'")
    assert events == 5


async def test_what_makes_no_sense_alone_waits_with_the_rest(market: Any) -> None:
    await market.fill()
    offer = market.row("offers", tiers="2:47000000", capacity="2")
    report = await bring(market, offer, kind="offers")
    assert (report.changed, report.for_review, report.errors) == (1, 1, ())
    assert await market.conn.fetchval("SELECT capacity FROM offers") == 20
    assert [after for _, _, after in await pending(market)] == [{"tiers": "2:47000000", "capacity": "2"}]
