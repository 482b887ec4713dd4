"""Standards that products support, on whose word, and which pairs of components can talk to each other.

A protocol carries data between components; a model or a safety standard does not, however good it is. Protocols
are also read from what a listing writes in its communication specifications: that is the weakest evidence.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import combinations
from typing import Final, Literal

from msgspec import Struct

from catalog.core.product import Category

StandardKind = Literal["protocol", "model", "safety", "management"]
StandardEvidence = Literal["stated", "declared", "test_report", "certificate"]
DECLARABLE: tuple[StandardEvidence, ...] = ("declared", "test_report", "certificate")
"""What a lister may file; "stated" is only read from specifications."""

LinkStatus = Literal["shared", "bridged", "apart", "unknown", "not_needed"]


class Standard(Struct, frozen=True):
    """A standard: its name as printed, its kind, and the pattern that finds it in a specification's text."""

    name: str
    kind: StandardKind
    pattern: str | None = None


STANDARDS: Final[Mapping[str, Standard]] = {
    "opc_ua": Standard("OPC UA (IEC 62541)", "protocol", r"opc[ -]?ua"),
    "mqtt": Standard("MQTT (ISO/IEC 20922)", "protocol", r"mqtt"),
    "modbus_tcp": Standard("Modbus TCP", "protocol", r"modbus[ -]?tcp"),
    "modbus_rtu": Standard("Modbus RTU", "protocol", r"modbus[ -]?rtu|dynamixel 2\.0 / modbus"),
    "ethercat": Standard("EtherCAT (IEC 61158)", "protocol", r"ethercat"),
    "profinet": Standard("PROFINET (IEC 61158)", "protocol", r"profinet"),
    "ethernet_ip": Standard("EtherNet/IP (IEC 61158)", "protocol", r"ethernet/ip"),
    "devicenet": Standard("DeviceNet (IEC 62026)", "protocol", r"devicenet"),
    "cc_link": Standard("CC-Link (IEC 61158)", "protocol", r"cc-?link"),
    "rapienet": Standard("RAPIEnet (IEC 61158)", "protocol", r"rapienet"),
    "io_link": Standard("IO-Link (IEC 61131-9)", "protocol", r"io-link"),
    "canopen": Standard("CANopen (EN 50325-4)", "protocol", r"canopen"),
    "gige_vision": Standard("GigE Vision", "protocol", r"gige vision"),
    "http_rest": Standard("HTTP REST", "protocol", r"http rest|rest api"),
    "s7": Standard("Siemens S7", "protocol", r"siemens s7"),
    "fins": Standard("OMRON FINS", "protocol", r"omron fins"),
    "mc_protocol": Standard("Mitsubishi MC", "protocol", r"mitsubishi mc"),
    "ls_xgt": Standard("LS XGT", "protocol", r"ls xgt"),
    "xgb_cnet": Standard("LS Cnet", "protocol", r"cnet"),
    "ls_bus": Standard("LS Bus", "protocol", r"ls bus"),
    "dynamixel": Standard("DYNAMIXEL Protocol 2.0", "protocol", r"dynamixel 2\.0"),
    "onem2m": Standard("oneM2M", "protocol", r"onem2m"),
    "aas": Standard("AAS, Asset Administration Shell (IEC 63278)", "model"),
    "iec_62264": Standard("IEC 62264 (ISA-95)", "model"),
    "iec_61131_3": Standard("IEC 61131-3", "model"),
    "packml": Standard("PackML (ISA-TR88.00.02)", "model"),
    "ks_x_9001": Standard("KS X 9001", "model"),
    "iso_10218": Standard("ISO 10218-1", "safety"),
    "iec_61496": Standard("IEC 61496", "safety"),
    "iec_62443": Standard("IEC 62443", "safety"),
    "iso_50001": Standard("ISO 50001", "management"),
}
"""Protocols by the names of their own organizations and IEC numbers; codes are ours."""

SPOKEN_SPECS: Final = (
    "fieldbus",
    "communication",
    "protocols",
    "interfaces",
    "serial_interface",
    "tool_communication",
)
"""Specifications whose text names protocols."""

_PATTERNS: Final = {
    code: re.compile(standard.pattern) for code, standard in STANDARDS.items() if standard.pattern is not None
}
_TALKING: Final[frozenset[Category]] = frozenset(("software", "controller"))


class SupportedStandard(Struct, frozen=True, kw_only=True):
    """A product's support for one standard. `reference` and `issuer` name the paper behind it."""

    standard: str
    evidence: StandardEvidence
    reference: str = ""
    issuer: str = ""
    valid_until: date | None = None
    has_file: bool = False


class Speaker(Struct, frozen=True, kw_only=True):
    """A component as far as it exchanges data; empty `protocols` = none is known."""

    code: str
    slot: Category
    protocols: frozenset[str]


class Link(Struct, frozen=True, kw_only=True):
    """Whether two components can talk.

    `shared`: the protocols in `over`. `bridged`: only through the components in `via`, each of which shares
    a protocol with both. `apart`: both are known and nothing connects them. `unknown`: one says nothing.
    `not_needed`: neither side is software or a controller, so no data need pass between them.
    """

    left: str
    right: str
    status: LinkStatus
    over: tuple[str, ...] = ()
    via: tuple[str, ...] = ()


def stated_protocols(texts: Iterable[str]) -> frozenset[str]:
    """The protocols that specification texts name, such as "Modbus TCP, OPC UA"."""
    lowered = [text.casefold() for text in texts]
    return frozenset(
        code for code, pattern in _PATTERNS.items() if any(pattern.search(text) for text in lowered)
    )


def standing_today(support: SupportedStandard, *, today: date) -> StandardEvidence:
    """The evidence as it counts today: a certificate past its day is a mere declaration."""
    if support.valid_until is not None and support.valid_until < today:
        return "declared"
    return support.evidence


def protocols_of(supports: Iterable[SupportedStandard]) -> frozenset[str]:
    """The protocols among the supported standards."""
    return frozenset(
        support.standard
        for support in supports
        if support.standard in STANDARDS and STANDARDS[support.standard].kind == "protocol"
    )


def interoperability(speakers: Sequence[Speaker]) -> tuple[Link, ...]:
    """Every pair of different components of a package, in order, and how they can talk.

    Services say nothing and are left out. A pair of unlike components that shares no protocol is flagged
    (`apart` or `bridged`), unless neither has to talk to the other.
    """
    talking = [speaker for speaker in {s.code: s for s in speakers}.values() if speaker.slot != "service"]
    return tuple(_link(left, right, talking) for left, right in combinations(talking, 2))


def _link(left: Speaker, right: Speaker, everybody: Sequence[Speaker]) -> Link:
    over = left.protocols & right.protocols
    status: LinkStatus
    via: tuple[str, ...] = ()
    if over:
        status = "shared"
    elif _TALKING.isdisjoint((left.slot, right.slot)):
        status = "not_needed"
    elif not left.protocols or not right.protocols:
        status = "unknown"
    else:
        via = tuple(
            other.code
            for other in everybody
            if other.code not in {left.code, right.code}
            and other.slot in _TALKING
            and other.protocols & left.protocols
            and other.protocols & right.protocols
        )
        status = "bridged" if via else "apart"
    return Link(left=left.code, right=right.code, status=status, over=tuple(sorted(over)), via=via)
