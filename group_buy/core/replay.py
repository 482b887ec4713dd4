"""The lines of a round from its events alone: what the tables hold can be told again from the record."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from group_buy.core.clearing import PledgeLine
from group_buy.core.pledge import Line, LineInput, cap_limits, queue_lines
from group_buy.core.round import Round


def replay_pledges(
    buying_round: Round, events: Iterable[tuple[str, str, Mapping[str, Any]]]
) -> list[PledgeLine]:
    """Follow events (kind, pledge id, data) in order; sequences are counted afresh, from 1, in the same order.

    Events that say nothing about lines are passed over.
    """
    living: dict[str, tuple[Line, ...]] = {}
    clock = 0
    for kind, pledge_id, data in events:
        if kind not in {"pledge.placed", "pledge.changed", "pledge.withdrawn"}:
            continue
        wanted = cap_limits(buying_round, msgspec.convert(data["lines"], tuple[LineInput, ...]))
        lines = []
        for line_no, queued in enumerate(queue_lines(wanted, before=living.get(pledge_id, ())), start=1):
            clock += queued.sequence is None
            lines.append(
                Line(
                    line_no,
                    queued.quantity_min,
                    queued.quantity_max,
                    queued.limit_unit_price_krw,
                    0,
                    clock if queued.sequence is None else queued.sequence,
                )
            )
        living[pledge_id] = tuple(lines)
    return [
        PledgeLine(
            f"{pledge_id}:{line.line_no}",
            line.quantity_min,
            line.quantity_max,
            line.limit_unit_price_krw,
            line.priority_class,
            line.sequence,
        )
        for pledge_id, lines in living.items()
        for line in lines
    ]
