"""Every route for programs, gathered for the application."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from marketplace.api.health import live, ready
from marketplace.api.rounds import ChargesController, PledgesController, RoundsController
from marketplace.api.webhooks import stripe_webhook

API_HANDLERS: list[Any] = [
    RoundsController,
    PledgesController,
    ChargesController,
    live,
    ready,
    stripe_webhook,
]
for _name, _list in (("search", "SEARCH_API"), ("catalog", "CATALOG_API"), ("imports", "IMPORTS_API")):
    if find_spec(f"{__name__}.{_name}"):
        API_HANDLERS.extend(getattr(import_module(f"{__name__}.{_name}"), _list))
