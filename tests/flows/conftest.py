"""The demo as a process of its own, for walks over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_process import DemoProcess


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    """One running demo for the flows that leave it as usable as they found it."""
    with DemoProcess(tmp_path_factory.mktemp("flows") / "data") as process:
        yield process


@pytest.fixture
def own_demo(tmp_path: Path) -> Iterator[DemoProcess]:
    """A demo of one test's own, to be killed and restarted."""
    process = DemoProcess(tmp_path / "data")
    process.start()
    yield process
    process.stop()
