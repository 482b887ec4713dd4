"""Who may do what: every route against everybody it is not for, forged forms, sessions, and guessing passwords."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from litestar import Litestar, get

from marketplace import app as wiring
from marketplace.accounts import sessions
from marketplace.accounts.access import AUDIENCES, Audience
from marketplace.accounts.people import add_person
from marketplace.accounts.sessions import SIGN_IN_ATTEMPTS_FROM_HOST_MAX, SIGN_IN_ATTEMPTS_MAX, count_attempt
from marketplace.app import MissingAudience, create_app, list_routes
from marketplace.settings import Settings
from search_config.embedded_engine import EmbeddedEngine

PASSWORD = "a password of a test"

PERSONAS: Mapping[str, frozenset[Audience]] = {
    "anonymous": frozenset({"anyone"}),
    "mill": frozenset({"anyone", "person", "member", "buyer"}),
    "clerk": frozenset({"anyone", "person", "member"}),
    "alpha": frozenset({"anyone", "person", "member", "vendor", "lister"}),
    "alliance": frozenset({"anyone", "person", "member", "operator"}),
}
"""By the name before the @: a factory's buyer, its bookkeeper, a vendor's lister, a coordinator's operator."""

Browsers = Mapping[str, httpx.AsyncClient]


async def row_counts(conn: asyncpg.Connection) -> dict[str, int]:
    """How many rows every table has."""
    names = await conn.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    query = " UNION ALL ".join(f"SELECT '{row[0]}', count(*) FROM {row[0]}" for row in names)
    return dict(await conn.fetch(query))


def browser(app: Litestar, base_url: str = "http://127.0.0.1:8000") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=base_url, headers={"accept": "text/html"})


async def take_token(client: httpx.AsyncClient) -> None:
    """Send the token of the forms along with every request from now on."""
    await client.get("/sign-in")
    client.headers["x-csrftoken"] = client.cookies["csrftoken"]


async def try_to_sign_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post(
        "/sign-in", data={"email": f"{name}@test.example", "password": password, "next": "/"}
    )


@pytest.fixture
async def browsers(app: Litestar, market: Any) -> AsyncIterator[Browsers]:
    """One browser a persona, with its session and its token."""
    await add_person(
        market.conn,
        email="clerk@test.example",
        name="bookkeeper of mill",
        password=PASSWORD,
        organization_id=await market.conn.fetchval("SELECT id FROM organizations WHERE code = 'mill'"),
        roles=frozenset({"finance"}),
    )
    async with AsyncExitStack() as stack:
        opened: dict[str, httpx.AsyncClient] = {}
        for name in PERSONAS:
            opened[name] = await stack.enter_async_context(browser(app))
            await take_token(opened[name])
            if name != "anonymous":
                answer = await try_to_sign_in(opened[name], name)
                assert answer.status_code == 303, name
        yield opened


def address(path: str, known: Mapping[str, str]) -> str:
    """A path of a route with things that exist in place of its parameters."""
    wanted = (
        "invoice" if "invoices" in path else "offer" if "offers" in path or "requests" in path else "round"
    )
    filled = path.replace("{code:str}", known[wanted]).replace("{number:str}", known["invoice"])
    others = {"uuid": str(uuid4()), "int": "1", "str": "x"}
    return re.sub(r"\{(\w+):(uuid|int|str)\}", lambda match: known.get(match[1], others[match[2]]), filled)


def routes_with_methods(app: Litestar) -> list[tuple[str, str, Audience]]:
    return [
        (method, path, handler.opt["audience"])
        for path, handler in list_routes(app)
        for method in sorted(handler.http_methods - {"OPTIONS"})
    ]


async def call(client: httpx.AsyncClient, method: str, path: str, **headers: str) -> httpx.Response:
    """A request that would do something, if it were let through."""
    form = {
        "confirmed": "yes",
        "reason": "none",
        "pledge_id": str(uuid4()),
        "quantity_min": "1",
        "quantity_max": "1",
    }
    if method == "GET":
        return await client.get(path, headers=headers)
    if path.startswith("/api/"):
        content = {"lines": [{"quantity_max": 1}], "kind": "order"}
        return await client.request(method, path, json=content, headers=headers)
    return await client.request(method, path, data=form, headers=headers)


@pytest.fixture
async def known(market: Any, browsers: Browsers) -> dict[str, str]:
    """A round with a pledge in it, to be tempted by."""
    await market.open_round("weld-1", "weld-offer")
    pledge_id = str(uuid4())
    answer = await browsers["mill"].put(
        f"/api/rounds/weld-1/pledges/{pledge_id}", json={"lines": [{"quantity_max": 2}]}
    )
    assert answer.status_code == 200, answer.text
    return {
        "round": "weld-1",
        "offer": "weld-offer",
        "invoice": "SFA-1",
        "pledge_id": pledge_id,
        "charge_id": str(uuid4()),
        "import_id": str(uuid4()),
    }


# -- audiences ---------------------------------------------------------------------------------------------------


async def test_a_route_lets_nobody_in_whom_it_is_not_for_and_changes_nothing(
    app: Litestar, market: Any, browsers: Browsers, known: dict[str, str]
) -> None:
    before = await row_counts(market.conn)
    refused: Counter[str] = Counter()
    for method, path, audience in routes_with_methods(app):
        for name, client in browsers.items():
            if audience in PERSONAS[name] or audience == "provider":
                continue
            answer = await call(client, method, address(path, known))
            where = (name, method, path)
            if name != "anonymous":
                assert answer.status_code == 403, where
            elif path.startswith("/api/"):
                assert answer.status_code == 401, where
            else:
                assert (answer.status_code, answer.headers["location"][:14]) == (303, "/sign-in?next="), where
            refused[name] += 1
    assert await row_counts(market.conn) == before
    assert min(refused[name] for name in PERSONAS) >= 15, refused


async def test_a_route_lets_everybody_in_whom_it_is_for(
    app: Litestar, browsers: Browsers, known: dict[str, str]
) -> None:
    let_in: set[Audience] = set()
    for method, path, audience in routes_with_methods(app):
        if method != "GET" or path.endswith("/events"):
            continue
        for name, client in browsers.items():
            if audience in PERSONAS[name]:
                answer = await client.get(address(path, known))
                assert answer.status_code in {200, 302, 303, 400, 404}, (name, path, answer.status_code)
                let_in.add(audience)
    assert let_in == set(AUDIENCES) - {"provider"}


async def test_no_address_writes_when_it_is_only_read(
    app: Litestar, owner_conn: asyncpg.Connection, browsers: Browsers, known: dict[str, str]
) -> None:
    name = await owner_conn.fetchval("SELECT quote_ident(current_database())")
    await owner_conn.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await app.state.pool.expire_connections()
    written = await browsers["mill"].put(
        f"/api/rounds/weld-1/pledges/{uuid4()}", json={"lines": [{"quantity_max": 1}]}
    )
    assert written.status_code == 500, "nothing can be written now"
    for method, path, audience in routes_with_methods(app):
        if method != "GET" or path.endswith("/events"):
            continue
        for persona, client in browsers.items():
            if audience in PERSONAS[persona]:
                answer = await client.get(address(path, known))
                assert answer.status_code in {200, 302, 303, 400, 404}, (persona, path, answer.status_code)


async def test_a_request_that_changes_something_needs_the_token_of_the_forms(
    app: Litestar, market: Any, browsers: Browsers, known: dict[str, str]
) -> None:
    before = await row_counts(market.conn)
    for token in (None, "0" * 128):
        for method, path, audience in routes_with_methods(app):
            if method == "GET" or audience == "provider":
                continue
            name = next(n for n in reversed(PERSONAS) if audience in PERSONAS[n])
            client = browsers[name]
            del client.headers["x-csrftoken"]
            if token is not None:
                client.headers["x-csrftoken"] = token
            answer = await call(client, method, address(path, known))
            client.headers["x-csrftoken"] = client.cookies["csrftoken"]
            assert answer.status_code == 403, (method, path)
    assert await row_counts(market.conn) == before


async def test_an_application_with_an_undeclared_route_does_not_start(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    @get("/forgotten")
    async def forgotten() -> None: ...

    @get("/misspelt", opt={"audience": "buyers"})
    async def misspelt() -> None: ...

    for handler, path in ((forgotten, "/forgotten"), (misspelt, "/misspelt")):
        monkeypatch.setattr(wiring, "API_HANDLERS", [handler])
        with pytest.raises(MissingAudience, match=path):
            create_app(Settings(), dsn="", engine=engine, gateway=None)


async def test_the_methods_of_a_path_are_no_secret(client: httpx.AsyncClient) -> None:
    answer = await client.options("/api/rounds")
    assert answer.status_code == 204
    assert {part.strip() for part in answer.headers["allow"].split(",")} >= {"GET", "OPTIONS"}


# -- sessions ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(settings: Settings, database: str, engine: EmbeddedEngine) -> AsyncIterator[Litestar]:
    app = create_app(settings, dsn=database, engine=engine, gateway=None)
    async with app.lifespan():
        yield app


async def test_the_cookie_of_a_session_is_for_this_site_alone(
    app: Litestar, market: Any, database: str, engine: EmbeddedEngine
) -> None:
    async with browser(app) as client:
        await take_token(client)
        cookie = (await try_to_sign_in(client, "mill")).headers["set-cookie"].lower()
        assert cookie.startswith("session=")
        assert {"httponly", "path=/", "samesite=lax", "max-age=1209600"} <= set(cookie.split("; "))
        assert "secure" not in cookie
        assert "domain" not in cookie
    secure = Settings(worker_in_process=False, public_url="https://market.example")
    async with serving(secure, database, engine) as app_2, browser(app_2, "https://market.example") as client:
        token = (await client.get("/sign-in")).headers["set-cookie"].lower()
        assert "secure" in token.split("; ")
        await take_token(client)
        cookie = (await try_to_sign_in(client, "mill")).headers["set-cookie"]
        assert cookie.startswith("__Host-session=")
        assert {"httponly", "path=/", "samesite=lax", "secure"} <= set(cookie.lower().split("; "))
        assert "domain" not in cookie.lower()


async def test_a_session_chosen_by_somebody_else_is_never_adopted(app: Litestar, market: Any) -> None:
    async with browser(app) as client:
        client.cookies.set("session", "chosen-by-the-attacker")
        await take_token(client)
        assert (await client.get("/my/pledges")).status_code == 303
        answer = await try_to_sign_in(client, "mill")
        token = answer.cookies["session"]
        assert token != "chosen-by-the-attacker"
        again = (await try_to_sign_in(client, "mill")).cookies["session"]
        assert again != token
    async with browser(app) as attacker:
        attacker.cookies.set("session", "chosen-by-the-attacker")
        assert (await attacker.get("/my/pledges")).status_code == 303
    stored = await market.conn.fetch("SELECT token_sha256 FROM sessions")
    assert len(stored) == 2
    assert token.encode() not in {row[0] for row in stored}


async def test_an_ended_session_opens_nothing(
    app: Litestar, market: Any, owner_conn: asyncpg.Connection
) -> None:
    async with browser(app) as client:
        await take_token(client)
        await try_to_sign_in(client, "mill")
        assert (await client.get("/my/pledges")).status_code == 200
        for bar, unbar in (
            ("UPDATE people SET disabled_at = now()", "UPDATE people SET disabled_at = NULL"),
            ("UPDATE organizations SET state = 'suspended'", "UPDATE organizations SET state = 'active'"),
            ("UPDATE memberships SET role = 'finance'", "UPDATE memberships SET role = 'buyer'"),
            (
                "UPDATE sessions SET expires_at = now()",
                "UPDATE sessions SET expires_at = now() + interval '1 day'",
            ),
        ):
            await owner_conn.execute(bar)
            assert (await client.get("/my/pledges")).status_code == (403 if "role" in bar else 303), bar
            await owner_conn.execute(unbar)
            assert (await client.get("/my/pledges")).status_code == 200, unbar
        token = client.cookies["session"]
        assert (await client.post("/sign-out")).status_code == 303
        assert "session" not in client.cookies
        client.cookies.set("session", token)
        assert (await client.get("/my/pledges")).status_code == 303
        assert await market.conn.fetchval("SELECT count(*) FROM sessions") == 0


async def test_the_barred_and_the_unknown_are_refused_alike(
    app: Litestar, market: Any, owner_conn: asyncpg.Connection
) -> None:
    async with browser(app) as client:
        await take_token(client)
        answers = [await try_to_sign_in(client, "nobody"), await try_to_sign_in(client, "mill", "wrong")]
        await owner_conn.execute("UPDATE people SET disabled_at = now() WHERE email = 'mill@test.example'")
        answers.append(await try_to_sign_in(client, "mill"))
        await owner_conn.execute("UPDATE organizations SET state = 'terminated' WHERE code = 'alpha'")
        answers.append(await try_to_sign_in(client, "alpha"))
        answers.append(await client.post("/sign-in/demo", data={"email": "mill@test.example"}))
    assert [answer.status_code for answer in answers] == [401] * 5
    texts = {re.search(r'role="alert".*?</', answer.text, re.DOTALL)[0] for answer in answers[:4]}  # type: ignore[index]
    assert len(texts) == 1
    assert await market.conn.fetchval("SELECT count(*) FROM sessions") == 0


# -- guessing ----------------------------------------------------------------------------------------------------


@pytest.fixture
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """No window of counting ends while a test runs."""
    monkeypatch.setattr(sessions, "SIGN_IN_WINDOW", timedelta(days=365))


@pytest.mark.usefixtures("one_window")
async def test_guessing_at_once_gets_ten_tries_and_then_none(app: Litestar, market: Any) -> None:
    """More at once than the pool has connections: they are counted exactly, and do not wait for each other for ever."""
    async with browser(app) as client:
        await take_token(client)
        async with asyncio.timeout(30):
            guesses = await asyncio.gather(*(try_to_sign_in(client, "mill", f"guess {n}") for n in range(25)))
        codes = Counter(answer.status_code for answer in guesses)
        assert codes == {401: SIGN_IN_ATTEMPTS_MAX, 429: 25 - SIGN_IN_ATTEMPTS_MAX}
        late = next(answer for answer in guesses if answer.status_code == 429)
        assert 1 <= int(late.headers["retry-after"]) <= 365 * 86_400
        # The right password does not help now, in capitals neither; somebody else from the same network gets in.
        assert (await try_to_sign_in(client, "mill")).status_code == 429
        assert (await try_to_sign_in(client, "MILL")).status_code == 429
        assert (await try_to_sign_in(client, "alpha")).status_code == 303
        rest = SIGN_IN_ATTEMPTS_FROM_HOST_MAX - 28
        codes = Counter([(await try_to_sign_in(client, "mill")).status_code for _ in range(rest)])
        assert codes == {429: rest}
        assert (await try_to_sign_in(client, "beta")).status_code == 429
    counted = dict(await market.conn.fetch("SELECT key, attempts FROM rate_limits"))
    assert counted["sign-in:mill@test.example"] == 25 + 2 + rest
    assert counted["sign-in-from:127.0.0.1"] == SIGN_IN_ATTEMPTS_FROM_HOST_MAX + 1
    assert await market.conn.fetchval("SELECT count(*) FROM sessions") == 1


async def test_counts_begin_anew_in_the_next_window(conn: asyncpg.Connection) -> None:
    for _ in range(3):
        await count_attempt(conn, key="k", count_max=2)
    await conn.execute("UPDATE rate_limits SET window_starts = window_starts - interval '1 hour'")
    tried = await count_attempt(conn, key="k", count_max=2)
    assert (tried.count, tried.count_max) == (1, 2)
    assert 0 <= tried.seconds_left <= 300
