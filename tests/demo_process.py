"""The demo as a person runs it: a child process on a free port and a folder of its own."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS_MAX = 90


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class DemoProcess:
    """`marketplace demo`, started on entering and stopped with SIGTERM on leaving."""

    def __init__(self, data_dir: Path, port: int | None = None, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = environment
        self.started_in_seconds = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._errors = data_dir.parent / f"{data_dir.name}.{self.port}.stderr"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        began = time.monotonic()
        environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "MEILI_URL"}}
        with self._errors.open("a") as errors:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "marketplace", "demo",
                    "--port", str(self.port), "--data-dir", str(self.data_dir),
                ],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment | self.environment,
                start_new_session=True,
            )  # fmt: skip
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_SECONDS_MAX)
        line = self._process.stdout.readline() if ready else ""
        if self.url not in line:
            self.kill()
            raise AssertionError(f"the demo did not start: {line!r} {self._errors.read_text()[-3000:]}")
        self.started_in_seconds = time.monotonic() - began

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop and return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            code = process.wait(30)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()
        return code

    def kill(self) -> None:
        """The power fails: SIGKILL, no goodbye."""
        self.stop(signal.SIGKILL)

    def errors(self) -> str:
        return self._errors.read_text()
