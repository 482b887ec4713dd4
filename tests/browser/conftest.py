"""A real Chromium against the real demo. Without a browser these tests skip; REQUIRE_BROWSER=1 makes that a failure."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from demo_process import DemoProcess
from playwright.sync_api import Page

BUILD = Path(__file__).parents[2] / "build_assets.py"
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip


def find_browser() -> str | None:
    return os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    path = find_browser()
    if path is None:
        message = "no Chromium was found: set CHROMIUM or install Debian's chromium-headless-shell"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    return {**browser_type_launch_args, "executable_path": path, "args": FLAGS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {
        **browser_context_args,
        "locale": "ko-KR",
        "timezone_id": "Asia/Seoul",
        "viewport": {"width": 1440, "height": 900},
    }


@pytest.fixture(scope="session")
def scripts(browser_type_launch_args: dict[str, Any]) -> str:
    """The scripts as their sources are now; answers why not, "" where they are bundled."""
    built = subprocess.run(
        [sys.executable, str(BUILD)], capture_output=True, text=True, check=False, timeout=300
    )
    if built.returncode and os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(built.stderr)
    return built.stderr.strip() if built.returncode else ""


@pytest.fixture
def live(scripts: str) -> None:
    """For tests of what the scripts do."""
    if scripts:
        pytest.skip(f"the scripts are not bundled: {scripts}")


@pytest.fixture
def problems(page: Page) -> list[str]:
    """What the browser complains about: errors of scripts and refusals of the content policy."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    return found


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, scripts: str) -> Iterator[DemoProcess]:
    """One running demo for all browser tests; each test uses rounds or factories of its own."""
    folder: Path = tmp_path_factory.mktemp("demo") / "data"
    with DemoProcess(folder) as process:
        yield process
