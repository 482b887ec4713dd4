"""Two hundred watch a round at a time, over HTTP as browsers do."""

import asyncio
import time
from uuid import uuid4

from demo_process import DemoProcess
from visitor import Visitor

ROUND = "lathe-tending-cobot"


async def watch(demo: DemoProcess) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", demo.port, limit=2**20)
    writer.write(
        f"GET /rounds/{ROUND}/events HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n".encode()
    )
    await reader.readuntil(b"event: progress")
    return reader, writer


async def test_two_hundred_viewers_see_a_pledge_within_a_second_and_keep_nobody_waiting(
    own_demo: DemoProcess,
) -> None:
    with Visitor(own_demo, "hanbit@demo.example") as buyer:
        buyer.client.headers["x-csrftoken"] = buyer.client.cookies["csrftoken"]
        streams = await asyncio.wait_for(asyncio.gather(*(watch(own_demo) for _ in range(200))), 30)
        await asyncio.sleep(1)  # hints of one moment are one

        async def seen(reader: asyncio.StreamReader) -> float:
            await reader.readuntil(b"event: progress")
            return time.monotonic()

        watching = [asyncio.ensure_future(seen(reader)) for reader, _ in streams]
        began = time.monotonic()
        answer = await asyncio.to_thread(
            buyer.client.put,
            f"/api/rounds/{ROUND}/pledges/{uuid4()}",
            json={"funding": "transfer", "lines": [{"quantity_max": 2}]},
        )
        assert answer.is_success, answer.text
        ended = await asyncio.wait_for(asyncio.gather(*watching), 20)
        for _, writer in streams:
            writer.close()
    assert max(ended) - began <= 1.0
