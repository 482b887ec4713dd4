"""What specification texts name, and which components of a package can talk."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core.standard import (
    STANDARDS,
    Speaker,
    SupportedStandard,
    interoperability,
    protocols_of,
    standing_today,
    stated_protocols,
)


def speaker(code: str, *protocols: str, slot: str = "controller") -> Speaker:
    return Speaker(code=code, slot=slot, protocols=frozenset(protocols))  # type: ignore[arg-type] # a word


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("OPC UA, MQTT, Modbus TCP, Modbus RTU", {"opc_ua", "mqtt", "modbus_tcp", "modbus_rtu"}),
        ("Ethernet TCP/IP, Modbus TCP, EtherNet/IP, PROFINET", {"modbus_tcp", "ethernet_ip", "profinet"}),
        (
            "DeviceNet, PROFINET, Modbus TCP/UDP, EtherCAT (option)",
            {"devicenet", "profinet", "modbus_tcp", "ethercat"},
        ),
        ("RS-485, TTL", set()),
    ],
)
def test_protocols_are_read_from_what_listings_write(text: str, found: set[str]) -> None:
    assert stated_protocols([text]) == found


def test_a_pair_that_shares_no_protocol_is_flagged() -> None:
    [link] = interoperability([speaker("plc", "ethercat"), speaker("mes", "opc_ua", slot="software")])
    assert (link.left, link.right, link.status, link.over, link.via) == ("plc", "mes", "apart", (), ())


def test_a_gateway_that_speaks_both_bridges_them() -> None:
    links = interoperability(
        [
            speaker("plc", "modbus_tcp"),
            speaker("mes", "opc_ua", slot="software"),
            speaker("edge", "modbus_tcp", "opc_ua"),
        ]
    )
    assert [(link.left, link.right, link.status, link.via) for link in links] == [
        ("plc", "mes", "bridged", ("edge",)),
        ("plc", "edge", "shared", ()),
        ("mes", "edge", "shared", ()),
    ]


def test_what_says_nothing_is_unknown_and_not_flagged() -> None:
    [link] = interoperability([speaker("plc", "ethercat"), speaker("sensor", slot="sensor")])
    assert link.status == "unknown"


def test_two_sensors_need_not_talk_and_services_never_do() -> None:
    links = interoperability(
        [
            speaker("a", "io_link", slot="sensor"),
            speaker("b", "modbus_rtu", slot="sensor"),
            speaker("setup", slot="service"),
        ]
    )
    assert [(link.left, link.right, link.status) for link in links] == [("a", "b", "not_needed")]


def test_a_model_carries_no_data() -> None:
    supports = [
        SupportedStandard(standard=code, evidence="declared") for code in ("aas", "iec_62264", "opc_ua")
    ]
    assert protocols_of(supports) == {"opc_ua"}


def test_a_certificate_past_its_day_is_a_mere_declaration() -> None:
    paper = SupportedStandard(
        standard="opc_ua", evidence="certificate", reference="1", issuer="x", valid_until=date(2026, 11, 24)
    )
    assert standing_today(paper, today=date(2026, 11, 24)) == "certificate"
    assert standing_today(paper, today=date(2026, 11, 25)) == "declared"


PROTOCOLS = sorted(code for code, standard in STANDARDS.items() if standard.kind == "protocol")[:6]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("software", "controller", "sensor", "robot")),
            st.frozensets(st.sampled_from(PROTOCOLS)),
        ),
        max_size=7,
    )
)
def test_the_matrix_has_every_pair_once_and_says_shared_only_where_it_is(
    drawn: list[tuple[str, frozenset[str]]],
) -> None:
    speakers = [speaker(str(n), *protocols, slot=slot) for n, (slot, protocols) in enumerate(drawn)]
    by_code = {s.code: s for s in speakers}
    links = interoperability(speakers)
    assert len(links) == len(speakers) * (len(speakers) - 1) // 2
    for link in links:
        left, right = by_code[link.left], by_code[link.right]
        assert (link.status == "shared") == bool(left.protocols & right.protocols)
        for code in link.via:
            assert by_code[code].protocols & left.protocols
            assert by_code[code].protocols & right.protocols
