"""Units that spec values may be written in: dimension, factor and offset to one unit of that dimension.

Factors are exact (SI brochure, 9th edition; 1 kgf = 9.80665 N, 1 in = 25.4 mm) but for angles, where one
degree is π/180 with π as a double. A unit that is missing here still works where it is the definition's own.
"""

import math
from fractions import Fraction

from msgspec import Struct


class Unit(Struct, frozen=True):
    """value × factor + offset = the value in the first unit of its dimension."""

    dimension: str
    factor: Fraction
    offset: Fraction = Fraction(0)


_KGF = Fraction("9.80665")
_DEGREE = Fraction(math.pi) / 180

_FACTORS: dict[str, dict[str, Fraction | int | str]] = {
    "length": {"m": 1, "km": 1000, "cm": "1/100", "mm": "1/1000", "μm": "1/1000000", "um": "1/1000000",
               "nm": "1/1000000000", "in": "0.0254", "inch": "0.0254"},
    "area": {"m²": 1, "cm²": "1/10000", "mm²": "1/1000000"},
    "volume": {"m³": 1, "L": "1/1000", "l": "1/1000", "mL": "1/1000000", "ml": "1/1000000",
               "cm³": "1/1000000"},
    "time": {"s": 1, "초": 1, "ms": "1/1000", "μs": "1/1000000", "us": "1/1000000", "ns": "1/1000000000",
             "min": 60, "분": 60, "h": 3600, "시간": 3600},
    "mass": {"kg": 1, "g": "1/1000", "mg": "1/1000000", "t": 1000},
    "power": {"W": 1, "mW": "1/1000", "kW": 1000, "MW": 1_000_000},
    "apparent power": {"VA": 1, "kVA": 1000, "MVA": 1_000_000},
    "energy": {"Wh": 3600, "kWh": 3_600_000, "MWh": 3_600_000_000, "J": 1, "kJ": 1000, "MJ": 1_000_000},
    "voltage": {"V": 1, "mV": "1/1000", "kV": 1000},
    "current": {"A": 1, "mA": "1/1000", "μA": "1/1000000", "uA": "1/1000000", "kA": 1000},
    "resistance": {"Ω": 1, "kΩ": 1000, "MΩ": 1_000_000, "mΩ": "1/1000"},
    "angle": {"rad": 1, "mrad": "1/1000", "deg": _DEGREE, "°": _DEGREE, "arcmin": _DEGREE / 60,
              "arcsec": _DEGREE / 3600},
    "angular speed": {"rad/s": 1, "deg/s": _DEGREE, "°/s": _DEGREE, "rpm": _DEGREE * 6,
                      "r/min": _DEGREE * 6},
    "speed": {"m/s": 1, "mm/s": "1/1000", "cm/s": "1/100", "m/min": "1/60", "mm/min": "1/60000",
              "km/h": "5/18"},
    "acceleration": {"m/s²": 1, "mm/s²": "1/1000"},
    "pressure": {"Pa": 1, "hPa": 100, "kPa": 1000, "MPa": 1_000_000, "mbar": 100, "bar": 100_000,
                 "kgf/cm²": _KGF * 10_000},
    "force": {"N": 1, "mN": "1/1000", "kN": 1000, "kgf": _KGF},
    "torque": {"N·m": 1, "mN·m": "1/1000", "N·cm": "1/100", "kN·m": 1000, "kgf·m": _KGF,
               "kgf·cm": _KGF / 100},
    "frequency": {"Hz": 1, "kHz": 1000, "MHz": 1_000_000, "GHz": 1_000_000_000},
    "data rate": {"bit/s": 1, "kbit/s": 1000, "Mbit/s": 1_000_000, "Gbit/s": 1_000_000_000, "bps": 1,
                  "kbps": 1000, "Mbps": 1_000_000, "Gbps": 1_000_000_000},
    "flow": {"m³/s": 1, "m³/h": "1/3600", "L/min": "1/60000", "L/h": "1/3600000"},
    "ratio": {"%": "1/100", "‰": "1/1000", "ppm": "1/1000000"},
}  # fmt: skip

_ALIASES = {"Nm": "N·m", "N.m": "N·m", "N⋅m": "N·m", "mNm": "mN·m", "Ncm": "N·cm", "kgf.m": "kgf·m",
            "kgfm": "kgf·m", "kgf⋅m": "kgf·m", "kgf.cm": "kgf·cm", "kgf⋅cm": "kgf·cm", "degC": "°C",
            "sec": "s", "msec": "ms"}  # fmt: skip

UNITS: dict[str, Unit] = {
    name: Unit(dimension, Fraction(factor))
    for dimension, factors in _FACTORS.items()
    for name, factor in factors.items()
}
UNITS |= {
    "K": Unit("temperature", Fraction(1)),
    "°C": Unit("temperature", Fraction(1), Fraction("273.15")),
    "°F": Unit("temperature", Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
}
UNITS |= {alias: UNITS[name] for alias, name in _ALIASES.items()}
