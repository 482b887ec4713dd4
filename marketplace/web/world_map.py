"""A small world map for the A/S pages: a coarse silhouette and pins, drawn by the server.

Pure. The coastlines below are our own, set down by hand from well-known capes, bays and cities to about a
degree; they show where in the world a site is and nothing more: no borders, no small islands. The page calls it a
schematic map (개략도). Projection: Natural Earth, polynomial form by B. Šavrič et al., "A Polynomial Equation for
the Natural Earth Projection", CaGIS 38(4), 2011.
"""

from collections.abc import Sequence
from functools import cache
from math import hypot, radians
from typing import Any, Literal, Protocol

import msgspec

Point = tuple[float, float]
"""Longitude and latitude in degrees, or x and y on the drawing."""

WIDTH = 960
HEIGHT = 452
CENTRAL_MERIDIAN_DEGREES = 11.0
"""Puts the seam of the map into the Bering Strait, where it cuts no land."""
SCALE = WIDTH / 5.48
"""The equator is 2 π × 0.8707 = 5.47 units long."""
EQUATOR_Y = 252.0
"""Below the middle: Antarctica is left out."""
PIN_DISTANCE_MIN = 15.0
"""Pins nearer than this are pushed apart; a pin is 14 wide."""
NUDGE_STEPS_MAX = 60

LAND: Sequence[Sequence[Point]] = (
    # North and Central America, from the Bering Strait eastwards
    (
        (-168, 66), (-157, 71), (-141, 70), (-128, 70), (-115, 68), (-108, 68), (-96, 68), (-94, 72),
        (-82, 69), (-86, 66), (-94, 60), (-93, 58), (-82, 55), (-79, 51), (-77, 56), (-78, 62), (-70, 61),
        (-65, 59), (-61, 56), (-56, 52), (-66, 50), (-64, 48), (-61, 46), (-66, 44), (-70, 43), (-74, 40),
        (-76, 36), (-81, 31), (-80, 26), (-82, 28), (-84, 30), (-90, 29), (-97, 28), (-97, 22), (-95, 18),
        (-91, 19), (-90, 21), (-87, 21), (-88, 16), (-83, 15), (-83, 10), (-79, 9), (-77, 8), (-80, 7),
        (-85, 10), (-88, 13), (-95, 16), (-105, 20), (-109, 25), (-113, 31), (-114, 29), (-110, 23),
        (-115, 29), (-117, 33), (-121, 35), (-124, 40), (-124, 47), (-130, 54), (-137, 59), (-147, 61),
        (-153, 58), (-164, 54), (-158, 58), (-165, 61), (-161, 64),
    ),
    # Baffin Island, Victoria Island, Ellesmere Island
    ((-80, 74), (-68, 70), (-62, 66), (-66, 62), (-73, 65), (-73, 68), (-86, 71)),
    ((-117, 73), (-106, 73), (-104, 69), (-115, 69)),
    ((-90, 77), (-75, 83), (-62, 82), (-78, 77)),
    # Greenland, Iceland, Cuba, Hispaniola
    (
        (-73, 78), (-58, 82), (-32, 83.5), (-18, 80), (-21, 72), (-32, 68), (-43, 60), (-52, 66),
        (-54, 71), (-58, 75.5),
    ),
    ((-24, 65.5), (-16, 66.5), (-13.5, 65), (-19, 63.4), (-23, 63.9)),
    ((-85, 22), (-80, 23), (-74, 20), (-78, 20), (-82, 22)),
    ((-74.5, 19.8), (-68.5, 18.6), (-74, 18.2)),
    # South America
    (
        (-77, 8), (-72, 12), (-62, 10.5), (-51, 4.5), (-50, 0), (-44, -2.5), (-35, -6), (-37, -11),
        (-39, -17), (-41, -22), (-48, -26), (-49, -29), (-54, -34.5), (-58, -34.5), (-57, -38),
        (-62, -39), (-65, -43), (-66, -48), (-69, -52), (-68, -55), (-74, -52), (-75, -46), (-73, -38),
        (-71, -30), (-70, -19), (-76, -14), (-81, -6), (-80, -2), (-78, 2), (-77, 6),
    ),
    # Eurasia, from the north cape eastwards along the Arctic, then back west along the south
    (
        (26, 71), (40, 67), (34, 66.5), (38, 64), (44, 66), (54, 68.5), (61, 69), (68, 68.5), (67, 72),
        (74, 72), (81, 73), (104, 77.5), (113, 74), (128, 72.5), (140, 72.5), (160, 70), (170, 70),
        (-177, 68), (-170, 66), (-178, 63), (171, 60), (163, 59), (162, 55), (157, 51), (156, 57),
        (163, 62), (156, 61), (143, 59), (136, 55), (141, 53), (140, 48), (135, 44), (131, 42.5),
        (129, 41), (127.5, 39.5), (129.4, 37), (129.2, 35.3), (126.4, 34.4), (126.5, 37), (125, 38.5),
        (124, 40), (121.3, 39), (121.5, 41), (118, 39), (119, 37.4), (122.5, 37), (119.5, 35), (122, 31),
        (120, 26), (116, 23), (110, 21), (108, 21.5), (106, 19), (109, 13), (107, 10.5), (105, 9),
        (103, 11), (101, 13.3), (99.5, 10), (103.4, 4), (104, 1.3), (100.5, 5), (98.5, 9), (98, 15),
        (95, 16), (94, 19), (91, 22.5), (87, 21), (82, 16.5), (80, 13), (78, 8.2), (76, 10), (73, 17),
        (72.5, 21), (69, 22), (67, 25), (58, 25.5), (56.5, 27), (51, 28), (48, 30), (50, 26.5),
        (51.5, 25.5), (54, 24), (56.3, 26), (59.7, 22.5), (55, 17), (45, 13), (43, 13.5), (39, 21),
        (35, 28), (34.5, 31.5), (36, 36.5), (30.5, 36.5), (27, 37), (26.3, 40), (31, 41.3), (37, 41),
        (41.5, 41.7), (37.5, 45), (39, 47), (33.5, 46), (30.5, 46.3), (28, 43), (29, 41.2), (26, 40.8),
        (23.5, 40.3), (24, 38), (22.5, 36.5), (19.5, 41.5), (13.5, 45.6), (12.4, 44), (16, 42),
        (18.5, 40), (16.5, 38), (12, 42), (9, 44.3), (3.5, 43.3), (3, 41.8), (-0.3, 39), (-2, 36.8),
        (-5.5, 36), (-9, 37), (-9.4, 39), (-8.8, 43.2), (-1.7, 43.4), (-1.2, 46), (-4.7, 48.4),
        (1.5, 50.2), (4.5, 52.3), (8.2, 54), (8.2, 57), (10.5, 57.6), (10.8, 54.2), (14, 54), (19, 54.4),
        (21, 57), (24, 57.3), (23.7, 59.2), (30, 59.9), (22.5, 60.2), (21.5, 62.5), (25, 65), (22, 65.7),
        (17.3, 61.5), (18.5, 59.8), (16, 56.5), (12.8, 55.6), (10.7, 59), (7, 58), (5, 61), (12.5, 66),
    ),
    # Africa
    (
        (-6, 35.8), (10, 37.3), (10.5, 34), (19, 30.3), (21, 32.7), (29, 31), (32.5, 31.2), (34, 27),
        (37, 21), (39.5, 15.5), (43, 11.5), (51, 11.8), (48, 5), (41, -2), (39.3, -7), (40.6, -15),
        (35, -20), (35.5, -24), (32.8, -27), (27, -33.8), (20, -34.8), (18, -32), (15, -26.5), (12, -17),
        (13.5, -9), (9, -1), (9.5, 4), (4.5, 6.4), (-2, 4.8), (-8, 4.5), (-13, 9), (-17.3, 14.7),
        (-16.5, 20), (-14.5, 26), (-10, 30),
    ),
    ((49.3, -12.2), (50.3, -16), (47, -25), (44, -24), (44.5, -16.5)),  # Madagascar
    ((80, 9.7), (81.8, 7.5), (80.5, 6), (79.8, 8)),  # Sri Lanka
    # Great Britain
    (
        (-5.5, 50.2), (1.3, 51.2), (1.5, 52.8), (-1.6, 55), (-2, 57.6), (-5, 58.5), (-5.5, 55.5),
        (-3.2, 54), (-4.8, 52),
    ),
    ((-10, 52), (-6.2, 52.3), (-5.8, 54.8), (-8.3, 55.2)),  # Ireland
    ((8.5, 39), (9.7, 41), (9.5, 39.2)),  # Sardinia
    ((12.5, 38), (15.5, 38.2), (15, 36.7)),  # Sicily
    ((52, 71), (58, 74), (68, 77), (58, 71)),  # Novaya Zemlya
    ((12, 79), (25, 80), (17, 77)),  # Svalbard
    # Japan: Kyushu with Honshu, Hokkaido, Shikoku; Sakhalin; Taiwan; Hainan
    (
        (130, 33.5), (132.5, 34.8), (135.5, 35.7), (137, 37.4), (139.5, 39), (140.5, 41.3), (142, 39.5),
        (140.7, 35.8), (137, 34.6), (131.8, 33.2), (131.2, 31.3), (130.2, 31.4),
    ),
    ((140.2, 42), (141.7, 45.4), (145.3, 43.5), (141, 42.2)),
    ((142, 54), (144, 50), (143, 46.2), (142, 48)),
    ((121.5, 25.3), (120.8, 22), (120.1, 23.5)),
    ((108.7, 19.5), (111, 19.9), (109.5, 18.2)),
    # Philippines, Borneo, Sumatra, Java, Sulawesi, New Guinea
    ((120.5, 18.5), (122.2, 18.4), (121.7, 14.5), (124, 12.7), (120.7, 13.8), (119.9, 16)),
    ((122, 7.2), (123.8, 8.6), (125.8, 9.5), (126.3, 6.8), (124, 6.5)),
    ((109.2, 1.8), (113, 3.3), (117, 7), (119, 5.2), (117.5, 1), (116, -4), (110.2, -2.8)),
    ((95.3, 5.6), (100.3, 2.3), (104, -1.5), (105.8, -5.7), (101, -3), (97.5, 2)),
    ((105.3, -6.5), (110.8, -6.5), (114.4, -7.8), (110, -8)),
    ((119.8, 0.7), (125, 1.5), (121, 0.4), (123, -4.5), (120.5, -3), (119.5, -5.5)),
    ((131, -0.8), (141, -2.6), (147.5, -6), (150.5, -10.5), (143, -8.5), (138, -8.3), (133, -4)),
    # Australia, Tasmania, New Zealand
    (
        (114, -22), (122, -18), (126, -14), (130, -12), (136.5, -12.2), (135.8, -15), (140.5, -17.5),
        (142.4, -11), (146, -19), (153, -25.5), (153, -31), (150, -37.3), (145, -38.5), (140, -38),
        (138, -34.5), (135.5, -34.8), (131, -31.6), (124, -33), (118, -35), (115, -34), (113.5, -26),
    ),
    ((145, -41), (148.2, -41), (147, -43.5)),
    ((173, -34.8), (178, -38), (175.3, -41.5), (174, -39)),
    ((172.8, -40.7), (174, -42), (169, -46.6), (166.8, -45.8)),
)  # fmt: skip


class Site(Protocol):
    """What is read of an A/S site; coordinates in degrees."""

    @property
    def code(self) -> str: ...
    @property
    def roles(self) -> Sequence[str]: ...
    @property
    def status(self) -> str: ...
    @property
    def latitude(self) -> float | None: ...
    @property
    def longitude(self) -> float | None: ...


PinKind = Literal["service", "sales", "planned"]


class Pin(msgspec.Struct, frozen=True):
    """A site on the drawing: `place` is where it is, `x`, `y` where the pin is drawn."""

    site: Any
    kind: PinKind
    x: float
    y: float
    place_x: float
    place_y: float

    @property
    def moved(self) -> bool:
        """Whether the pin stands beside its place, so that a line is drawn to it."""
        return hypot(self.x - self.place_x, self.y - self.place_y) > 2


class WorldMap(msgspec.Struct, frozen=True):
    """Paths and pins of one drawing, in units of a `WIDTH` × `HEIGHT` view box."""

    width: int
    height: int
    outline: str
    graticule: str
    land: str
    pins: tuple[Pin, ...]


def project(longitude: float, latitude: float) -> Point:
    """Degrees → x, y on the drawing; y grows downwards."""
    shifted = (longitude - CENTRAL_MERIDIAN_DEGREES + 180) % 360 - 180
    return _project_shifted(shifted, latitude)


def _project_shifted(degrees_east: float, latitude: float) -> Point:
    lam, phi = radians(degrees_east), radians(latitude)
    p2 = phi * phi
    p4 = p2 * p2
    x = lam * (0.8707 - 0.131979 * p2 + p4 * (-0.013791 + p4 * (0.003971 * p2 - 0.001529 * p4)))
    y = phi * (1.007226 + p2 * (0.015085 + p4 * (-0.044475 + 0.028874 * p2 - 0.005916 * p4)))
    return (round(WIDTH / 2 + SCALE * x, 1), round(EQUATOR_Y - SCALE * y, 1))


def pin_kind(site: Site) -> PinKind:
    """An A/S center only if its role says so and it is in operation (decision 4)."""
    if site.status != "operating":
        return "planned"
    return "service" if {"service", "repair"} & set(site.roles) else "sales"


def draw(sites: Sequence[Site]) -> WorldMap:
    """The map with one pin a site whose coordinates are known; A/S centers are drawn last, on top."""
    order = {"planned": 0, "sales": 1, "service": 2}
    placed = [
        (site, project(site.longitude, site.latitude))
        for site in sorted(sites, key=lambda site: (order[pin_kind(site)], site.code))
        if site.longitude is not None and site.latitude is not None
    ]
    drawn = push_apart([place for _, place in placed])
    pins = tuple(
        Pin(site=site, kind=pin_kind(site), x=x, y=y, place_x=place[0], place_y=place[1])
        for (site, place), (x, y) in zip(placed, drawn, strict=True)
    )
    return WorldMap(
        width=WIDTH,
        height=HEIGHT,
        outline=outline_path(),
        graticule=graticule_path(),
        land=land_path(),
        pins=pins,
    )


def push_apart(places: Sequence[Point]) -> list[Point]:
    """Moves points that lie nearer than `PIN_DISTANCE_MIN` away from each other, little by little.

    Points at the very same spot part along a fixed direction, so the result depends on the input alone.
    """
    points = list(places)
    for _ in range(NUDGE_STEPS_MAX):
        moved = False
        for i in range(len(points)):
            for j in range(i):
                moved = _part(points, i, j) or moved
        if not moved:
            break
    return [(round(x, 1), round(y, 1)) for x, y in points]


def _part(points: list[Point], i: int, j: int) -> bool:
    (ax, ay), (bx, by) = points[i], points[j]
    distance = hypot(ax - bx, ay - by)
    if distance >= PIN_DISTANCE_MIN - 0.2:
        return False
    dx, dy = ((ax - bx) / distance, (ay - by) / distance) if distance > 0.05 else (0.8, 0.6 - 0.1 * (i % 7))
    push = (PIN_DISTANCE_MIN - distance) / 2
    points[i] = (ax + dx * push, ay + dy * push)
    points[j] = (bx - dx * push, by - dy * push)
    return True


@cache
def land_path() -> str:
    """The silhouette as one SVG path; corners are rounded by curves between the middles of the edges."""
    return "".join(_rounded([project(*point) for point in ring]) for ring in LAND)


def _rounded(ring: list[Point]) -> str:
    middles = [
        (round((x + nx) / 2, 1), round((y + ny) / 2, 1))
        for (x, y), (nx, ny) in zip(ring, ring[1:] + ring[:1], strict=True)
    ]
    start = middles[-1]
    curves = (f"Q{x:g} {y:g} {mx:g} {my:g}" for (x, y), (mx, my) in zip(ring, middles, strict=True))
    return f"M{start[0]:g} {start[1]:g}" + "".join(curves) + "Z"


@cache
def outline_path() -> str:
    """The edge of the map from 84° north to 58° south."""
    latitudes = range(84, -59, -2)
    edge = [_project_shifted(-180, latitude) for latitude in latitudes]
    edge += [_project_shifted(180, latitude) for latitude in reversed(latitudes)]
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in edge) + "Z"


@cache
def graticule_path() -> str:
    """Meridians and parallels every 30°."""
    lines = [
        [_project_shifted(east, latitude) for latitude in range(84, -59, -4)] for east in range(-150, 180, 30)
    ]
    lines += [
        [_project_shifted(-180, latitude), _project_shifted(180, latitude)] for latitude in (60, 30, 0, -30)
    ]
    return "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in line) for line in lines)
