"""Paying by card on a page of one's own: for its buyer only, with the provider's script on that page and on no other."""

import re
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from builders import PASSWORD
from card_desk import open_books
from litestar import Litestar

from group_buy.closing import begin_closing
from group_buy.deciding import clear_if_decided
from marketplace.accounts.people import add_organization, add_person
from marketplace.app import create_app
from marketplace.payments.local_stripe import LocalStripe
from marketplace.payments.stripe_gateway import StripeGateway
from marketplace.settings import Settings
from search_config.embedded_engine import EmbeddedEngine

# stripe 16.1 hands its form to httpx as `data=`, which httpx would rather be given as `content=`.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(scope="module")
def stripe() -> Iterator[LocalStripe]:
    with LocalStripe() as running:
        yield running


@pytest.fixture
async def app(database: str, engine: EmbeddedEngine, stripe: LocalStripe) -> AsyncIterator[Litestar]:
    """The application as it serves with cards, without worker loops."""
    keys = (stripe.secret_key, stripe.publishable_key, stripe.webhook_secret)
    settings = Settings(
        worker_in_process=False,
        stripe_secret_key=keys[0],
        stripe_publishable_key=keys[1],
        stripe_webhook_secret=keys[2],
        stripe_api_base=stripe.url,
    )
    built = create_app(settings, dsn=database, engine=engine, gateway=StripeGateway(*keys, stripe.url))
    async with built.lifespan():
        yield built


async def an_owed_balance(market, client, sign_in_as, submit) -> str:
    """The factory owes a balance by transfer; returns the charge's id."""
    await market.open_round("spring", "weld-offer")
    await sign_in_as(client, "mill@test.example")
    answer = await submit(
        client, "/rounds/spring/pledges", pledge_id=str(uuid4()), quantity_min="1", quantity_max="3",
        limit_unit_price_krw="", payment_method="transfer",
    )  # fmt: skip
    assert answer.status_code == 303, answer.text
    await market.conn.execute(
        """
        INSERT INTO pledge_fundings (pledge_id, version, kind, verified_by)
        SELECT p.id, 1, 'order', (SELECT min(id) FROM people) FROM pledges p
        """
    )
    async with market.conn.transaction():
        assert await begin_closing(market.conn, code="spring", early=True)
        assert await clear_if_decided(market.conn, code="spring")
    return str(
        await market.conn.fetchval("SELECT id FROM charges WHERE purpose = 'balance' AND state = 'due'")
    )


async def test_a_balance_is_paid_on_the_one_page_that_loads_the_providers_script(
    market, client, sign_in_as, submit, stripe: LocalStripe
) -> None:
    await an_owed_balance(market, client, sign_in_as, submit)
    await market.conn.execute("UPDATE charges SET amount_krw = 1234567 WHERE purpose = 'balance'")
    charge_id = await market.conn.fetchval("SELECT id FROM charges WHERE purpose = 'balance'")
    await open_books(market.conn)
    mine = await client.get("/my/pledges")
    assert "카드로 내기" in mine.text
    assert "/js/v3/" not in mine.text
    chosen = await submit(client, f"/my/charges/{charge_id}/card")
    assert (chosen.status_code, chosen.headers["location"]) == (303, f"/my/charges/{charge_id}/pay")
    page = await client.get(f"/my/charges/{charge_id}/pay")
    assert page.status_code == 200
    assert "1,234,567원" in page.text
    assert f"{stripe.url}/js/v3/" in page.text
    secret = re.search(r'data-secret="(pi_\w+_secret_\w+)"', page.text)
    assert secret is not None
    again = await client.get(f"/en/my/charges/{charge_id}/pay")  # a reload, in English: the same payment
    assert secret[1] in again.text
    assert "You are charged right now." in again.text
    waiting = await submit(client, f"/my/charges/{charge_id}/pay", setup_intent="pi_somebody_elses")
    assert waiting.headers["location"].startswith("/my/pledges?notice=payment-waiting")
    assert (
        await market.conn.fetchval("SELECT state FROM charges WHERE id = $1", charge_id) == "action_required"
    )
    assert "지금 결제" in (await client.get("/my/pledges")).text
    back = await submit(client, f"/my/charges/{charge_id}/transfer")
    assert back.status_code == 303
    assert (
        await client.get(f"/my/charges/{charge_id}/pay")
    ).status_code == 303  # nothing to pay there any more


async def test_somebody_elses_payment_is_not_found_and_stays_as_it_is(
    market, client, sign_in_as, submit
) -> None:
    charge_id = await an_owed_balance(market, client, sign_in_as, submit)
    other = await add_organization(
        market.conn, code="other", kind="factory", name_ko="다른 공장", name_en="Other"
    )
    await add_person(
        market.conn, email="other@test.example", name="Other", password=PASSWORD, organization_id=other,
        roles=frozenset({"buyer"}),
    )  # fmt: skip
    before = await market.conn.fetch("SELECT * FROM charges ORDER BY id")
    await submit(client, "/sign-out")
    await sign_in_as(client, "other@test.example")
    answers = [
        await client.get(f"/my/charges/{charge_id}/pay"),
        *[await submit(client, f"/my/charges/{charge_id}/{step}") for step in ("pay", "card", "transfer")],
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert await market.conn.fetch("SELECT * FROM charges ORDER BY id") == before
    assert await market.conn.fetchval("SELECT count(*) FROM charge_attempts") == 0
