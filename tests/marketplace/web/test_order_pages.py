"""Orders over HTTP: the boards, the page of an order, its forms, files and talk, and the same as JSON."""

import re
from datetime import date, timedelta
from uuid import uuid4

import httpx
import pytest

from catalog.core.viewer import Viewer
from catalog.events import Actor
from group_buy.checks import check_invariants
from group_buy.closing import begin_closing
from group_buy.core.pledge import LineInput
from group_buy.deciding import clear_if_decided
from group_buy.delivering import order_round
from group_buy.pledging import place_pledge
from marketplace.accounts.people import add_organization, add_person

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
VENDOR, BUYER, OTHER, COORDINATOR = (
    f"{name}@test.example" for name in ("alpha", "mill", "forge", "alliance")
)


async def actor_of(market, email: str) -> Actor:
    row = await market.conn.fetchrow(
        "SELECT m.person_id, m.organization_id FROM memberships m JOIN people p ON p.id = m.person_id WHERE email = $1",
        email,
    )
    return Actor(*row)


@pytest.fixture
async def numbers(market) -> list[str]:
    """A round that cleared with orders of mill (4) and forge (6), not yet ordered; every invariant holds after."""
    forge = await add_organization(
        market.conn, code="forge", kind="factory", name_ko="forge 공장", name_en="forge factory"
    )
    await add_person(
        market.conn, email=OTHER, name="forge", password="a password of a test", organization_id=forge,
        roles=frozenset({"buyer"}),
    )  # fmt: skip
    await market.open_round("spring", "weld-offer")
    for email, quantity in ((BUYER, 4), (OTHER, 6)):
        actor = await actor_of(market, email)
        pledge = await place_pledge(
            market.conn, round_code="spring", pledge_id=uuid4(), buyer=Viewer(actor.organization_id, "factory"),
            person_id=actor.person_id, funding="transfer", lines=(LineInput(quantity),),
        )  # fmt: skip
        await market.conn.execute(
            "INSERT INTO pledge_fundings (pledge_id, version, kind, verified_by) VALUES ($1, 1, 'order', $2)",
            pledge.id,
            actor.person_id,
        )
    async with market.conn.transaction():
        await begin_closing(market.conn, code="spring", early=True)
        assert await clear_if_decided(market.conn, code="spring")
    rows = await market.conn.fetch("SELECT number FROM orders ORDER BY quantity")
    yield [row["number"] for row in rows]
    assert [each for each in await check_invariants(market.conn) if each.violations] == []


async def ordered(market) -> date:
    """The coordinator orders the round; answers the Korean day."""
    coordinator = await actor_of(market, COORDINATOR)
    await order_round(
        market.conn, code="spring", coordinator_id=coordinator.organization_id, actor=coordinator
    )
    return await market.conn.fetchval("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date")


async def everything(market) -> list[str]:
    rows = await market.conn.fetch(
        """
        SELECT to_jsonb(o)::text AS row FROM orders o UNION ALL SELECT to_jsonb(s)::text FROM order_steps s
        UNION ALL SELECT to_jsonb(m)::text FROM order_messages m UNION ALL SELECT to_jsonb(f)::text FROM order_files f
        UNION ALL SELECT to_jsonb(r)::text FROM rounds r UNION ALL SELECT count(*)::text FROM notifications
        UNION ALL SELECT count(*)::text FROM events WHERE kind <> 'person.signed_in'
        UNION ALL SELECT count(*)::text FROM files ORDER BY 1
        """
    )
    return [row["row"] for row in rows]


def text_of(page: httpx.Response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))


async def json_request(client: httpx.AsyncClient, method: str, path: str, body=None) -> httpx.Response:
    await client.get("/sign-in")
    headers = {"x-csrftoken": client.cookies["csrftoken"], "accept": "application/json"}
    return await client.request(method, path, json=body, headers=headers)


async def test_an_order_walks_from_its_confirmation_to_a_part_that_is_accepted(
    market, client, sign_in_as, submit, numbers
) -> None:
    mills, _ = numbers
    await sign_in_as(client, VENDOR)
    page = text_of(await client.get("/orders"))
    assert "오늘 할 일이 없습니다." in page
    assert mills in page
    assert "운영자가 회차를 발주하면" in text_of(await client.get(f"/orders/{mills}"))
    day = await ordered(market)
    page = text_of(await client.get("/orders"))
    assert page.count("납품일을 정해 주문 확정") == 2
    steps = f"/orders/{mills}/steps"
    promised = day + timedelta(20)
    answer = await submit(client, steps, kind="confirm", step_id=str(uuid4()), promised_on=str(promised))
    assert answer.status_code == 303, text_of(answer)
    assert answer.headers["location"] == f"/orders/{mills}?notice=order-confirm"
    page = text_of(await client.get("/orders"))
    assert page.count("납품일을 정해 주문 확정") == 1  # forge's; mill's delivery is due later
    for quantity in ("1", "3"):
        answer = await submit(
            client, steps, kind="deliver", step_id=str(uuid4()), quantity=quantity, done_on=str(day),
            note=f"화물 {quantity}대", files={"file_1": ("도착.png", PNG, "image/png")},
        )  # fmt: skip
        assert answer.status_code == 303, text_of(answer)
    answer = await submit(client, steps, kind="install", step_id=str(uuid4()), done_on=str(day))
    assert answer.status_code == 303
    await sign_in_as(client, BUYER)
    assert "검수하기" in text_of(await client.get("/orders"))
    answer = await submit(
        client, steps, kind="inspect", step_id=str(uuid4()), accepted="3", rejected="1", reason="damaged",
        done_on=str(day), note="케이블이 끊어짐",
    )  # fmt: skip
    assert answer.status_code == 303, text_of(answer)
    page = text_of(await client.get(f"/orders/{mills}"))
    for text in ("일부 합격", "합격 3대", "불합격 1대", "파손", "케이블이 끊어짐", "화물 3대", "도착.png"):
        assert text in page, text
    # The vendor owes the replacement; the buyer's pages of pledges lead here.
    assert "납품하기" in page
    assert f"/orders/{mills}" in (await client.get("/my/pledges")).text
    english = text_of(await client.get(f"/en/orders/{mills}"))
    assert all(
        text in english for text in ("Partly accepted", "1 unit rejected", "Late penalty", "0.75/1000")
    )


async def test_a_wrong_form_says_what_to_do_keeps_what_was_typed_and_changes_nothing(
    market, client, sign_in_as, submit, numbers
) -> None:
    mills, forges = numbers
    day = await ordered(market)
    await sign_in_as(client, VENDOR)
    steps = f"/orders/{mills}/steps"
    before = await everything(market)
    too_early = {"kind": "confirm", "promised_on": str(day - timedelta(1))}
    answer = await submit(client, steps, **too_early)
    assert answer.status_code == 400
    assert "오늘부터 발주 뒤 3년 안의 날짜를 적으세요." in text_of(answer)
    assert str(day - timedelta(1)) in answer.text
    assert (await submit(client, steps, kind="confirm", promised_on="내일")).status_code == 400
    assert (await submit(client, steps, kind="what")).status_code == 400
    answer = await submit(client, steps, kind="deliver", quantity="1", done_on=str(day))
    assert answer.status_code == 409
    assert "다른 단계" in text_of(answer)
    assert await everything(market) == before
    await submit(client, steps, kind="confirm", promised_on=str(day))
    before = await everything(market)
    for fields, sentence in (
        ({"quantity": "5"}, "아직 오지 않은 수량까지"),
        ({"quantity": "x"}, "아직 오지 않은 수량까지"),
        ({"quantity": "1", "done_on": str(day + timedelta(1))}, "앞 단계의 날짜부터 오늘까지"),
        ({"quantity": "1", "files": {"file_1": ("a.png", b"%PDF-1.7 x", "image/png")}}, "확장자와 다릅니다"),
        ({"quantity": "1", "files": {"file_1": ("a.exe", b"MZ", "image/png")}}, "PNG, JPEG, PDF 파일만"),
        ({"quantity": "1", "files": {"file_1": ("a.png", b"", "image/png")}}, "빈 파일"),
    ):
        answer = await submit(client, steps, **({"kind": "deliver", "done_on": str(day)} | fields))
        assert answer.status_code == 400, fields
        assert sentence in text_of(answer), fields
    assert await everything(market) == before
    # Somebody else's order does not exist; steps of others neither.
    await sign_in_as(client, OTHER)
    for path in (f"/orders/{mills}", f"/orders/{mills}/files/{uuid4()}"):
        assert (await client.get(path)).status_code == 404
    assert (await submit(client, steps, kind="close")).status_code == 404
    own = f"/orders/{forges}/steps"
    assert (await submit(client, own, kind="confirm", promised_on=str(day))).status_code == 404
    await sign_in_as(client, "beta@test.example")
    assert (await submit(client, own, kind="confirm", promised_on=str(day))).status_code == 404
    assert await everything(market) == before


async def test_the_three_parties_talk_with_files_and_nobody_else_reads_them(
    market, client, sign_in_as, submit, numbers
) -> None:
    mills, _ = numbers
    talk, message_id = f"/orders/{mills}/messages", str(uuid4())
    await sign_in_as(client, COORDINATOR)
    for _ in range(2):  # the button pressed twice is one message
        answer = await submit(
            client, talk, message_id=message_id, text="납품 전에 현장 전원을 확인해 주세요.",
            files={"file_1": ("전원.png", PNG, "image/png")},
        )  # fmt: skip
        assert answer.status_code == 303
    await sign_in_as(client, BUYER)
    page = await client.get(f"/orders/{mills}")
    assert text_of(page).count("현장 전원을 확인해 주세요.") == 1
    [link] = re.findall(rf'href="(/orders/{mills}/files/[^"]+)"', page.text)
    file = await client.get(link)
    assert (file.content, file.headers["content-type"]) == (PNG, "image/png")
    assert (file.headers["content-disposition"], file.headers["x-content-type-options"]) == (
        "inline",
        "nosniff",
    )
    before = await everything(market)
    assert (await submit(client, talk, text=" ")).status_code == 400
    assert (await submit(client, talk, text="가" * 2001)).status_code == 400
    assert (await submit(client, talk, text="x", message_id=message_id)).status_code == 409
    await sign_in_as(client, OTHER)
    assert (await client.get(link)).status_code == 404
    assert (await submit(client, talk, text="x")).status_code == 404
    assert await everything(market) == before


async def test_the_list_is_narrowed_by_step_and_round_and_leaves_out_others(
    market, client, sign_in_as, numbers
) -> None:
    mills, forges = numbers
    await ordered(market)
    await sign_in_as(client, COORDINATOR)
    for query, found in (
        ("", {mills, forges}),
        ("?state=placed", {mills, forges}),
        ("?state=closed", set()),
        ("?round=spring", {mills, forges}),
        ("?round=autumn", set()),
        ("?state=nonsense&page=x", {mills, forges}),
        ("?page=2", set()),
    ):
        page = (await client.get(f"/orders{query}")).text
        assert {number for number in numbers if f"/orders/{number}" in page} == found, query
    await sign_in_as(client, BUYER)
    page = (await client.get("/orders")).text
    assert mills in page
    assert forges not in page
    answer = (await client.get("/api/orders?state=placed")).json()
    assert [order["number"] for order in answer["orders"]] == [mills]
    assert (await client.get("/api/orders?page=0")).status_code == 400


async def test_programs_take_the_same_steps_under_their_own_ids(market, client, sign_in_as, numbers) -> None:
    mills, _ = numbers
    day = await ordered(market)
    await sign_in_as(client, VENDOR)
    path = f"/api/orders/{mills}/steps"
    confirm = {"kind": "confirm", "promised_on": str(day)}
    answer = await json_request(client, "PUT", f"{path}/{uuid4()}", confirm)
    assert (answer.status_code, answer.json()["state"]) == (200, "confirmed")
    step_id = uuid4()
    deliver = {"kind": "deliver", "done_on": str(day), "quantity": 3}
    for _ in range(2):
        answer = await json_request(client, "PUT", f"{path}/{step_id}", deliver)
        assert answer.json()["quantity_delivered"] == 3
    before = await everything(market)
    for body, status, problem in (
        (deliver | {"quantity": 2}, 400, "invalid-order-step"),
        (deliver | {"done_on": str(day - timedelta(1))}, 400, "invalid-order-step"),
        (confirm, 409, "order-step-refused"),
        ({"kind": "close"}, 409, "order-step-refused"),
        ({"kind": "inspect", "done_on": str(day), "accepted": 3}, 404, "order-not-found"),
        ({"kind": "lose"}, 400, "invalid-request"),
        (deliver | {"price": 1}, 400, "invalid-request"),
    ):
        answer = await json_request(client, "PUT", f"{path}/{uuid4()}", body)
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{problem}"), body
    answer = await json_request(client, "PUT", f"{path}/{step_id}", deliver | {"quantity": 1})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/id-reused")
    assert await everything(market) == before
    read = (await client.get(f"/api/orders/{mills}", headers={"accept": "application/json"})).json()
    assert [step["kind"] for step in read["steps"]] == ["confirm", "deliver"]
    assert [(due["kind"], due["side"]) for due in read["due"]] == [
        ("deliver", "vendor"),
        ("install", "vendor"),
    ]
    assert read["late"]["penalty_krw"] == 0
    message = f"/api/orders/{mills}/messages/{uuid4()}"
    assert (await json_request(client, "PUT", message, {"text": "내일 갑니다"})).status_code == 204
    said = (await client.get(f"/api/orders/{mills}/messages")).json()
    assert [each["text"] for each in said] == ["내일 갑니다"]


async def test_a_late_order_shows_its_penalty_and_stands_on_the_coordinators_board(
    market, client, sign_in_as, numbers
) -> None:
    mills, _ = numbers
    await ordered(market)
    # The offer's lead time is 60 days: since 20 days all four units are late.
    await market.conn.execute("UPDATE orders SET ordered_on = ordered_on - 80 WHERE number = $1", mills)
    await sign_in_as(client, BUYER)
    page = text_of(await client.get(f"/orders/{mills}"))
    # 4 units × 20 days × 45,000,000 won × 0.75/1000
    assert "2,700,000원" in page
    assert "납기를 20일 넘겼고, 늦은 수량에 날수를 곱하면 80입니다." in page
    assert "두 기업이 합의해야 적용됩니다." in page
    late = (await client.get(f"/api/orders/{mills}")).json()["late"]
    assert late == {"days": 20, "unit_days": 80, "penalty_krw": 2_700_000, "is_capped": False}
    await sign_in_as(client, COORDINATOR)
    page = text_of(await client.get("/orders"))
    assert "날짜가 지난 일 1" in page
    assert "80일 지남" in page


async def test_an_order_is_closed_by_any_of_the_three_once_its_warranty_is_over(
    market, client, sign_in_as, submit, numbers
) -> None:
    mills, _ = numbers
    day = await ordered(market)
    steps = f"/orders/{mills}/steps"
    await sign_in_as(client, VENDOR)
    await submit(client, steps, kind="confirm", promised_on=str(day))
    await submit(client, steps, kind="deliver", quantity="4", done_on=str(day))
    await submit(client, steps, kind="install", done_on=str(day))
    await sign_in_as(client, BUYER)
    answer = await submit(client, steps, kind="inspect", accepted="4", rejected="0", done_on=str(day))
    assert answer.status_code == 303, text_of(answer)
    page = await client.get(f"/orders/{mills}")
    assert "보증 중" in text_of(page)
    assert "주문 종료하기" not in page.text
    before = await everything(market)
    answer = await submit(client, steps, kind="close")
    assert answer.status_code == 409
    assert "보증 기간이 끝나야 종료할 수 있습니다." in text_of(answer)
    assert await everything(market) == before
    await market.conn.execute(
        "UPDATE orders SET warranty_until = $1 WHERE number = $2", day - timedelta(1), mills
    )
    await sign_in_as(client, COORDINATOR)
    assert "주문 종료하기" in (await client.get(f"/orders/{mills}")).text
    assert (await submit(client, steps, kind="close")).status_code == 303
    assert await market.conn.fetchval("SELECT state FROM orders WHERE number = $1", mills) == "closed"
