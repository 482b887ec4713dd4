"""Distances on the globe. Pure."""

import math

import msgspec

EARTH_RADIUS_KM = 6371.0088
"""Mean radius R1 of the Earth (IUGG)."""


class Near(msgspec.Struct, frozen=True):
    """A place in WGS 84 degrees; with `radius_km`, only what lies within it."""

    lat: float
    lon: float
    radius_km: float | None = None


class Box(msgspec.Struct, frozen=True):
    """Latitudes and longitudes around a circle; `lon_min` > `lon_max` where it crosses the 180th meridian."""

    lat_min: float
    lat_max: float
    lon_min: float
    lon_max: float


def distance_km(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Great-circle distance by the haversine formula."""
    lat_1, lat_2 = math.radians(lat), math.radians(other_lat)
    half_lat, half_lon = (lat_2 - lat_1) / 2, math.radians(other_lon - lon) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(lat_1) * math.cos(lat_2) * math.sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(chord, 1.0)))


def box_around(near: Near) -> Box | None:
    """A box that holds the circle of `near`, None when there is no radius or it spans all longitudes."""
    if near.radius_km is None:
        return None
    angle = near.radius_km / EARTH_RADIUS_KM
    lat_min, lat_max = near.lat - math.degrees(angle), near.lat + math.degrees(angle)
    if lat_min <= -90 or lat_max >= 90:
        return None
    spread = math.degrees(math.asin(min(math.sin(angle) / math.cos(math.radians(near.lat)), 1.0)))
    if angle >= math.pi / 2 or spread >= 180:
        return None
    return Box(lat_min, lat_max, _wrap(near.lon - spread), _wrap(near.lon + spread))


def _wrap(lon: float) -> float:
    return (lon + 180) % 360 - 180
