"""Money of a round sums to the won: what is owed, what a deposit pays and the rest (group-buy.md, section 2.9)."""

from uuid import UUID

from clearing_cases import pledge_lines, round_terms
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core.money import vat_krw
from group_buy.allocating import AllocatedPledge, bill_pledge, rising_ids
from group_buy.core.clearing import Clearing, PledgeLine, RoundTerms, clear_round
from group_buy.core.round import Round


class Terms:
    """All that a bill asks of a round."""

    def __init__(self, deposit_bp: int) -> None:
        self.deposit_bp = deposit_bp


@settings(deadline=None, max_examples=250)
@given(terms=round_terms(), lines=pledge_lines(), data=st.data())
def test_bills_of_a_round_add_up_to_what_was_sold_and_to_what_is_paid(
    terms: RoundTerms, lines: list[PledgeLine], data: st.DataObject
) -> None:
    outcome = clear_round(terms, lines)
    if not isinstance(outcome, Clearing):
        return
    buying_round: Round = Terms(data.draw(st.integers(0, 10_000)))  # type: ignore[assignment]
    bills = []
    for number, quantity in enumerate(outcome.allocations.values()):
        hold = data.draw(st.sampled_from([None, UUID(int=number)]))
        received_krw = 0 if hold else data.draw(st.integers(0, 2 * quantity * outcome.unit_price_krw))
        pledge = AllocatedPledge(UUID(int=number), number, {1: quantity}, hold, received_krw)
        bills.append(bill_pledge(buying_round, pledge, outcome.unit_price_krw, UUID(int=number)))
    assert sum(bill.quantity for bill in bills) == outcome.quantity
    assert sum(bill.supply_krw for bill in bills) == outcome.quantity * outcome.unit_price_krw
    for bill in bills:
        assert bill.total_krw == bill.supply_krw + vat_krw(bill.supply_krw)
        assert 0 <= bill.deposit_krw <= bill.total_krw
        if bill.pledge.hold_charge_id is None:
            assert bill.deposit_krw in {bill.pledge.received_krw, bill.total_krw}


def test_ids_of_one_batch_rise_and_are_uuids_of_version_seven() -> None:
    ids = rising_ids(10_000)
    assert ids == sorted(set(ids))
    assert {each.version for each in ids} == {7}
    assert {each.variant for each in ids} == {"specified in RFC 4122"}
    assert len({each.int & (1 << 62) - 1 for each in ids}) == 10_000
