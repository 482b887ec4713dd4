"""What a walk through a whole round needs: a demo of its own, a window a person, a bank, and a hand at the clock."""

import asyncio
import os
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
from browser.test_main_job import reload_until, sign_in
from demo_process import DemoProcess
from playwright.sync_api import Browser, Page, expect

from marketplace.embedded_postgres import EmbeddedPostgres
from marketplace.payments.local_stripe import LocalStripe

KOREA: Final = ZoneInfo("Asia/Seoul")
PATIENCE_MS: Final = 20_000
"""The walk is long, and the machine may be busy: a page is waited for, never slept for."""


class Bank:
    """The coordinator's account: what came in, as the file that its internet banking gives (CP949)."""

    account: Final = "110-123-456789"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.balance_krw = 5_000_000
        self.rows: list[str] = []

    def receive(self, text: str, krw: int) -> None:
        self.balance_krw += krw
        at = datetime.now(KOREA) - timedelta(hours=1) + timedelta(minutes=len(self.rows))
        self.rows.append(f'{at:%Y-%m-%d %H:%M:%S},{text},0,"{krw:,}","{self.balance_krw:,}",창원지점')

    def statement(self, name: str) -> Path:
        """Everything so far: later files repeat the lines of earlier ones, as banks' files do."""
        path = self.folder / name
        head = ["거래내역조회", f"계좌번호,{self.account}", "거래일시,적요,출금액,입금액,잔액,거래점"]
        path.write_bytes("\r\n".join([*head, *self.rows, ""]).encode("cp949"))
        return path


class Walk:
    """The people of one round in their own windows, and what they cannot do: move time, be the bank."""

    def __init__(self, demo: DemoProcess, browser: Browser, folder: Path, code: str) -> None:
        self.demo = demo
        self.code = code
        self.bank = Bank(folder)
        self.coordinator, self.mirae, self.hanbit, self.daeseong, self.narae = self.windows = [
            self._window(browser, name) for name in ("operator", "mirae", "hanbit", "daeseong", "narae")
        ]

    def _window(self, browser: Browser, name: str) -> Page:
        page = browser.new_context(locale="ko-KR", timezone_id="Asia/Seoul").new_page()
        page.set_default_timeout(PATIENCE_MS)
        sign_in(page, self.demo, f"{name}@demo.example")
        return page

    def close(self) -> None:
        for page in self.windows:
            page.context.close()

    def move_time(self, statement: str) -> None:
        """Run one statement that sets a deadline of the round; in a thread, as the browser's driver has a loop here."""

        async def execute() -> None:
            conn = await asyncpg.connect(EmbeddedPostgres(self.demo.data_dir).dsn())
            try:
                await conn.execute(statement, self.code)
            finally:
                await conn.close()

        thread = threading.Thread(target=lambda: asyncio.run(execute()))
        thread.start()
        thread.join()

    def card_provider(self) -> LocalStripe:
        """The demo's card provider, for what a bank does by itself."""
        way = msgspec.json.decode((self.demo.data_dir / "local_stripe.json").read_bytes())
        provider = LocalStripe()
        provider.url, provider.secret_key = way["stripe_api_base"], way["stripe_secret_key"]
        return provider


def look(page: Page, name: str) -> None:
    """Keep a picture of the page, where WALK_PICTURES names a folder."""
    if folder := os.environ.get("WALK_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def await_text(page: Page, text: str) -> None:
    """Look again until a page says what the background does."""
    reload_until(page, text, seconds_max=60)


def follow(page: Page, *names: str) -> None:
    """Follow links by what they are called."""
    for name in names:
        page.get_by_role("link", name=name).first.click()


def says(page: Page, text: str) -> None:
    """The page says what was just done."""
    expect(page.get_by_role("status").first).to_contain_text(text)


def figure(page: Page, name: str, text: str, *, within: str = "main") -> None:
    """The figure of this name is this one."""
    found = (
        page.locator(within).first.locator("dl.figures div").filter(has=page.get_by_text(name, exact=True))
    )
    expect(found.locator("dd").first).to_have_text(text)
