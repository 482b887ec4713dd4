"""A pledge: what a buyer binds itself to take if the round clears, in up to eight lines."""

import hashlib
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from catalog.core.money import CAPACITY_MAX, CHARGE_KRW_MAX, ROUND_KRW_MAX
from group_buy.core.charge import deposit_krw
from group_buy.core.round import Round
from group_buy.errors import CardNotPossible, InvalidPledge

PLEDGE_LINES_MAX: Final = 8
"""Lines of one pledge: a step schedule such as "4 if at most 9.5 M, 6 more if at most 9.0 M"."""

Funding = Literal["transfer", "card"]


class LineInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line as the buyer writes it; units, and won for a unit (None = any tier of the round)."""

    quantity_max: int
    quantity_min: int = 1
    limit_unit_price_krw: int | None = None


class Line(msgspec.Struct, frozen=True):
    """One stored line; `sequence` is its place in the order of arrival."""

    line_no: int
    quantity_min: int
    quantity_max: int
    limit_unit_price_krw: int | None
    priority_class: int
    sequence: int


class Pledge(msgspec.Struct, frozen=True):
    """A buyer's pledge at its newest version. `lines` is empty once withdrawn."""

    id: UUID
    round_id: int
    buyer_id: int
    funding: Funding
    placed_at: datetime
    outcome: Literal["allocated", "released", "carried"] | None
    version: int
    state: Literal["placed", "withdrawn"]
    lines: tuple[Line, ...]

    @property
    def quantity_max(self) -> int:
        """Units the buyer would take at most, over all lines."""
        return sum(line.quantity_max for line in self.lines)


def require_valid_lines(buying_round: Round, lines: tuple[LineInput, ...]) -> None:
    """Check a pledge's lines against the round's frozen terms.

    Raises:
        InvalidPledge: too few or many lines, a quantity outside 1..capacity, a minimum above its maximum, a
            limit below the round's lowest price (such a line could never be served), or a sum above the limit.
    """
    if not 1 <= len(lines) <= PLEDGE_LINES_MAX:
        raise InvalidPledge("/lines", f"a pledge has 1 to {PLEDGE_LINES_MAX} lines")
    capacity = min(buying_round.capacity, CAPACITY_MAX)
    lowest_price_krw = buying_round.tiers[-1].unit_price_krw
    for position, line in enumerate(lines):
        at = f"/lines/{position}"
        if not 1 <= line.quantity_max <= capacity:
            raise InvalidPledge(f"{at}/quantity_max", f"between 1 and the round's capacity of {capacity}")
        if not 1 <= line.quantity_min <= line.quantity_max:
            raise InvalidPledge(f"{at}/quantity_min", f"between 1 and quantity_max ({line.quantity_max})")
        limit = line.limit_unit_price_krw
        if limit is not None and not lowest_price_krw <= limit <= ROUND_KRW_MAX:
            raise InvalidPledge(
                f"{at}/limit_unit_price_krw", f"at least the round's lowest price of {lowest_price_krw} won"
            )
    if sum(line.quantity_max for line in lines) > capacity:
        raise InvalidPledge("/lines", f"together at most the round's capacity of {capacity} units")


def is_well_formed(lines: tuple[LineInput, ...]) -> bool:
    """Whether lines pass every check of require_valid_lines that needs no round."""
    return 1 <= len(lines) <= PLEDGE_LINES_MAX and all(
        1 <= line.quantity_min <= line.quantity_max <= CAPACITY_MAX
        and (line.limit_unit_price_krw is None or 1 <= line.limit_unit_price_krw <= ROUND_KRW_MAX)
        for line in lines
    )


def cap_limits(buying_round: Round, lines: tuple[LineInput, ...]) -> tuple[LineInput, ...]:
    """Write a limit at or above the first tier's price as "any tier": it promises the same.

    Otherwise a limit that can never be paid would buy a better place under the rule price_time.
    """
    dearest = buying_round.first_tier_price_krw
    return tuple(
        msgspec.structs.replace(line, limit_unit_price_krw=None)
        if line.limit_unit_price_krw is not None and line.limit_unit_price_krw >= dearest
        else line
        for line in lines
    )


def deposit_ceiling_krw(buying_round: Round, lines: tuple[LineInput, ...] | tuple[Line, ...]) -> int:
    """Return the most that may be held for these lines, in won.

    ⌊deposit_bp × Σ(ceiling × quantity_max) / 10000⌋ with ceiling = min(limit, first tier's price): nobody pays
    more than that for a unit, so the deposit of whatever is allocated fits the hold. Rounded once, over all
    lines, because the deposit is rounded once too.
    """
    dearest = buying_round.first_tier_price_krw
    value_krw = sum(min(line.limit_unit_price_krw or dearest, dearest) * line.quantity_max for line in lines)
    return deposit_krw(deposit_bp=buying_round.deposit_bp, supply_krw=value_krw)


def require_card_possible(buying_round: Round, lines: tuple[LineInput, ...] | tuple[Line, ...]) -> None:
    """Raise CardNotPossible when the hold would not fit one card charge."""
    ceiling = deposit_ceiling_krw(buying_round, lines)
    if ceiling > CHARGE_KRW_MAX:
        raise CardNotPossible(
            f"the deposit of up to {ceiling} won is above a card's {CHARGE_KRW_MAX} won: pledge by transfer"
        )


def request_sha256(*, funding: Funding, lines: tuple[LineInput, ...]) -> bytes:
    """Digest of what a PUT asks for, so that the same id with other content is told apart."""
    return hashlib.sha256(msgspec.json.encode((funding, lines))).digest()


def only_helps(before: tuple[Line, ...], after: tuple[LineInput, ...]) -> bool:
    """Whether every line before has a line in its place that is at least as wide: never a dearer price for anybody.

    A maximum may rise, a minimum fall, a limit rise or go, and lines may be added (monotone price, section 2.4).
    """
    return len(after) >= len(before) and all(
        new.quantity_max >= old.quantity_max
        and new.quantity_min <= old.quantity_min
        and (
            new.limit_unit_price_krw is None
            or (old.limit_unit_price_krw is not None and new.limit_unit_price_krw >= old.limit_unit_price_krw)
        )
        for old, new in zip(before, after, strict=False)
    )


def raise_in_place(before: tuple[Line, ...], wanted: tuple[LineInput, ...]) -> tuple[LineInput, ...]:
    """The lines that a form means which shows the lines of one limit as one wish.

    A pledge's wish becomes several lines by its increases. Where the form asks for the same minimum and limit and no
    fewer units than before, every line stays as it is and the last one takes the rest: nothing loses its place, and
    in the fill-up phase it still only helps. Any other wish becomes one line.
    """
    groups: dict[int | None, list[Line]] = {}
    for line in before:
        groups.setdefault(line.limit_unit_price_krw, []).append(line)
    wishes = {wish.limit_unit_price_krw: wish for wish in wanted}
    if len(groups) == len(before) or len(wishes) < len(wanted):
        return wanted
    lines: list[LineInput] = []
    for limit, group in groups.items():
        if limit in wishes:
            lines += _raised(group, wishes.pop(limit))
    return (*lines, *wishes.values())


def _raised(group: list[Line], wish: LineInput) -> list[LineInput]:
    more = wish.quantity_max - sum(line.quantity_max for line in group)
    if more < 0 or wish.quantity_min != min(line.quantity_min for line in group):
        return [wish]
    lines = [LineInput(line.quantity_max, line.quantity_min, line.limit_unit_price_krw) for line in group]
    return [*lines[:-1], msgspec.structs.replace(lines[-1], quantity_max=lines[-1].quantity_max + more)]


class QueuedLine(msgspec.Struct, frozen=True):
    """A line of a new version; `sequence` is kept from before, or None = at the end of the queue."""

    quantity_min: int
    quantity_max: int
    limit_unit_price_krw: int | None
    sequence: int | None


def queue_lines(lines: tuple[LineInput, ...], *, before: tuple[Line, ...]) -> tuple[QueuedLine, ...]:
    """Give each line of an amendment its place in the order of arrival.

    An unchanged line keeps its place, also where lines before it went. One that only raises its quantity_max keeps it
    for the units it had, and the increase queues behind as a line of its own (as Foodsoft queues increments). Any
    other change starts anew.

    Raises:
        InvalidPledge: the increases would make more than PLEDGE_LINES_MAX lines.
    """
    kept: list[QueuedLine] = []
    increases: list[QueuedLine] = []
    unused = list(before)
    for position, line in enumerate(lines):
        at_its_place = before[position : position + 1]
        old = next((each for each in (*at_its_place, *unused) if each in unused and _grew(each, line)), None)
        limit = line.limit_unit_price_krw
        if old is None:
            kept.append(QueuedLine(line.quantity_min, line.quantity_max, limit, None))
            continue
        unused.remove(old)
        kept.append(QueuedLine(line.quantity_min, old.quantity_max, limit, old.sequence))
        if (more := line.quantity_max - old.quantity_max) > 0:
            increases.append(QueuedLine(1, more, limit, None))
    queued = (*kept, *increases)
    if len(queued) > PLEDGE_LINES_MAX:
        raise InvalidPledge("/lines", f"with its increases this makes more than {PLEDGE_LINES_MAX} lines")
    return queued


def _grew(old: Line, new: LineInput) -> bool:
    return (old.quantity_min, old.limit_unit_price_krw) == (new.quantity_min, new.limit_unit_price_krw) and (
        new.quantity_max >= old.quantity_max
    )
