"""How long clearing takes and how much memory it needs: `python tests/benchmarks/bench_clearing.py`.

Goals: 100,000 lines in 0.25 s; 10,000 all-or-nothing lines at capacity 100,000 in 0.5 s and
256 MiB; CPU growth from 3,000 to 300,000 lines with an exponent of at most 1.15.
Times are CPU seconds, the median of some runs; memory is the peak of a fresh process.
"""

import argparse
import gc
import math
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from limits import say_limit

from catalog.core.offer import PriceTier
from group_buy.core.clearing import AllocationRule, PledgeLine, RoundTerms, clear_round

RULES: tuple[AllocationRule, ...] = ("pro_rata", "time", "price_time")
TIERS = ((0.1, 1_000_000), (0.3, 950_000), (0.5, 900_000), (0.8, 850_000))

Case = tuple[RoundTerms, list[PledgeLine]]


def tiers_for(units: int) -> tuple[PriceTier, ...]:
    return tuple(PriceTier(max(1, int(units * share)) + k, price) for k, (share, price) in enumerate(TIERS))


def ordinary(
    count: int, rule: AllocationRule, *, fill: float = 1.0, pack_size: int = 1, span_max: int = 10
) -> Case:
    """Flexible lines of at least 1..4 units that come in any order; `fill` of the demand fits."""
    chance = random.Random(count)
    lines = []
    for i, sequence in enumerate(chance.sample(range(10 * count), count)):
        minimum = chance.randint(1, 4)
        maximum = minimum + chance.randint(0, span_max)
        limit = chance.choice([None, 840_000, 860_000, 910_000, 960_000])
        lines.append(PledgeLine(f"line-{i:07}", minimum, maximum, limit, chance.randint(0, 1), sequence))
    demand = sum(line.quantity_max for line in lines)
    capacity = min(10**6, int(demand * fill))
    return RoundTerms(capacity, pack_size, tiers_for(capacity), rule), lines


def lumps(count: int, rule: AllocationRule, sizes: Callable[[random.Random], int], **terms: int) -> Case:
    """All-or-nothing lines; `quantity_min` near the capacity forces the exact sets."""
    chance = random.Random(count)
    lines = []
    for i in range(count):
        size = sizes(chance)
        lines.append(PledgeLine(f"line-{i:07}", size, size, None, 0, i))
    tiers = (PriceTier(terms["quantity_min"], 1_000),)
    return RoundTerms(terms["capacity"], terms["pack_size"], tiers, rule), lines


def odd_one_last(count: int, rule: AllocationRule, *, capacity: int) -> Case:
    """Even lumps, one odd lump last, and only one odd total allowed: the sets stay wide to the end."""
    terms, lines = lumps(
        count - 1,
        rule,
        lambda chance: 2 * chance.randint(1, capacity // 40),
        capacity=capacity,
        quantity_min=capacity,
        pack_size=1,
    )
    odd = capacity // 2 + (capacity // 2 + 1) % 2
    return terms, [*lines, PledgeLine("odd", odd, odd, None, 0, count)]


def cpu_seconds(terms: RoundTerms, lines: list[PledgeLine], runs: int) -> float:
    took = []
    for _ in range(runs):
        gc.collect()
        started = time.process_time()
        clear_round(terms, lines)
        took.append(time.process_time() - started)
    return statistics.median(took)


def cases() -> dict[str, Callable[[AllocationRule], Case]]:
    many, some = 100_000, 10_000
    return {
        "100,000 lines, plenty": lambda rule: ordinary(many, rule),
        "100,000 lines, tight": lambda rule: ordinary(many, rule, fill=0.3),
        "100,000 lines, tight, packs of 10": lambda rule: ordinary(many, rule, fill=0.3, pack_size=10),
        "100,000 lines, plenty, packs of 7": lambda rule: ordinary(many, rule, fill=1.5, pack_size=7),
        "100,000 lines, wide spans": lambda rule: ordinary(many, rule, span_max=10**6),
        "100,000 lumps of 20..60, packs of 10": lambda rule: lumps(
            many,
            rule,
            lambda chance: chance.randint(20, 60),
            capacity=10**6,
            quantity_min=10**4,
            pack_size=10,
        ),
        "10,000 lumps, exact total 100,000": lambda rule: lumps(
            some,
            rule,
            lambda chance: 3 * chance.randint(5, 500) + 1,
            capacity=10**5,
            quantity_min=10**5,
            pack_size=1,
        ),
        "10,000 lumps, odd one last, capacity 100,001": lambda rule: odd_one_last(
            some, rule, capacity=100_001
        ),
        "10,000 lumps, unreachable, capacity 100,001": lambda rule: lumps(
            some,
            rule,
            lambda chance: 2 * chance.randint(5, 20_000),
            capacity=100_001,
            quantity_min=100_001,
            pack_size=1,
        ),
        "10,000 lumps, odd one last, capacity 999,999": lambda rule: odd_one_last(
            some, rule, capacity=999_999
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs=2, metavar=("NAME", "RULE"), help="one case in this process")
    case = parser.parse_args().case
    if case:
        name, rule = case
        terms, lines = cases()[name](rule)
        before_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        seconds = cpu_seconds(terms, lines, runs=3)
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        seconds_max = 0.25 if len(lines) == 100_000 else 0.5
        is_limited = terms.capacity <= 100_001 or len(lines) == 100_000
        say_limit(
            f"{name}, {rule}",
            f"{seconds:.3f} s",
            f"≤ {seconds_max} s" if is_limited else "-",
            is_met=seconds <= seconds_max or not is_limited,
            beside=f"{before_mib:.0f} → {peak_mib:.0f} MiB"
            + ("" if len(lines) == 100_000 else f", limit 256 MiB {'met' if peak_mib <= 256 else 'MISSED'}"),
        )
        return
    for name in cases():
        for rule in RULES:
            subprocess.run([sys.executable, __file__, "--case", name, rule], check=True)
    for rule in RULES:
        measured = {
            count: cpu_seconds(*ordinary(count, rule, fill=0.3), runs=5) for count in (3_000, 30_000, 300_000)
        }
        exponent = math.log(measured[300_000] / measured[3_000]) / math.log(100)
        figures = ", ".join(f"{count:,}: {seconds:.3f} s" for count, seconds in measured.items())
        say_limit(
            f"growth from 3,000 to 300,000 lines, {rule}",
            f"{exponent:.2f}",
            "≤ 1.15",
            is_met=exponent <= 1.15,
            beside=figures,
        )


if __name__ == "__main__":
    main()
