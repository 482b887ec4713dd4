"""A buyer's, vendor's or sponsor's own statement as JSON, won from the ledger."""

from datetime import date

from litestar import get
from litestar.params import FromQuery

from group_buy.ledger import Statement, read_statement
from marketplace.deps import Conn, User, signed_in


@get("/api/my/statement", opt={"audience": "buyer"}, tags=["money"])
async def buyer_statement(
    conn: Conn, user: User, since: FromQuery[date | None] = None, until: FromQuery[date | None] = None
) -> Statement:
    """Read the own statement as a buyer; days are Korean and both included."""
    code = await conn.fetchval(
        "SELECT code FROM organizations WHERE id = $1", signed_in(user).organization_id
    )
    return await read_statement(conn, side="buyer", code=code, since=since, until=until)


@get("/api/vendor/statement", opt={"audience": "vendor"}, tags=["money"])
async def vendor_statement(
    conn: Conn, user: User, since: FromQuery[date | None] = None, until: FromQuery[date | None] = None
) -> Statement:
    """Read the own statement as a vendor; days are Korean and both included."""
    code = await conn.fetchval(
        "SELECT code FROM organizations WHERE id = $1", signed_in(user).organization_id
    )
    return await read_statement(conn, side="vendor", code=code, since=since, until=until)


@get("/api/my/sponsor-statement", opt={"audience": "member"}, tags=["money"])
async def sponsor_statement(
    conn: Conn, user: User, since: FromQuery[date | None] = None, until: FromQuery[date | None] = None
) -> Statement:
    """Read the own statement as a sponsor; days are Korean and both included."""
    code = await conn.fetchval(
        "SELECT code FROM organizations WHERE id = $1", signed_in(user).organization_id
    )
    return await read_statement(conn, side="sponsor", code=code, since=since, until=until)


STATEMENTS_API = [buyer_statement, vendor_statement, sponsor_statement]
