"""The power fails between pledge and charge: nothing is lost, nothing is doubled, at any moment."""

import signal
import time

import httpx
import pytest
from demo_process import DemoProcess
from visitor import CARD_OK, Visitor, pledge_by_form, round_state, run_marketplace, wait_for

from marketplace.payments.local_stripe import LocalStripe

ROUND = "lathe-tending-cobot"


def captured_at_the_provider(demo: DemoProcess) -> list[int]:
    """Won of each captured payment, read from the provider's own books; the demo must have stopped."""
    with LocalStripe(state=demo.data_dir / "local_stripe.state") as provider:
        answer = httpx.get(
            f"{provider.url}/v1/payment_intents?limit=100",
            headers={"authorization": f"Bearer {provider.secret_key}"},
        )
    assert answer.status_code == 200, answer.text
    return [p["amount_received"] for p in answer.json()["data"] if p["status"] == "succeeded"]


@pytest.mark.ci
@pytest.mark.parametrize("delay_seconds", [0.0, 0.1, 0.25, 0.5, 1.0])
def test_a_kill_after_the_close_charges_once(own_demo: DemoProcess, delay_seconds: float) -> None:
    with Visitor(own_demo, "hanbit@demo.example") as buyer:
        pledge_id = pledge_by_form(buyer, ROUND, quantity=2, payment_method="card")
        buyer.save_card(ROUND, pledge_id, CARD_OK)
    with Visitor(own_demo, "operator@demo.example") as operator:
        desk = f"/coordinator/rounds/{ROUND}"
        operator.submit(desk, f"{desk}/close", confirmed="yes")
    time.sleep(delay_seconds)
    own_demo.kill()
    own_demo.start()
    wait_for(lambda: True if round_state(own_demo, ROUND)["state"] == "cleared" else None, seconds=90)
    with Visitor(own_demo, "hanbit@demo.example") as buyer:
        wait_for(lambda: True if "납부 완료" in buyer.get("/my/pledges") else None, seconds=90)
    code, checked = run_marketplace(own_demo, "check")
    assert (code, checked["ok"]) == (0, True), checked
    own_demo.stop()
    assert captured_at_the_provider(own_demo) == [14_042_000]


@pytest.mark.ci
def test_a_kill_right_after_a_pledge_keeps_it(own_demo: DemoProcess) -> None:
    with Visitor(own_demo, "hanbit@demo.example") as buyer:
        pledge_by_form(buyer, ROUND, quantity=3, payment_method="transfer")
        own_demo.kill()
        own_demo.start()
        assert "1–3대" in buyer.get("/my/pledges")  # the session lives on too


@pytest.mark.ci
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_stops_cleanly_and_keeps_its_data(own_demo: DemoProcess, number: int) -> None:
    with Visitor(own_demo, "hanbit@demo.example") as buyer:
        pledge_by_form(buyer, ROUND, quantity=1, payment_method="transfer")
    assert own_demo.stop(number) == 0
    assert not (own_demo.data_dir / "data" / "postmaster.pid").exists()
    own_demo.start()
    assert (
        own_demo.started_in_seconds < 15
    )  # 5 on a quiet machine; a crash recovery would be told by the pid file
    assert len(httpx.get(f"{own_demo.url}/api/rounds").json()) == 8
    assert run_marketplace(own_demo, "check")[0] == 0


@pytest.mark.ci
def test_two_demos_run_side_by_side(own_demo: DemoProcess, tmp_path_factory: pytest.TempPathFactory) -> None:
    with DemoProcess(tmp_path_factory.mktemp("second") / "data") as second:
        assert second.port != own_demo.port
        with Visitor(second, "hanbit@demo.example") as buyer:
            pledge_by_form(buyer, ROUND, quantity=1, payment_method="transfer")
            assert "최대 수량" in buyer.get(f"/rounds/{ROUND}")
        with Visitor(own_demo, "hanbit@demo.example") as buyer:
            assert "선반 소재 투입" not in buyer.get("/my/pledges")
