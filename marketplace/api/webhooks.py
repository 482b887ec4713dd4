"""Where a payment provider reports; believed only after its signature, and only as a hint."""

from litestar import Response, post

from group_buy.gateway import WebhookRefused
from marketplace.deps import AnyRequest, Conn, Gateway
from marketplace.payments.webhooks import store_webhook


@post("/webhooks/stripe", opt={"audience": "provider"}, status_code=204, tags=["webhooks"])
async def stripe_webhook(request: AnyRequest, conn: Conn, gateway: Gateway) -> Response[None]:
    """Store one verified event; it is worked on by the worker, by asking Stripe again."""
    if gateway is None:
        raise WebhookRefused("cards are not set up here")
    hint = gateway.read_webhook(
        body=await request.body(), signature=request.headers.get("stripe-signature", "")
    )
    if hint is not None:
        await store_webhook(conn, hint)
    return Response(None, status_code=204)
