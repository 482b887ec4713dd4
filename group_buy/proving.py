"""Read the proof of a round's decision as one of its members may see it."""

from typing import Any

import asyncpg
import msgspec

from group_buy.core.clearing import clear_round
from group_buy.core.proof import MemberProof, member_proof, read_input
from group_buy.errors import RoundNotFound
from group_buy.rounds import pledge_of


class LaterDecision(msgspec.Struct, frozen=True):
    """A re-clearing or a delivery after the first decision, with every step that was tried."""

    clearing_no: int
    kind: str
    input_sha256: str
    steps: list[dict[str, Any]]


async def read_member_proof(
    conn: asyncpg.Connection, *, code: str, buyer_id: int
) -> tuple[MemberProof, list[LaterDecision]]:
    """Replay a round's first decision from its stored input, for the buyer of one of its pledges.

    Raises:
        RoundNotFound: no such round, not decided yet, or this buyer has no pledge in it.
    """
    rows = await conn.fetch(
        """
        SELECT r.id, c.clearing_no, c.kind, c.input, c.input_sha256, c.outcome, c.steps
        FROM rounds r JOIN clearings c ON c.round_id = r.id WHERE r.code = $1 ORDER BY c.clearing_no
        """,
        code,
    )
    decided = [row for row in rows if row["kind"] == "clearing"]
    if not decided:
        raise RoundNotFound(code)
    first = decided[-1]
    pledges = await conn.fetch("SELECT id, buyer_id FROM pledges WHERE round_id = $1", first["id"])
    buyers = {str(row["id"]): row["buyer_id"] for row in pledges}
    if buyer_id not in buyers.values():
        raise RoundNotFound(code)
    terms, lines = read_input(first["input"].encode())
    buyer_of = {line.id: buyers[pledge_of(line.id)] for line in lines}
    own = {line_id for line_id, buyer in buyer_of.items() if buyer == buyer_id}
    proof = member_proof(terms, lines, clear_round(terms, lines), buyer_of=buyer_of, own=own)
    assert proof.input_sha256 == first["input_sha256"]
    later = [
        LaterDecision(row["clearing_no"], row["kind"], row["input_sha256"], row["steps"])
        for row in rows
        if row["clearing_no"] > first["clearing_no"]
    ]
    return proof, later
