"""What group buying refuses, each with the facts a person needs to understand why."""

from uuid import UUID


class GroupBuyError(Exception):
    """Base of this package's refusals; the text is for people, the fields for programs."""


class RoundNotFound(GroupBuyError):
    """No round of this code exists for the one who asks."""

    def __init__(self, code: str) -> None:
        super().__init__(f"no round {code}")
        self.code = code


class InvitationNotFound(GroupBuyError):
    """An invitation link that is unknown, revoked or over."""

    def __init__(self) -> None:
        super().__init__("this invitation is not, or no longer, valid")


class PledgeNotFound(GroupBuyError):
    """No pledge of this id exists for the one who asks."""

    def __init__(self, pledge_id: UUID) -> None:
        super().__init__(f"no pledge {pledge_id}")
        self.pledge_id = pledge_id


class ChargeNotFound(GroupBuyError):
    """No charge of this id exists for the one who asks."""

    def __init__(self, charge_id: UUID) -> None:
        super().__init__(f"no charge {charge_id}")
        self.charge_id = charge_id


class InvoiceNotFound(GroupBuyError):
    """No invoice of this number exists for the one who asks."""

    def __init__(self, number: str) -> None:
        super().__init__(f"no invoice {number}")
        self.number = number


class RoundNotOpen(GroupBuyError):
    """The round takes no pledges now: not yet open, past its deadline, or decided."""

    def __init__(self, code: str, state: str) -> None:
        super().__init__(f"round {code} takes no pledges (state: {state})")
        self.code = code
        self.state = state


class RoundStateConflict(GroupBuyError):
    """The round's state, or its frozen terms, do not allow this step."""

    def __init__(self, code: str, state: str, wanted: str) -> None:
        super().__init__(f"round {code} cannot become {wanted} from {state}")
        self.code = code
        self.state = state
        self.wanted = wanted


class IdReused(GroupBuyError):
    """The same client-made id came again with other content."""

    def __init__(self, pledge_id: UUID) -> None:
        super().__init__(f"{pledge_id} exists with other content")
        self.pledge_id = pledge_id


class AlreadyPledged(GroupBuyError):
    """This buyer has a pledge in the round already: change that one."""

    def __init__(self, code: str, pledge_id: UUID) -> None:
        super().__init__(f"there is a pledge in round {code} already: {pledge_id}")
        self.code = code
        self.pledge_id = pledge_id


class ConsentNotFound(GroupBuyError):
    """Nobody asked this buyer about this price."""

    def __init__(self, pledge_id: UUID, unit_price_krw: int) -> None:
        super().__init__(f"nobody asked about {unit_price_krw} won for pledge {pledge_id}")
        self.pledge_id = pledge_id
        self.unit_price_krw = unit_price_krw


class ConsentClosed(GroupBuyError):
    """The question is over: `answer` is what stands, None = the time to answer is over."""

    def __init__(self, pledge_id: UUID, unit_price_krw: int, answer: str | None) -> None:
        super().__init__(
            f"the question about {unit_price_krw} won is over: {answer or 'no answer came in time'}"
        )
        self.pledge_id = pledge_id
        self.unit_price_krw = unit_price_krw
        self.answer = answer


class SurveyQuoteStands(GroupBuyError):
    """The survey of this site was quoted, or answered, before: the first stands."""

    def __init__(self, pledge_id: UUID, stands: str) -> None:
        super().__init__(f"for pledge {pledge_id} stands: {stands}")
        self.pledge_id = pledge_id
        self.stands = stands


class SinglePriceOver(GroupBuyError):
    """The price for one alone is not on offer to this buyer: no shortfall, no pledge, or its days are over."""

    def __init__(self, code: str) -> None:
        super().__init__(f"round {code} offers no single price now")
        self.code = code


class SinglePurchaseNotFound(GroupBuyError):
    """No single purchase of this id exists for the one who asks."""

    def __init__(self, purchase_id: UUID) -> None:
        super().__init__(f"no single purchase {purchase_id}")
        self.purchase_id = purchase_id


class SinglePurchaseConflict(GroupBuyError):
    """This buyer has a live single purchase in the round, or its state does not allow the step; `state` says which."""

    def __init__(self, purchase_id: UUID, state: str) -> None:
        super().__init__(f"single purchase {purchase_id} is {state}")
        self.purchase_id = purchase_id
        self.state = state


class PledgeMayOnlyHelp(GroupBuyError):
    """So near to the deadline a pledge may be widened or added, but neither narrowed nor withdrawn."""

    def __init__(self, pledge_id: UUID, code: str) -> None:
        super().__init__(f"pledge {pledge_id} in round {code} may only be widened now")
        self.pledge_id = pledge_id
        self.code = code


class VersionConflict(GroupBuyError):
    """Somebody changed the pledge meanwhile: `version` is the newest one."""

    def __init__(self, pledge_id: UUID, version: int) -> None:
        super().__init__(f"pledge {pledge_id} is at version {version} now")
        self.pledge_id = pledge_id
        self.version = version


class InvalidPledge(GroupBuyError):
    """A field of a pledge is outside its limits; `pointer` names it (RFC 6901)."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail


class InvalidRound(GroupBuyError):
    """A field of a new round breaks a rule; `pointer` names it (RFC 6901)."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail


class CardNotPossible(GroupBuyError):
    """A card cannot secure this pledge, e.g. its deposit is above one charge's limit: pay by transfer."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ChargeStateConflict(GroupBuyError):
    """The charge is not in a state that allows this step."""

    def __init__(self, charge_id: UUID, state: str) -> None:
        super().__init__(f"charge {charge_id} is {state}")
        self.charge_id = charge_id
        self.state = state


class BankLineNotFound(GroupBuyError):
    """No line of this id in a file that the one who asks has brought."""

    def __init__(self, bank_line_id: int) -> None:
        super().__init__(f"no bank line {bank_line_id}")
        self.bank_line_id = bank_line_id


class ReferenceNotFound(GroupBuyError):
    """Nothing that the one who asks may be paid for has this reference."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"no invoice or pledge has the reference {reference}")
        self.reference = reference


class BankLineRefused(GroupBuyError):
    """The line cannot be used so; `reason` says why, `open_krw` how much of it is left."""

    def __init__(self, bank_line_id: int, *, reason: str, open_krw: int) -> None:
        super().__init__(f"bank line {bank_line_id}: {reason} ({open_krw} won left)")
        self.bank_line_id = bank_line_id
        self.reason = reason
        self.open_krw = open_krw


class BankFileRefused(GroupBuyError):
    """A bank's file that cannot be taken as a whole; `reason` is `account_missing` or `shape_changed`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class TaxInvoiceNotFound(GroupBuyError):
    """No tax invoice of this id exists for the one who asks."""

    def __init__(self, tax_invoice_id: int) -> None:
        super().__init__(f"no tax invoice {tax_invoice_id}")
        self.tax_invoice_id = tax_invoice_id


class ApprovalNumberRefused(GroupBuyError):
    """The tax office's number cannot be kept; `reason` is `shape`, `taken` (by another row) or `exists` (another one)."""

    def __init__(self, tax_invoice_id: int, *, reason: str) -> None:
        super().__init__(f"approval number of tax invoice {tax_invoice_id}: {reason}")
        self.tax_invoice_id = tax_invoice_id
        self.reason = reason


class GuaranteeNotFound(GroupBuyError):
    """No live guarantee of this id was recorded by the one who asks."""

    def __init__(self, guarantee_id: UUID) -> None:
        super().__init__(f"no guarantee {guarantee_id}")
        self.guarantee_id = guarantee_id


class PayoutBatchNotFound(GroupBuyError):
    """No batch of payouts of this id was made by the one who asks."""

    def __init__(self, batch_id: UUID) -> None:
        super().__init__(f"no batch of payouts {batch_id}")
        self.batch_id = batch_id


class OrganizationUnknown(GroupBuyError):
    """No factory has this code."""

    def __init__(self, code: str) -> None:
        super().__init__(f"no factory {code}")
        self.code = code


class GuaranteeExceeded(GroupBuyError):
    """The buyer's guarantees do not reach so far; won."""

    def __init__(self, *, wanted_krw: int, capacity_krw: int, committed_krw: int) -> None:
        super().__init__(
            f"guarantees of {capacity_krw:,} won, {committed_krw:,} of them in use: "
            f"{max(0, capacity_krw - committed_krw):,} left, {wanted_krw:,} wanted"
        )
        self.wanted_krw = wanted_krw
        self.capacity_krw = capacity_krw
        self.committed_krw = committed_krw


class SponsorshipNotFound(GroupBuyError):
    """No sponsorship of this id exists for the one who asks."""

    def __init__(self, sponsorship_id: UUID) -> None:
        super().__init__(f"no sponsorship {sponsorship_id}")
        self.sponsorship_id = sponsorship_id


class InvalidSponsorship(GroupBuyError):
    """A field of a sponsorship breaks a rule; `pointer` names it (RFC 6901), `reason` the rule, `found` what stood there."""

    def __init__(self, pointer: str, reason: str, detail: str, *, found: str = "") -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.reason = reason
        self.detail = detail
        self.found = found


class SponsorshipRefused(GroupBuyError):
    """The sponsorship cannot be changed so now.

    `reason` is `round_closed`, `too_many`, `sponsors_already`, `id_taken`, `revoked`, or, for letting a sponsor off,
    `not_cleared` or `nothing_unpaid`.
    """

    def __init__(self, sponsorship_id: UUID, *, reason: str) -> None:
        super().__init__(f"sponsorship {sponsorship_id}: {reason}")
        self.sponsorship_id = sponsorship_id
        self.reason = reason


class OrderNotFound(GroupBuyError):
    """No order of this number is for the one who asks, or this step of it is not theirs to take."""

    def __init__(self, number: str) -> None:
        super().__init__(f"no order {number}")
        self.number = number


class OrderStepRefused(GroupBuyError):
    """The order is not where this step is taken.

    `reason`: `fell_away`, `not_ordered`, `nothing_open`, `in_warranty`, or `is_<state>` for its state.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the order does not take this step: {reason}")
        self.reason = reason


class InvalidOrderStep(GroupBuyError):
    """A field of a step or a message is outside its limits; `pointer` names it, `detail` says what is expected."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer}: {detail}")
        self.pointer = pointer
        self.detail = detail


class PaperNotFound(GroupBuyError):
    """No paper of this number and version is for the one who asks."""

    def __init__(self, number: str) -> None:
        super().__init__(f"no paper {number}")
        self.number = number


class PaperRefused(GroupBuyError):
    """This paper cannot be issued or signed now; nothing was written.

    `reason`: `buys_nothing`, `withdrawn`, `fell_away`, `offer_ended`, `nothing_delivered`, `nothing_inspected`,
    `too_few` (things to compare), `too_many` (of a day or of a subject), `too_large`, `not_a_contract` or `text_changed`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the paper is refused: {reason}")
        self.reason = reason


class InvalidPaper(GroupBuyError):
    """A field of a paper's form is outside its limits; `pointer` names it, `detail` says what is expected."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer}: {detail}")
        self.pointer = pointer
        self.detail = detail
