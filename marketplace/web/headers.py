"""Security headers of every answer: a strict content policy, no framing, no sniffing."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from litestar import Response

from marketplace.settings import Settings

STRIPE_ORIGINS = "https://js.stripe.com"


def security_headers(settings: Settings) -> Callable[[Response[Any]], Response[Any]]:
    """Build the hook that sets the headers; the card page may load Stripe's script, or the demo peer's."""
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

    def set_headers(response: Response[Any]) -> Response[Any]:
        response.headers.update(
            {name: value for name, value in headers.items() if name not in response.headers}
        )
        return response

    return set_headers
