"""The written rule behind every price of the demo data (see `data/README.md`).

Nobody asked these prices. They are illustrative, asked only by fictional sellers, and made by this rule so
that they can be checked. Amounts are won without VAT; factors are basis points.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from catalog.core.offer import PriceTier


class ReferencePrice(msgspec.Struct, frozen=True):
    """Reference prices of one subcategory, by size class.

    A product is small up to `small_max` of the first of `size_specs` that it states, medium up to `medium_max`,
    else large. A product that states none of them is medium.
    """

    small_krw: int
    medium_krw: int
    large_krw: int
    size_specs: tuple[str, ...] = ()
    small_max: int = 0
    medium_max: int = 0


class PricedProduct(msgspec.Struct, frozen=True):
    """What the rule needs of a product; `specs` maps an attribute code to its cell, such as "10 kg"."""

    code: str
    category: str
    subcategory: str
    specs: Mapping[str, str]


class UnpricedProductError(Exception):
    """The rule has no row for the product's subcategory, or a service without days."""


def _flat(price_krw: int) -> ReferencePrice:
    return ReferencePrice(price_krw, price_krw, price_krw)


REFERENCE_PRICES: dict[str, ReferencePrice] = {
    # robots and what they hold
    "industrial robot": ReferencePrice(28_000_000, 45_000_000, 62_000_000, ("payload",), 20, 100),
    "collaborative robot": ReferencePrice(26_000_000, 36_000_000, 48_000_000, ("payload",), 5, 12),
    "mobile robot": ReferencePrice(38_000_000, 52_000_000, 85_000_000, ("payload",), 100, 500),
    "smart actuator": ReferencePrice(45_000, 380_000, 900_000, ("stall_torque", "continuous_torque"), 1, 8),
    "gripper": ReferencePrice(2_200_000, 3_400_000, 5_200_000, ("payload",), 5, 15),
    "welding kit": _flat(21_000_000),
    # control
    "robot controller": ReferencePrice(8_000_000, 9_500_000, 15_000_000, ("power_capacity",), 2, 5),
    "robot control board": _flat(180_000),
    "plc cpu": _flat(1_450_000),
    "compact plc": ReferencePrice(380_000, 520_000, 680_000, ("digital_inputs",), 16, 32),
    "plc analog module": _flat(320_000),
    "plc communication module": _flat(280_000),
    "plc positioning module": _flat(450_000),
    "plc special module": _flat(780_000),
    "hmi": _flat(650_000),
    "magnetic contactor": _flat(38_000),
    "relay socket": _flat(6_000),
    "inverter": _flat(520_000),
    "servo drive": ReferencePrice(420_000, 720_000, 1_900_000, ("output_power",), 400, 1_500),
    "temperature controller": _flat(95_000),
    "power supply": _flat(480_000),
    "pneumatic motion terminal": _flat(4_200_000),
    "serial-to-ethernet gateway": _flat(45_000),
    "edge gateway": _flat(1_350_000),
    "edge server": _flat(9_800_000),
    "io-link master": _flat(620_000),
    "peak demand controller": _flat(2_800_000),
    "compressor controller": _flat(6_400_000),
    "energy storage unit": ReferencePrice(
        48_000_000, 165_000_000, 290_000_000, ("energy_capacity",), 100, 300
    ),
    # sensors
    "rotary encoder": _flat(88_000),
    "inductive proximity sensor": _flat(24_000),
    "photoelectric sensor": _flat(46_000),
    "liquid level sensor": _flat(58_000),
    "level sensor": _flat(420_000),
    "temperature sensor": ReferencePrice(170_000, 210_000, 290_000, ("probe_length",), 100, 300),
    "temperature and humidity sensor": _flat(150_000),
    "2d lidar": ReferencePrice(1_900_000, 3_200_000, 6_500_000, ("range_max",), 10, 30),
    "3d lidar": ReferencePrice(7_500_000, 9_500_000, 12_000_000, ("range_max",), 50, 100),
    "machine vision camera": _flat(3_400_000),
    "3d profile sensor": _flat(18_500_000),
    "vibration sensor": _flat(420_000),
    "wireless vibration sensor": _flat(560_000),
    "current sensor": _flat(85_000),
    "power meter": _flat(310_000),
    "flow sensor": _flat(1_150_000),
    "pressure sensor": _flat(240_000),
    "cavity pressure sensor": _flat(2_600_000),
    "water quality sensor": _flat(980_000),
    "thermal imaging sensor": _flat(5_200_000),
    "barcode reader": _flat(1_900_000),
    "safety laser scanner": _flat(4_600_000),
    # software on site: a license; in the cloud: one year
    "mes": ReferencePrice(18_000_000, 38_000_000, 56_000_000, ("connections_max",), 20, 60),
    "aps": _flat(42_000_000),
    "qms": _flat(22_000_000),
    "wms": _flat(28_000_000),
    "digital twin": _flat(58_000_000),
    "scada": ReferencePrice(4_500_000, 12_000_000, 22_000_000, ("connections_max",), 10, 60),
    "fems": _flat(28_000_000),
    "peak demand control software": _flat(6_500_000),
    "predictive maintenance": _flat(19_000_000),
    "vision inspection software": _flat(14_000_000),
    "smart factory platform": _flat(60_000_000),
    "iot platform": _flat(8_000_000),
    "time-series database": _flat(9_000_000),
    "robot engineering software": _flat(1_200_000),
    "robot safety software": _flat(3_500_000),
    "cloud erp": _flat(4_800_000),
    "cloud mes": _flat(9_600_000),
    "cloud monitoring": _flat(4_200_000),
    "cloud predictive maintenance": _flat(12_000_000),
    "cloud quality records": _flat(3_600_000),
    "cloud vision inspection": _flat(10_800_000),
    "cloud fems": _flat(4_800_000),
    "carbon reporting": _flat(4_800_000),
}

SERVICE_DAY_RATES_KRW: dict[str, int] = {
    "equipment interfacing": 950_000,
    "sensor installation": 700_000,
    "robot integration": 950_000,
    "safety assessment": 1_000_000,
    "software setup": 900_000,
    "vision tuning": 900_000,
    "data analysis": 1_100_000,
    "electrical installation": 850_000,
    "commissioning": 800_000,
    "training": 700_000,
    "energy audit": 950_000,
    "remote care": 600_000,
}

VENDOR_FACTORS_BP: dict[str, int] = {
    "haneul-automation": 10_400,
    "narae-robot": 10_100,
    "dasom-solution": 10_200,
    "gaon-cloud": 9_700,
    "bichan-energy": 10_000,
    "mireu-vision": 10_300,
    "onsaem-control": 9_800,
    "taeum-sensing": 9_900,
    "saebyeok-logis": 10_000,
    "haedam-engineering": 10_600,
}

# (list price from, ((from this many units, percent of the list price), …)); dear things fall at fewer units.
TIER_PROFILES: tuple[tuple[int, tuple[tuple[int, int], ...]], ...] = (
    (50_000_000, ((2, 97), (4, 94), (8, 90), (12, 87))),
    (10_000_000, ((3, 96), (6, 92), (12, 88), (20, 85))),
    (0, ((5, 95), (10, 91), (20, 86), (40, 82))),
)


def spec_number(cell: str) -> Decimal:
    """The number that a cell such as "0.05 mm" starts with."""
    return Decimal(cell.split(maxsplit=1)[0])


def reference_price_krw(product: PricedProduct) -> int:
    """One unit by the rule: days × day rate for a service, else the price of its subcategory and size class.

    Raises UnpricedProductError where the rule has no row.
    """
    if product.category == "service":
        return _service_price_krw(product)
    row = REFERENCE_PRICES.get(product.subcategory)
    if row is None:
        raise UnpricedProductError(f"{product.code}: no reference price for {product.subcategory!r}")
    stated = next((product.specs[code] for code in row.size_specs if product.specs.get(code)), None)
    if stated is None:
        return row.medium_krw
    size = spec_number(stated)
    if size <= row.small_max:
        return row.small_krw
    return row.medium_krw if size <= row.medium_max else row.large_krw


def _service_price_krw(product: PricedProduct) -> int:
    rate_krw = SERVICE_DAY_RATES_KRW.get(product.subcategory)
    days = product.specs.get("service_days")
    if rate_krw is None or not days:
        raise UnpricedProductError(f"{product.code}: no day rate or days for {product.subcategory!r}")
    return int(spec_number(days)) * rate_krw


def product_price_krw(product: PricedProduct, *, vendor: str) -> int:
    """List price of a single product: reference price × the vendor's factor, rounded up."""
    return package_price_krw([(product, 1)], vendor=vendor)


def package_price_krw(components: Sequence[tuple[PricedProduct, int]], *, vendor: str) -> int:
    """List price of one package: Σ reference price × quantity, × the vendor's factor, rounded up."""
    total_krw = sum(reference_price_krw(product) * quantity for product, quantity in components)
    exact_krw_bp = total_krw * VENDOR_FACTORS_BP[vendor]
    step_krw = _list_price_step_krw(exact_krw_bp // 10_000)
    return -(-exact_krw_bp // (10_000 * step_krw)) * step_krw


def tiers(list_unit_price_krw: int, *, capacity: int, pack_size: int = 1) -> list[PriceTier]:
    """Price tiers within `capacity`: percentages of the list price, each quantity a whole number of packs.

    Prices are rounded down to 10,000 won (100 won below a million). Quantities rise and prices fall strictly.
    """
    profile = next(steps for floor_krw, steps in TIER_PROFILES if list_unit_price_krw >= floor_krw)
    step_krw = 10_000 if list_unit_price_krw >= 1_000_000 else 100
    result: list[PriceTier] = []
    for units, percent in profile:
        quantity_min = -(-units // pack_size) * pack_size
        unit_price_krw = list_unit_price_krw * percent // 100 // step_krw * step_krw
        if quantity_min <= capacity and (not result or quantity_min > result[-1].quantity_min):
            result.append(PriceTier(quantity_min=quantity_min, unit_price_krw=unit_price_krw))
    return result


def _list_price_step_krw(price_krw: int) -> int:
    if price_krw >= 100_000_000:
        return 500_000
    if price_krw >= 10_000_000:
        return 100_000
    return 10_000 if price_krw >= 1_000_000 else 100
