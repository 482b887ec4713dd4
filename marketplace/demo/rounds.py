"""The demo's rounds: six that are open and are topped up at every start, and two whose results can be read."""

from typing import Final

import msgspec

from group_buy.core.clearing import AllocationRule

OPEN_ROUNDS_WANTED: Final = 6


class DemoPledge(msgspec.Struct, frozen=True):
    """One factory's pledge; `tier` = the dearest tier it accepts (None: any), `is_funded` = its deposit has come."""

    factory: str
    quantity_min: int
    quantity_max: int
    tier: int | None = None
    is_funded: bool = True


class DemoSponsor(msgspec.Struct, frozen=True):
    """A factory that pays a share of its suppliers' bills, at most `krw_max` won each."""

    factory: str
    members: tuple[str, ...]
    share_bp: int
    krw_max: int


class DemoRound(msgspec.Struct, frozen=True):
    """A round on a shipped offer, running for `days` from the moment it is opened."""

    code: str
    offer: str
    days: int
    pledges: tuple[DemoPledge, ...]
    allocation_rule: AllocationRule = "pro_rata"
    sponsor: DemoSponsor | None = None


CLOSED_ROUNDS: Final = (
    DemoRound(
        "cold-chain-2025",
        "offer-cold-chain-record",
        14,
        (
            DemoPledge("mirae-food", 2, 4),
            DemoPledge("dongbang-battery", 1, 2),
            DemoPledge("seojin-injection", 1, 1, tier=1),
        ),
        sponsor=DemoSponsor("hanbit-precision", ("mirae-food", "dongbang-battery"), 2000, 8_000_000),
    ),
    DemoRound(
        "press-transfer-2025",
        "offer-press-transfer-line",
        14,
        (DemoPledge("daeseong-forging", 1, 1), DemoPledge("hanbit-precision", 1, 1, is_funded=False)),
    ),
)
"""One that cleared at its second tier, with a sponsor, and one that fell short because a deposit never came."""

OPEN_ROUNDS: Final = (
    DemoRound(
        "lathe-tending-cobot",
        "offer-lathe-tending-cobot",
        12,
        (DemoPledge("daeseong-forging", 1, 2), DemoPledge("seojin-injection", 1, 1, is_funded=False)),
    ),
    DemoRound(
        "cnc-utilization",
        "offer-cnc-utilization",
        5,
        (
            DemoPledge("daeseong-forging", 2, 3),
            DemoPledge("ureum-plating", 1, 1),
            DemoPledge("seojin-injection", 1, 1, tier=1),
        ),
    ),
    DemoRound(
        "compressed-air-saving",
        "offer-compressed-air-saving",
        18,
        (DemoPledge("mirae-food", 1, 2), DemoPledge("dongbang-battery", 1, 2, is_funded=False)),
    ),
    DemoRound(
        "plating-line-cloud",
        "offer-plating-line-cloud",
        9,
        (DemoPledge("ureum-plating", 1, 2),),
    ),
    DemoRound(
        "xbc-plc",
        "offer-ls-electric-xbc-dn32up",
        7,
        (
            DemoPledge("seojin-injection", 2, 6),
            DemoPledge("mirae-food", 2, 4),
            DemoPledge("ureum-plating", 2, 2, tier=1),
        ),
        "price_time",
    ),
    DemoRound(
        "fems-ess-molding",
        "offer-fems-ess-molding",
        20,
        (DemoPledge("seojin-injection", 1, 1),),
    ),
    DemoRound("weld-nut-vision", "offer-weld-nut-vision", 14, (DemoPledge("daeseong-forging", 1, 2),)),
    DemoRound("smt-lot-trace", "offer-smt-lot-trace", 16, ()),
    DemoRound(
        "spindle-pdm",
        "offer-spindle-pdm",
        10,
        (DemoPledge("hanbit-precision", 1, 1, is_funded=False),),
        "time",
    ),
    DemoRound("carton-palletizing", "offer-carton-palletizing", 21, ()),
    DemoRound("paint-booth-energy", "offer-paint-booth-energy", 15, ()),
    DemoRound("furnace-peak-control", "offer-furnace-peak-control", 13, ()),
)
"""In the order in which they are opened when fewer than OPEN_ROUNDS_WANTED run."""
