"""What search engines ask for first: which pages there are, and which are nobody's business."""

from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from catalog.own_listings import PublicListing, count_public_listings, list_public_listings
from marketplace.deps import Config, Conn

LISTINGS_PER_FILE: Final = 10_000
"""Two addresses each: far below the 50,000 that a file may hold (sitemaps.org)."""

NAMESPACE: Final = "http://www.sitemaps.org/schemas/sitemap/0.9"
FIXED_PATHS: Final = ("/", "/search", "/rounds", "/service-centers")
PRIVATE_PATHS: Final = (
    "/my/",
    "/vendor",
    "/coordinator/",
    "/sign-in",
    "/compare",
    "/en/my/",
    "/en/vendor",
    "/en/coordinator/",
)


def _address(base_url: str, path: str) -> str:
    return escape(base_url.rstrip("/") + quote(path, safe="/"))


def _entry(base_url: str, listing: PublicListing) -> str:
    """One listing in both languages, each naming the other."""
    path = f"/{listing.kind}/{listing.code}"
    korean, english = _address(base_url, path), _address(base_url, f"/en{path}")
    links = (
        f'<xhtml:link rel="alternate" hreflang="ko" href="{korean}"/>'
        f'<xhtml:link rel="alternate" hreflang="en" href="{english}"/>'
    )
    changed = f"<lastmod>{listing.updated_at:%Y-%m-%dT%H:%M:%S}Z</lastmod>"
    return "".join(f"<url><loc>{address}</loc>{changed}{links}</url>" for address in (korean, english))


def _xml(body: str) -> Response[bytes]:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'
    return Response(
        text.encode(), media_type="application/xml", headers={"cache-control": "public, max-age=600"}
    )


@get("/sitemap.xml", opt={"audience": "anyone"}, include_in_schema=False)
async def sitemap_index(conn: Conn, config: Config) -> Response[bytes]:
    """Name the files that list the pages."""
    count = await count_public_listings(conn)
    files = range(1, max(1, -(-count // LISTINGS_PER_FILE)) + 1)
    entries = "".join(
        f"<sitemap><loc>{_address(config.public_url, f'/sitemaps/{number}.xml')}</loc></sitemap>"
        for number in files
    )
    return _xml(f'<sitemapindex xmlns="{NAMESPACE}">{entries}</sitemapindex>')


@get("/sitemaps/{name:str}", opt={"audience": "anyone"}, include_in_schema=False)
async def sitemap_file(name: FromPath[str], conn: Conn, config: Config) -> Response[bytes]:
    """List one part of the public listings; the first file also has the pages that are always there."""
    number = name.removesuffix(".xml")
    if (
        not name.endswith(".xml")
        or not number.isascii()
        or not number.isdigit()
        or not 1 <= int(number) <= 10_000
    ):
        raise NotFoundException(f"no sitemap {name!r}")
    listings = await list_public_listings(
        conn, limit=LISTINGS_PER_FILE, offset=(int(number) - 1) * LISTINGS_PER_FILE
    )
    if not listings and number != "1":
        raise NotFoundException(f"no sitemap {name!r}")
    fixed = "".join(
        f"<url><loc>{_address(config.public_url, path)}</loc></url>" for path in FIXED_PATHS if number == "1"
    )
    entries = "".join(_entry(config.public_url, listing) for listing in listings)
    return _xml(
        f'<urlset xmlns="{NAMESPACE}" xmlns:xhtml="http://www.w3.org/1999/xhtml">{fixed}{entries}</urlset>'
    )


@get("/robots.txt", opt={"audience": "anyone"}, include_in_schema=False)
async def robots(config: Config) -> Response[str]:
    """Keep robots off people's own pages, and show them the sitemap."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in PRIVATE_PATHS)]
    lines.append(f"Sitemap: {config.public_url.rstrip('/')}/sitemap.xml")
    return Response("\n".join(lines) + "\n", media_type="text/plain")


SITEMAP_PAGES = [sitemap_index, sitemap_file, robots]
