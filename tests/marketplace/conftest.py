"""The whole application over HTTP in one process: a fresh database, an index in a folder, a small market."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from litestar import Litestar

from catalog.core.import_rows import read_table, write_csv
from catalog.core.listing_rows import ImportKind
from catalog.core.viewer import OrganizationKind, Viewer
from catalog.events import Actor
from catalog.importing import apply_import
from catalog.indexing import index_batch
from catalog.reference_data import load_spec_definitions
from group_buy.core.round import Round
from group_buy.rounds import open_round
from marketplace.accounts.access import Role
from marketplace.accounts.passwords import hash_password
from marketplace.accounts.people import add_organization
from marketplace.app import create_app
from marketplace.db import connect
from marketplace.settings import Settings
from search_config.embedded_engine import EmbeddedEngine

PASSWORD = "a password of a test"
CSRF_FIELD = re.compile(r'name="_csrf_token" value="([^"]+)"')

Cells = dict[str, str]
SignIn = Callable[[httpx.AsyncClient, str], Awaitable[None]]
Submit = Callable[..., Awaitable[httpx.Response]]

DEFAULTS: Mapping[ImportKind, Cells] = {
    "products": {
        "vendor": "alpha",
        "maker": "Acme Robotics",
        "maker_ko": "아크메로보틱스",
        "maker_country": "KR",
        "category": "robot",
        "subcategory": "collaborative robot",
        "summary_ko": "가상 제품",
        "summary_en": "A product of the tests.",
        "verification": "fictional",
    },
    "package-models": {
        "vendor": "alpha",
        "package_type": "individual_build",
        "level_from": "1",
        "level_to": "3",
        "industries": "welding; metal",
        "summary_ko": "용접을 자동화합니다.",
        "summary_en": "Automates welding.",
        "included_ko": "로봇 설치",
        "included_en": "Robot installation",
        "excluded_ko": "전기 공사",
        "excluded_en": "Electrical work",
        "lead_time_days": "60",
        "warranty_months": "12",
        "components": "robot:cobot-10:2; controller:plc-1:1",
    },
    "offers": {
        "vendor": "alpha",
        "list_unit_price_krw": "50000000",
        "tiers": "2:48000000; 10:45000000",
        "capacity": "20",
        "lead_time_days": "60",
        "is_illustrative": "yes",
    },
    "service-centers": {
        "vendor": "alpha",
        "maker": "Acme Robotics",
        "roles": "service",
        "status": "operating",
        "country": "VN",
        "city": "Hanoi",
        "city_ko": "하노이",
        "latitude": "21.0",
        "longitude": "105.8",
        "time_zone": "Asia/Ho_Chi_Minh",
        "verification": "maker",
        "source_title": "Acme site list",
        "source_url": "https://acme.example/sites",
    },
}


class Market(msgspec.Struct, frozen=True):
    """The small market of the tests. Vendor alpha lists; beta is a rival, mill a factory, alliance coordinates."""

    conn: asyncpg.Connection
    engine: EmbeddedEngine
    coordinator: Viewer

    async def bring(self, kind: ImportKind, *rows: Cells) -> None:
        """Import rows with defaults for all that a test does not say, and bring the index up to date."""
        await self.add(kind, *rows)
        await self.index()

    async def add(self, kind: ImportKind, *rows: Cells) -> None:
        """Import rows with defaults; the index does not know of them yet."""
        cells = [{**DEFAULTS[kind], **row} for row in rows]
        columns = list(dict.fromkeys(name for row in cells for name in row))
        table = read_table(write_csv(columns, cells), suffix=".csv")
        async with self.conn.transaction():
            report = await apply_import(self.conn, kind=kind, table=table, viewer=self.coordinator)
        assert report.errors == ()

    async def index(self) -> None:
        while await index_batch(self.conn, self.engine, target="main"):
            pass

    async def open_round(self, code: str, offer_code: str, *, days: int = 3) -> Round:
        person_id = await self.conn.fetchval("SELECT id FROM people WHERE email = 'alliance@test.example'")
        now, closes_at = await self.conn.fetchrow(
            "SELECT clock_timestamp(), clock_timestamp() + make_interval(days => $1)", days
        )
        async with self.conn.transaction():
            opened = await open_round(
                self.conn,
                code=code,
                offer_code=offer_code,
                coordinator_id=self.coordinator.organization_id,
                opens_at=now,
                closes_at=closes_at,
                allocation_rule="pro_rata",
                deposit_bp=1000,
                may_close_early=True,
                funding_window=closes_at - now,
                actor=Actor(person_id, self.coordinator.organization_id),
            )
        await self.index()
        return opened


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    opened = EmbeddedEngine(tmp_path / "search")
    yield opened
    await opened.close()


@pytest.fixture
async def app(database: str, engine: EmbeddedEngine) -> AsyncIterator[Litestar]:
    """The application as it serves, without worker loops: a test decides when something is worked on."""
    built = create_app(Settings(worker_in_process=False), dsn=database, engine=engine, gateway=None)
    async with built.lifespan():
        yield built


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without a session."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8000", headers={"accept": "text/html"}
    ) as opened:
        yield opened


@pytest.fixture
def sign_in_as() -> SignIn:
    """Sign a browser in as the person of an address, by the form."""

    async def sign_in(client: httpx.AsyncClient, email: str) -> None:
        page = await client.get("/sign-in")
        form = {"_csrf_token": csrf_token_of(page), "email": email, "password": PASSWORD, "next": "/"}
        answer = await client.post("/sign-in", data=form)
        assert answer.status_code == 303, answer.text

    return sign_in


@pytest.fixture
def submit() -> Submit:
    """Post a form with its token, as a browser does after it loaded a page of the site."""

    async def post(client: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
        page = await client.get("/sign-in")
        files = fields.pop("files", None)
        return await client.post(path, data={"_csrf_token": csrf_token_of(page), **fields}, files=files)

    return post


def csrf_token_of(page: httpx.Response) -> str:
    found = CSRF_FIELD.search(page.text)
    assert found is not None, "the page has a form with a token"
    return found[1]


@pytest.fixture
async def market(database: str, engine: EmbeddedEngine) -> AsyncIterator[Market]:
    """Two robots, a controller and a package of them with an offer; an A/S center and a sales office."""
    conn = await connect(database)
    try:
        yield await fill_market(conn, engine)
    finally:
        conn.terminate()


async def fill_market(conn: asyncpg.Connection, engine: EmbeddedEngine) -> Market:
    people: tuple[tuple[str, OrganizationKind, Role], ...] = (
        ("alliance", "coordinator", "operator"),
        ("alpha", "vendor", "lister"),
        ("beta", "vendor", "lister"),
        ("mill", "factory", "buyer"),
    )
    ids: dict[str, int] = {}
    password_hash = await hash_password(PASSWORD)  # slow on purpose, so one for all
    for code, kind, role in people:
        ids[code] = await add_organization(
            conn, code=code, kind=kind, name_ko=f"{code} 기업", name_en=f"{code} company"
        )
        await conn.execute(
            """
            WITH person AS (
                INSERT INTO people (email, name, password_hash) VALUES ($1, $2, $3) RETURNING id)
            INSERT INTO memberships (person_id, organization_id, role) SELECT id, $4, $5 FROM person
            """,
            f"{code}@test.example",
            f"person of {code}",
            password_hash,
            ids[code],
            role,
        )
    await load_spec_definitions(conn)
    market = Market(conn, engine, Viewer(ids["alliance"], "coordinator"))
    robot = {"name_ko": "협동로봇 C10", "name_en": "Cobot C10", "model": "C10", "spec.payload": "10 kg"}
    await market.add(
        "products",
        {"code": "cobot-10", **robot, "spec.reach": "1300 mm"},
        {
            "code": "cobot-5",
            **robot,
            "name_ko": "협동로봇 C5",
            "name_en": "Cobot C5",
            "model": "C5",
            "spec.payload": "5 kg",
        },
        {
            "code": "plc-1",
            "name_ko": "제어기 P1",
            "name_en": "Controller P1",
            "model": "P1",
            "category": "controller",
            "subcategory": "plc",
            "maker": "Foreign Controls",
            "maker_ko": "포린컨트롤",
            "maker_country": "DE",
        },
    )
    await market.add(
        "package-models",
        {"code": "weld-cell", "name_ko": "용접 셀", "name_en": "Welding cell"},
        {
            "code": "load-cell",
            "name_ko": "자재 투입 셀",
            "name_en": "Loading cell",
            "industries": "machining",
            "warranty_months": "24",
        },
    )
    await market.add("offers", {"code": "weld-offer", "package_model": "weld-cell"})
    await market.add(
        "service-centers",
        {"code": "acme-hanoi", "name_ko": "하노이 서비스센터", "name_en": "Hanoi service center"},
        {
            "code": "acme-turin",
            "name_ko": "토리노 영업소",
            "name_en": "Turin sales office",
            "roles": "sales",
            "country": "IT",
            "city": "Turin",
            "city_ko": "토리노",
            "time_zone": "Europe/Rome",
        },
    )
    await market.index()
    return market
