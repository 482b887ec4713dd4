"""Security headers of every answer: a strict content policy, no framing, no sniffing."""

from urllib.parse import urlsplit

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from marketplace.settings import Settings

STRIPE_ORIGINS = "https://js.stripe.com"


class SecurityHeaders:
    """ASGI wrapper that sets the headers on every answer, also where no route or handler was reached."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.headers = [(name.encode(), value.encode()) for name, value in security_headers(settings).items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to the start of the answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self.headers]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def security_headers(settings: Settings) -> dict[str, str]:
    """The headers by name; the card page may load Stripe's script, or the demo peer's."""
    peer = ""
    if settings.stripe_api_base:
        parts = urlsplit(settings.stripe_api_base)
        peer = f" {parts.scheme}://{parts.netloc}"
    script_origins = f"'self' {STRIPE_ORIGINS}{peer}" if settings.takes_cards else "'self'"
    policy = "; ".join(
        (
            "default-src 'self'",
            f"script-src {script_origins}",
            f"connect-src 'self' https://api.stripe.com{peer}"
            if settings.takes_cards
            else "connect-src 'self'",
            f"frame-src {STRIPE_ORIGINS} https://hooks.stripe.com{peer}"
            if settings.takes_cards
            else "frame-src 'none'",
            "style-src 'self'",
            "img-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
    }
    if settings.is_secure:
        headers["strict-transport-security"] = "max-age=31536000"
    return headers
