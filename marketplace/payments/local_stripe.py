"""Runs localstripe and the contract proxy in a child process: cards for the demo and the tests, without Stripe.

    with LocalStripe() as stripe:
        gateway = StripeGateway(stripe.secret_key, stripe.publishable_key, stripe.webhook_secret, stripe.url)

By hand: `python -m marketplace.payments.local_stripe --port 12111 --webhook-url http://127.0.0.1:8000/…`.
localstripe comes with the extra [demo]; it stays in the child, this process never imports it.
"""

import argparse
import asyncio
import errno
import fcntl
import http.client
import importlib.util
import io
import os
import pickle
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from marketplace.payments.contract_calls import Chaos, Fault
from marketplace.payments.contract_proxy import LOOPBACK, ContractProxy
from marketplace.payments.contract_rules import Memory

_READY: Final = "ready "
_START_SECONDS: Final = 30
_STOP_SECONDS: Final = 5
_KEYS: Final = ("LOCAL_STRIPE_SECRET_KEY", "LOCAL_STRIPE_PUBLISHABLE_KEY", "LOCAL_STRIPE_WEBHOOK_SECRET")


class LocalStripeUnavailable(Exception):
    """The local card provider did not start. The message is one sentence for the person who started the program."""


class LocalStripe:
    """The child process as a context manager, plain or async; it ends with this process, however that ends.

    port: 0 = any free one. webhook_url: where events are sent. state: a file that keeps customers, cards and holds
    over restarts, made private; None = they are forgotten. After start, `url` and the three keys say how to use it.
    """

    def __init__(self, port: int = 0, webhook_url: str | None = None, state: Path | None = None) -> None:
        self.url = ""
        self.secret_key = f"sk_test_{secrets.token_hex(12)}"
        self.publishable_key = f"pk_test_{secrets.token_hex(12)}"
        self.webhook_secret = f"whsec_{secrets.token_hex(16)}"
        self._arguments = ["--port", str(port), "--until-stdin-closes"]
        if webhook_url is not None:
            self._arguments += ["--webhook-url", webhook_url]
        if state is not None:
            self._arguments += ["--state", str(state.absolute())]
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    @property
    def process_id(self) -> int | None:
        """The id of the running child."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Start the child and wait until it answers. Raises LocalStripeUnavailable."""
        _require_localstripe()
        keys = (self.secret_key, self.publishable_key, self.webhook_secret)
        with tempfile.TemporaryFile() as complaints:
            child = subprocess.Popen(
                [sys.executable, "-m", "marketplace.payments.local_stripe", *self._arguments],
                env=os.environ | dict(zip(_KEYS, keys, strict=True)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,  # Ctrl-C is for the parent, which then stops this child last
            )
            self._child = child
            assert child.stdout is not None
            line = _read_line(child.stdout)
            if not line.startswith(_READY):
                self.stop()
                complaints.seek(0)
                said = complaints.read().decode(errors="replace").strip().splitlines()
                raise LocalStripeUnavailable(said[-1] if said else "The local card provider did not start.")
        self.url = line.removeprefix(_READY).strip()

    def stop(self) -> None:
        """End the child, by closing the pipe it watches, and no other process."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        assert child.stdout is not None
        with suppress(BrokenPipeError):
            child.stdin.close()
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()

    def inject(self, *faults: Fault) -> None:
        """Replace the faults to come, for tests. Each is consumed by the first call whose path matches."""
        self._order("faults", faults)

    def begin_chaos(self, chaos: Chaos) -> None:
        """Let a share of all calls fail, until `inject` is called."""
        self._order("chaos", chaos)

    def count_faults(self) -> int:
        """End all faults; return how many there were since the start."""
        return int(self._order("faults", ()))

    def expire(self, intent_ref: str) -> None:
        """End the life of a hold, as Stripe does after some days."""
        self._order("expire", intent_ref)

    def _order(self, order: str, content: object) -> str:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=5)
        try:
            headers = {"Authorization": f"Bearer {self.secret_key}"}
            connection.request("POST", f"/_contract/{order}", msgspec.json.encode(content), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != 200:
                raise ValueError(text)
            return text
        finally:
            connection.close()


def _read_line(pipe: IO[bytes]) -> str:
    """Wait for the child's one line; '' when it ended or took too long."""
    ready, _, _ = select.select([pipe], [], [], _START_SECONDS)
    return pipe.readline().decode() if ready else ""


def _require_localstripe() -> None:
    if importlib.util.find_spec("localstripe") is None:
        raise LocalStripeUnavailable(
            "The local card provider is not installed: pip install 'smart-factory-alliance[demo]'."
        )


# -- the child -----------------------------------------------------------------------------------------------


class State:
    """The one file that keeps localstripe's objects and the proxy's memory together.

    localstripe's own way, a pickle in the shared temporary folder, is switched off. Raises LocalStripeUnavailable
    when another process uses the file, or the file is somebody else's or not a state.
    """

    def __init__(self, path: Path | None, store: dict[str, Any]) -> None:
        self.memory = Memory()
        self._path = path
        self._store = store
        self._lock: IO[str] | None = None
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = path.with_name(path.name + ".lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalStripeUnavailable(f"Another local card provider uses {path}.") from None
        if path.exists():
            self._load(path)

    def save(self, memory: Memory) -> None:
        """Write everything aside, then rename: a crash leaves the old file or the new one."""
        if self._path is None:
            return
        aside = self._path.with_name(self._path.name + ".new")
        content = pickle.dumps((dict(self._store), msgspec.json.encode(memory)))
        aside.unlink(missing_ok=True)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._path)

    def _load(self, path: Path) -> None:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            if about.st_uid != os.geteuid() or about.st_mode & 0o077:
                raise LocalStripeUnavailable(f"{path} is not private to this account, so it is not trusted.")
            content = file.read()
        try:
            store, memory = _OwnObjects(io.BytesIO(content)).load()
            self.memory = msgspec.json.decode(memory, type=Memory)
        except (pickle.UnpicklingError, EOFError, ValueError, TypeError, msgspec.DecodeError):
            raise LocalStripeUnavailable(f"{path} cannot be read: move it away to start afresh.") from None
        self._store.update(store)


class _OwnObjects(pickle.Unpickler):
    """Unpickles localstripe's classes only, so that a file can hold data but not commands."""

    def find_class(self, module: str, name: str) -> Any:
        if module != "localstripe.resources" or "." in name:
            raise pickle.UnpicklingError(f"{module}.{name} does not belong here")
        return super().find_class(module, name)


async def serve(
    *,
    port: int,
    webhook_url: str | None,
    state_path: Path | None,
    keys: tuple[str, str, str],
    stop: asyncio.Event,
) -> None:
    """Run localstripe and the proxy until `stop`; print one line when both answer. Raises OSError, see State."""
    from localstripe.resources import Store, store  # noqa: PLC0415 - an extra, and only the child needs it

    Store.dump_to_disk = lambda _: None
    from localstripe.server import app  # noqa: PLC0415 - as above

    state = State(state_path, store)
    upstream = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await upstream.setup()
    # Not localstripe's own start(), which listens on every interface.
    await web.TCPSite(upstream, LOOPBACK, 0).start()
    secret_key, publishable_key, webhook_secret = keys
    proxy = ContractProxy(
        f"http://{LOOPBACK}:{upstream.addresses[0][1]}",
        secret_key=secret_key,
        publishable_key=publishable_key,
        webhook_secret=webhook_secret,
        webhook_url=webhook_url,
        memory=state.memory,
        save=state.save,
    )
    try:
        await proxy.start(port)
        print(f"{_READY}{proxy.url}", flush=True)
        await stop.wait()
    finally:
        await proxy.stop()
        await upstream.cleanup()


def main() -> int:
    """Run the child's side from the command line; 1 and a sentence on stderr when it cannot."""
    parser = argparse.ArgumentParser(description="A card provider for demos and tests, on this machine only.")
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--webhook-url", help="where events are sent")
    parser.add_argument("--state", type=Path, help="a private file that keeps everything over restarts")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end with the process that started it"
    )
    chosen = parser.parse_args()
    defaults = ("sk_test_local", "pk_test_local", "whsec_local")
    secret_key, publishable_key, webhook_secret = map(os.environ.get, _KEYS, defaults)
    try:
        _require_localstripe()
        asyncio.run(_run(chosen, (secret_key, publishable_key, webhook_secret)))
    except LocalStripeUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        taken = f"Port {chosen.port} is taken." if error.errno == errno.EADDRINUSE else f"{error}."
        print(f"The local card provider did not start: {taken}", file=sys.stderr)
        return 1
    return 0


async def _run(chosen: argparse.Namespace, keys: tuple[str, str, str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if chosen.until_stdin_closes:
        ended: Callable[[], object] = lambda: loop.call_soon_threadsafe(stop.set)  # noqa: E731 - typed
        threading.Thread(target=_await_end_of_stdin, args=(ended,), daemon=True).start()
    await serve(
        port=chosen.port, webhook_url=chosen.webhook_url, state_path=chosen.state, keys=keys, stop=stop
    )


def _await_end_of_stdin(then: Callable[[], object]) -> None:
    """The pipe closes when the parent does, even by kill -9."""
    while os.read(0, 1024):
        pass
    then()


if __name__ == "__main__":
    sys.exit(main())
