"""Pictures of every page at 1440 and 390 px in both languages: `make screenshots` → screenshots/."""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))
from browser.conftest import FLAGS, find_browser
from demo_process import DemoProcess

OUT = Path("screenshots")
README_PICTURE = Path("docs/images/market.png")
WIDTHS = (1440, 390)
PUBLIC = {
    "home": "/",
    "search": "/search",
    "search-cobot": "/search?q=협동로봇",
    "search-nothing": "/search?q=없는물건쿼리",
    "product": "/products/doosan-robotics-m1013",
    "package": "/packages/lathe-tending-cobot",
    "compare": "/compare?id=lathe-tending-cobot&id=carton-palletizing&id=cobot-arc-welding",
    "compare-products": "/compare?id=doosan-robotics-m1013&id=universal-robots-ur10e&id=rainbow-robotics-rb5-850e",
    "rounds": "/rounds",
    "round": "/rounds/lathe-tending-cobot",
    "round-cleared": "/rounds/cold-chain-2025",
    "round-released": "/rounds/press-transfer-2025",
    "service-centers": "/service-centers",
    "sign-in": "/sign-in",
    "register": "/register",
    "package-energy": "/packages/fems-ess-molding",
    "package-versions": "/packages/lathe-tending-cobot/versions",
    "questions": "/offers/offer-lathe-tending-cobot/questions",
    "not-found": "/nothing",
}
SIGNED_IN = {
    "mirae@demo.example": {
        "my-pledges": "/my/pledges",
        "round-mine": "/rounds/cold-chain-2025",
        "orders": "/orders",
        "my-demands": "/my/demands",
    },
    "hanbit@demo.example": {"round-buyer": "/rounds/lathe-tending-cobot"},
    "operator@demo.example": {
        "coordinator-rounds": "/coordinator/rounds",
        "coordinator-round": "/coordinator/rounds/lathe-tending-cobot",
        "coordinator-cleared": "/coordinator/rounds/cold-chain-2025",
        "coordinator-after": "/coordinator/rounds/cold-chain-2025/after",
        "coordinator-new-round": "/coordinator/rounds/new?offer=offer-lathe-tending-cobot",
        "coordinator-bank": "/coordinator/bank",
        "coordinator-tax": "/coordinator/rounds/cold-chain-2025/tax",
        "coordinator-overdue": "/coordinator/overdue",
        "coordinator-guarantees": "/coordinator/guarantees",
        "coordinator-payouts": "/coordinator/payouts",
        "coordinator-vendors": "/coordinator/vendors",
        "coordinator-vendor": "/coordinator/vendors/saebom-vision-fictional",
        "coordinator-changes": "/coordinator/changes",
        "coordinator-requirements": "/coordinator/requirements",
        "inbox": "/my/inbox",
    },
    "narae@demo.example": {
        "vendor-home": "/vendor",
        "vendor-rounds": "/vendor/rounds",
        "vendor-imports": "/vendor/imports",
        "vendor-offers": "/vendor/offers",
        "vendor-onboarding": "/vendor/onboarding",
        "vendor-product-new": "/vendor/listings/products/new?category=robot",
        "vendor-package-edit": "/vendor/listings/package-models/lathe-tending-cobot",
        "vendor-offer-edit": "/vendor/listings/offers/offer-lathe-tending-cobot",
        "vendor-questions": "/vendor/questions",
    },
    "gaon@demo.example": {"vendor-orders": "/orders"},
    "saebom@demo.example": {"newcomer-home": "/vendor", "newcomer-checklist": "/vendor/onboarding"},
}


def shoot(page: Page, url: str, path: str, name: str) -> None:
    for prefix, language in (("", "ko"), ("/en", "en")):
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(url + prefix + path)
            page.screenshot(path=OUT / f"{name}-{language}-{width}.png", full_page=True)


def sign_in(browser: Browser, url: str, email: str) -> Page:
    page = browser.new_context(locale="ko-KR", timezone_id="Asia/Seoul").new_page()
    page.goto(f"{url}/sign-in")
    page.locator("form", has=page.locator(f'input[value="{email}"]')).locator("button").click()
    return page


def take_readme_picture(page: Page, url: str) -> None:
    """The one picture that the README shows."""
    page.set_viewport_size({"width": 1280, "height": 860})
    page.goto(f"{url}/rounds/lathe-tending-cobot")
    page.screenshot(path=README_PICTURE)


def main() -> None:
    path = find_browser()
    if path is None:
        sys.exit("no Chromium was found: set CHROMIUM or install Debian's chromium-headless-shell")
    wanted = set(sys.argv[1:])
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    with (
        tempfile.TemporaryDirectory() as folder,
        DemoProcess(Path(folder) / "data") as demo,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        visitor = browser.new_context(locale="ko-KR", timezone_id="Asia/Seoul").new_page()
        for name, page_path in PUBLIC.items():
            if not wanted or name in wanted:
                shoot(visitor, demo.url, page_path, name)
        for email, pages in SIGNED_IN.items():
            chosen = {name: page_path for name, page_path in pages.items() if not wanted or name in wanted}
            if chosen:
                person = sign_in(browser, demo.url, email)
                for name, page_path in chosen.items():
                    shoot(person, demo.url, page_path, name)
        if not wanted:
            take_readme_picture(visitor, demo.url)
        browser.close()
    print(f"{len(list(OUT.iterdir()))} pictures in {OUT}/")


if __name__ == "__main__":
    main()
