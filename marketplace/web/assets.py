"""Where a page gets its scripts and styles: bundles under a hash where they were built, else the plain files.

`build_assets.py` bundles; what it leaves in `static/build/` is listed in a manifest. Without it every page is still
styled and works, only without the scripts that make it live.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

STATIC_DIR: Final = Path(__file__).resolve().parent / "static"
BUILD_DIR: Final = STATIC_DIR / "build"


class Bundle(msgspec.Struct, frozen=True):
    """A built file; `source` is the SHA-256 of the one plain file that it replaces, None where there is none."""

    file: str
    source: str | None = None


class Manifest(msgspec.Struct, frozen=True):
    """What was built, by the name that a template asks for."""

    entries: dict[str, Bundle] = {}


@cache
def read_manifest() -> Manifest:
    """The manifest of the last build; empty where nothing was built or it cannot be read."""
    try:
        return msgspec.json.decode((BUILD_DIR / "manifest.json").read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        return Manifest()


@cache
def bundle(name: str) -> str | None:
    """Address of the bundle that `name` was built into; None where there is none or its plain file is newer."""
    found = read_manifest().entries.get(name)
    if found is None or not (BUILD_DIR / found.file).is_file():
        return None
    is_stale = found.source is not None and found.source != _digest(name)
    return None if is_stale else f"/static/build/{found.file}"


@cache
def asset(name: str) -> str:
    """Address of a file of `static/` or of its bundle, with its content's hash, so that it may be cached for ever."""
    return bundle(name) or f"/static/{name}?v={_digest(name)[:10]}"


def _digest(name: str) -> str:
    return hashlib.sha256((STATIC_DIR / name).read_bytes()).hexdigest()
