"""Styles, scripts and icons: a fixed set of files, cached for ever under the hash in their address."""

import mimetypes
from functools import cache
from pathlib import PurePosixPath
from typing import Final

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

from marketplace.web.assets import BUILD_DIR, STATIC_DIR, asset, read_manifest

YEAR_SECONDS: Final = 31_536_000
MINUTE_SECONDS: Final = 60
TEXT_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@cache
def read_static(name: str) -> tuple[bytes, str] | None:
    """The content and media type of a file of `static/`, None where there is none of this name."""
    if name not in {file.name for file in STATIC_DIR.iterdir() if file.is_file()}:
        return None
    return (STATIC_DIR / name).read_bytes(), _media_type(name)


@cache
def read_bundle(file: str) -> tuple[bytes, str] | None:
    """The content and media type of a built file, None where the manifest names none of this name."""
    if file not in {bundle.file for bundle in read_manifest().entries.values()}:
        return None
    try:
        return (BUILD_DIR / file).read_bytes(), _media_type(file)
    except FileNotFoundError:
        return None


def _media_type(name: str) -> str:
    suffix = PurePosixPath(name).suffix
    return TEXT_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


@get("/static/{name:str}", opt={"audience": "anyone"}, include_in_schema=False)
async def static_file(name: FromPath[str], v: FromQuery[str] = "") -> Response[bytes]:
    """Serve one file; only the address that names its content's hash may be kept for ever."""
    found = read_static(name)
    if found is None:
        raise NotFoundException(f"no file {name!r}")
    content, media_type = found
    is_current = bool(v) and asset(name).endswith(f"?v={v}")
    lasting = (
        f"public, max-age={YEAR_SECONDS}, immutable" if is_current else f"public, max-age={MINUTE_SECONDS}"
    )
    return Response(content, media_type=media_type, headers={"cache-control": lasting})


@get("/static/build/{file:str}", opt={"audience": "anyone"}, include_in_schema=False)
async def bundled_file(file: FromPath[str]) -> Response[bytes]:
    """Serve one built file; its name holds its content's hash, so it may be kept for ever."""
    found = read_bundle(file)
    if found is None:
        raise NotFoundException(f"no file {file!r}")
    content, media_type = found
    lasting = f"public, max-age={YEAR_SECONDS}, immutable"
    return Response(content, media_type=media_type, headers={"cache-control": lasting})


STATIC_FILES = [static_file, bundled_file]
