"""Settings: every variable is read, a wrong value is named, and secrets that everybody knows serve nobody."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from marketplace.cli.market import Refused
from marketplace.cli.serve_verbs import make_gateway
from marketplace.settings import (
    DEMO_SECRET,
    SECRET_LENGTH_MIN,
    Settings,
    SettingsError,
    environment_names,
    read_settings,
    require_production_ready,
)

OWN_SECRET = "s" * SECRET_LENGTH_MIN

READ: dict[str, tuple[str, object]] = {
    "DATABASE_URL": ("postgresql://db.example/market", "postgresql://db.example/market"),
    "MARKETPLACE_DATA_DIR": ("/srv/market", Path("/srv/market")),
    "MARKETPLACE_SECRET_KEY": (OWN_SECRET, OWN_SECRET),
    "MARKETPLACE_PUBLIC_URL": ("https://market.example", "https://market.example"),
    "MARKETPLACE_HOST": ("192.0.2.1", "192.0.2.1"),
    "MARKETPLACE_PORT": ("8080", 8080),
    "MARKETPLACE_POOL_SIZE": ("20", 20),
    "MARKETPLACE_WORKER_IN_PROCESS": ("False", False),
    "MARKETPLACE_FUNDING_WINDOW_HOURS": ("0", 0),
    "MARKETPLACE_CUSTODY": ("operator", "operator"),
    "MARKETPLACE_COMMISSION_BP": ("250", 250),
    "MARKETPLACE_REMINDER_DAYS": ("-1,0,30", "-1,0,30"),
    "MARKETPLACE_SESSION_DAYS": ("30", 30),
    "STRIPE_SECRET_KEY": ("sk_test_a", "sk_test_a"),
    "STRIPE_PUBLISHABLE_KEY": ("pk_test_a", "pk_test_a"),
    "STRIPE_WEBHOOK_SECRET": ("whsec_a", "whsec_a"),
    "STRIPE_API_BASE": ("http://127.0.0.1:1", "http://127.0.0.1:1"),
    "MEILI_URL": ("http://127.0.0.1:7700", "http://127.0.0.1:7700"),
    "MEILI_MASTER_KEY": ("key", "key"),
    "LOG_LEVEL": ("debug", "debug"),
}


def test_every_field_has_its_variable_and_every_variable_is_read() -> None:
    assert set(environment_names().values()) == set(READ)
    assert set(Settings.__struct_fields__) - set(environment_names()) == {"is_demo"}
    read = read_settings({name: text for name, (text, _) in READ.items()})
    found = {variable: getattr(read, field) for field, variable in environment_names().items()}
    assert found == {name: value for name, (_, value) in READ.items()}
    assert found != {variable: getattr(Settings(), field) for field, variable in environment_names().items()}


def test_nothing_set_and_empty_values_are_the_defaults() -> None:
    assert read_settings({}) == read_settings(dict.fromkeys(READ, "")) == Settings()


def test_the_environment_cannot_turn_the_demo_on() -> None:
    assert not read_settings({"MARKETPLACE_IS_DEMO": "true", "IS_DEMO": "1"}).is_demo


def test_the_command_line_comes_before_the_environment() -> None:
    assert read_settings({"MARKETPLACE_PORT": "8080"}, port=9000, is_demo=True).port == 9000


@pytest.mark.parametrize("text", ["1", "true", "TRUE"])
def test_a_switch_takes_usual_words(text: str) -> None:
    assert read_settings({"MARKETPLACE_WORKER_IN_PROCESS": text}).worker_in_process is True


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("MARKETPLACE_PORT", "0"),
        ("MARKETPLACE_PORT", "65536"),
        ("MARKETPLACE_PORT", "http"),
        ("MARKETPLACE_PORT", "80.5"),
        ("MARKETPLACE_POOL_SIZE", "1"),
        ("MARKETPLACE_POOL_SIZE", "201"),
        ("MARKETPLACE_FUNDING_WINDOW_HOURS", "-1"),
        ("MARKETPLACE_FUNDING_WINDOW_HOURS", "721"),
        ("MARKETPLACE_CUSTODY", "nobody"),
        ("MARKETPLACE_COMMISSION_BP", "3001"),
        ("MARKETPLACE_SESSION_DAYS", "0"),
        ("MARKETPLACE_SESSION_DAYS", "91"),
        ("MARKETPLACE_WORKER_IN_PROCESS", "maybe"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(variable: str, text: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        read_settings({variable: text})
    assert str(refusal.value).startswith(f"{variable}={text!r}: ")
    assert "\n" not in str(refusal.value)


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]


# -- what serves people ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [DEMO_SECRET, "", "x" * (SECRET_LENGTH_MIN - 1)])
def test_a_known_or_short_secret_serves_nobody(secret: str) -> None:
    with pytest.raises(SettingsError, match="MARKETPLACE_SECRET_KEY"):
        require_production_ready(Settings(secret_key=secret))


def test_stripe_by_halves_serves_nobody() -> None:
    whole = Settings(
        secret_key=OWN_SECRET,
        stripe_secret_key="sk_live_a",
        stripe_publishable_key="pk_live_a",
        stripe_webhook_secret="whsec_a",
    )
    require_production_ready(Settings(secret_key=OWN_SECRET))
    require_production_ready(whole)
    for half in ("stripe_publishable_key", "stripe_webhook_secret"):
        with pytest.raises(SettingsError, match="STRIPE_SECRET_KEY"):
            require_production_ready(msgspec.structs.replace(whole, **{half: ""}))


def test_cards_are_off_without_a_key_and_refused_with_mixed_ones() -> None:
    assert make_gateway(Settings()) is None
    mixed = Settings(
        stripe_secret_key="sk_live_a", stripe_publishable_key="pk_test_a", stripe_webhook_secret="whsec_a"
    )
    with pytest.raises(Refused, match="different modes"):
        make_gateway(mixed)


def test_serve_leaves_with_one_sentence_on_the_secret_of_the_demo(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "marketplace", "serve", "--data-dir", str(tmp_path / "market")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("marketplace serve: MARKETPLACE_SECRET_KEY must be your own")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "market").exists()
