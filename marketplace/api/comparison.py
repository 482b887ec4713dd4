"""A comparison as JSON: the same rows as the page, under the same fields of the address."""

from typing import Any

from litestar import get

from marketplace.accounts.access import viewer_of
from marketplace.deps import AnyRequest, Conn, User
from marketplace.web.comparison_file import comparison_document
from marketplace.web.comparison_reading import read_comparison


@get("/api/compare", opt={"audience": "anyone"}, tags=["catalog"])
async def compare(request: AnyRequest, conn: Conn, user: User) -> dict[str, Any]:
    """Compare the products or package models named by `id` (two to eight, repeated)."""
    query = request.query_params
    comparison = await read_comparison(
        conn, ids=query.getall("id", []), query=dict(query.items()), viewer=viewer_of(user)
    )
    return comparison_document(comparison)


COMPARISON_API = [compare]
