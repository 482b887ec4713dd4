"""Every route for programs, gathered for the application."""

from typing import Any, Final

from marketplace.api.after_clearing import AFTER_CLEARING_API
from marketplace.api.banking import BANKING_API
from marketplace.api.catalog import CATALOG_API
from marketplace.api.comparison import COMPARISON_API
from marketplace.api.demands import DEMANDS_API
from marketplace.api.health import live, ready
from marketplace.api.imports import IMPORTS_API
from marketplace.api.orders import ORDERS_API
from marketplace.api.rounds import ChargesController, PledgesController, RoundsController
from marketplace.api.search import SEARCH_API
from marketplace.api.sponsorships import SPONSORSHIPS_API
from marketplace.api.statements import STATEMENTS_API
from marketplace.api.webhooks import stripe_webhook

API_HANDLERS: Final[list[Any]] = [
    live,
    ready,
    *SEARCH_API,
    *CATALOG_API,
    *COMPARISON_API,
    *STATEMENTS_API,
    *SPONSORSHIPS_API,
    *IMPORTS_API,
    *BANKING_API,
    RoundsController,
    PledgesController,
    ChargesController,
    *AFTER_CLEARING_API,
    *ORDERS_API,
    *DEMANDS_API,
    stripe_webhook,
]
