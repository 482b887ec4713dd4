"""The world map: projection, land and pins; and the meter of price tiers."""

from math import hypot

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.web import charts, world_map


class Site(msgspec.Struct, frozen=True):
    code: str
    roles: tuple[str, ...] = ("sales",)
    status: str = "operating"
    latitude: float | None = 37.5
    longitude: float | None = 127.0


class Tier(msgspec.Struct, frozen=True):
    quantity_min: int
    unit_price_krw: int


TIERS = (Tier(3, 90), Tier(5, 80), Tier(10, 70))


def test_the_projection_puts_places_where_they_belong() -> None:
    x_seoul, y_seoul = world_map.project(127, 37.5)
    x_bremen, _ = world_map.project(9, 53)
    x_dallas, _ = world_map.project(-97, 33)
    _, y_sydney = world_map.project(151, -34)
    assert x_dallas < x_bremen < x_seoul
    assert y_seoul < world_map.EQUATOR_Y < y_sydney
    assert world_map.project(world_map.CENTRAL_MERIDIAN_DEGREES, 0) == (
        world_map.WIDTH / 2,
        world_map.EQUATOR_Y,
    )


def test_all_land_lies_inside_the_drawing() -> None:
    points = [world_map.project(*point) for ring in world_map.LAND for point in ring]
    assert len(points) > 150
    assert all(0 <= x <= world_map.WIDTH and 0 <= y <= world_map.HEIGHT for x, y in points)
    assert world_map.land_path().count("M") == len(world_map.LAND)


def test_no_coast_jumps_across_the_map() -> None:
    """A ring that crossed the seam would draw a line from one edge to the other."""
    for ring in world_map.LAND:
        drawn = [world_map.project(*point) for point in ring]
        assert all(abs(a[0] - b[0]) < 120 for a, b in zip(drawn, drawn[1:] + drawn[:1], strict=True)), ring[0]


@pytest.mark.parametrize(
    ("roles", "status", "kind"),
    [
        (("service",), "operating", "service"),
        (("sales", "repair"), "operating", "service"),
        (("sales", "training"), "operating", "sales"),
        (("service",), "planned", "planned"),
        (("plant",), "closed", "planned"),
    ],
)
def test_a_site_is_a_service_center_only_if_its_role_says_so(
    roles: tuple[str, ...], status: str, kind: str
) -> None:
    assert world_map.pin_kind(Site("a", roles, status)) == kind


def test_pins_on_one_spot_part_and_point_back() -> None:
    drawing = world_map.draw([Site("a"), Site("b"), Site("c", ("service",))])
    assert [pin.site.code for pin in drawing.pins] == ["a", "b", "c"]
    pairs = [(p, q) for i, p in enumerate(drawing.pins) for q in drawing.pins[:i]]
    assert all(hypot(p.x - q.x, p.y - q.y) > 12 for p, q in pairs)
    assert all((pin.place_x, pin.place_y) == world_map.project(127, 37.5) for pin in drawing.pins)


def test_a_site_without_coordinates_has_no_pin() -> None:
    assert len(world_map.draw([Site("a", latitude=None), Site("b")]).pins) == 1


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(-179, 179), st.floats(-55, 75)), max_size=25))
def test_the_same_sites_give_the_same_map(places: list[tuple[float, float]]) -> None:
    sites = [Site(str(n), longitude=lon, latitude=lat) for n, (lon, lat) in enumerate(places)]
    assert world_map.draw(sites) == world_map.draw(list(reversed(sites)))


@pytest.mark.parametrize(
    ("quantity", "fills", "current", "needed"),
    [
        (0, [0, 0, 0], None, 3),
        (2, [66, 0, 0], None, 1),
        (3, [100, 0, 0], 90, 2),
        (7, [100, 100, 40], 80, 3),
        (10, [100, 100, 100], 70, 0),
        (99, [100, 100, 100], 70, 0),
    ],
)
def test_the_meter_shows_the_way_to_the_next_tier(
    quantity: int, fills: list[int], current: int | None, needed: int
) -> None:
    meter = charts.tier_meter(TIERS, quantity, 100)
    assert [step.fill_percent for step in meter.steps] == fills
    assert (meter.current.unit_price_krw if meter.current else None) == current
    assert meter.needed == needed
    assert (meter.next is None) == (needed == 0)


def test_the_saving_is_floored_and_never_negative() -> None:
    assert [step.saving_bp for step in charts.tier_meter((Tier(1, 101), Tier(2, 67)), 0, 100).steps] == [
        0,
        3_300,
    ]
