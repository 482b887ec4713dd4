"""Workers that die on demand: `python tests/mortal_worker.py DSN API_BASE` with the provider's keys in the environment.

Each line of standard input is an Order; a child of this process, forked after everything expensive was imported,
carries it out and dies by SIGKILL where the order says. The answer is one line: "killed" or "done".
"""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx  # noqa: F401 - loaded once, before the forks
import msgspec
import stripe  # noqa: F401 - as above

from group_buy.failpoints import arm
from group_buy.settling import settle_one
from group_buy.transactions import transaction
from marketplace.db import create_pool
from marketplace.payments.local_stripe import LocalStripe
from marketplace.payments.stripe_gateway import StripeGateway
from marketplace.payments.webhooks import process_one_webhook, store_webhook


class Order(msgspec.Struct):
    """failpoint: where to die, None = nowhere. body, signature: a webhook to take first; without one, charges."""

    failpoint: str | None = None
    body: str | None = None
    signature: str = ""


async def carry_out(order: Order, dsn: str, api_base: str) -> None:
    pool = await create_pool(dsn, size_max=2)
    keys = [os.environ[f"WORKER_{name}"] for name in ("SECRET", "PUBLISHABLE", "WEBHOOK")]
    gateway = StripeGateway(*keys, api_base)
    if order.failpoint is not None:
        arm(order.failpoint)
    if order.body is None:
        while await settle_one(pool, gateway):
            pass
    else:
        hint = gateway.read_webhook(body=order.body.encode(), signature=order.signature)
        assert hint is not None
        async with transaction(pool) as conn:
            await store_webhook(conn, hint)
        while await process_one_webhook(pool, gateway):
            pass
    await gateway.close()
    await pool.close()


def main(dsn: str, api_base: str) -> None:
    for line in sys.stdin:
        order = msgspec.json.decode(line, type=Order)
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(carry_out(order, dsn, api_base))
            except BaseException as error:  # noqa: BLE001 - told to the test, which fails then
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        print({-signal.SIGKILL: "killed", 0: "done"}.get(code, f"failed {code}"), flush=True)


class MortalWorker:
    """The process as a context manager; `run` returns how an order ended."""

    def __init__(self, dsn: str, local: LocalStripe) -> None:
        self._arguments = [sys.executable, str(Path(__file__)), dsn, local.url]
        self._environment = os.environ | {
            "WORKER_SECRET": local.secret_key,
            "WORKER_PUBLISHABLE": local.publishable_key,
            "WORKER_WEBHOOK": local.webhook_secret,
        }

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self._environment
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def run(self, order: Order) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order).decode() + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


if __name__ == "__main__":
    main(*sys.argv[1:])
