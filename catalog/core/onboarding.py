"""What a vendor must have shown, and what follows for its state. Pure: `today` is an argument.

Nothing is met by default: an answer that is missing, expired, rejected or not understood is "not met". That
also holds for a requirement whose kind or rule this program does not know (a misspelt key must not be
satisfied by everybody).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Final, Literal

from msgspec import Struct

RequirementKind = Literal["computed", "attested", "verified"]
REQUIREMENT_KINDS: tuple[RequirementKind, ...] = ("computed", "attested", "verified")
AnswerState = Literal["submitted", "attested", "verified", "rejected", "waived"]
ItemStatus = Literal["complete", "waived", "submitted", "missing", "rejected", "expired", "unknown"]
VendorState = Literal["pending", "active", "suspended", "terminated"]
Standing = Literal["pending", "active", "action_needed", "suspended", "terminated"]

EXPIRES_SOON_DAYS: Final = 30

VENDOR_TRANSITIONS: Final[Mapping[VendorState, frozenset[VendorState]]] = MappingProxyType(
    {
        "pending": frozenset({"active", "terminated"}),
        "active": frozenset({"suspended", "terminated"}),
        "suspended": frozenset({"active", "terminated"}),
        "terminated": frozenset(),
    }
)
"""Which state of a vendor may follow which; every step is a coordinator's, with its reason."""


class VendorFacts(Struct, frozen=True, kw_only=True):
    """What the market itself knows about a vendor."""

    has_business_number: bool
    has_contact: bool
    has_introduction: bool
    has_homepage: bool
    listing_count: int


class Requirement(Struct, frozen=True, kw_only=True):
    """One row of the checklist. `kind` and `rule` are text: whether they mean anything is judged here.

    `required_from` is when a missing answer begins to lower vendors that are active already.
    """

    key: str
    kind: str
    rule: str | None
    name_ko: str
    name_en: str
    help_ko: str
    help_en: str
    is_required: bool
    needs_file: bool
    valid_months: int | None
    required_from: date
    position: int


class Answer(Struct, frozen=True, kw_only=True):
    """A live answer to one requirement, or the last decision on it."""

    state: AnswerState
    valid_until: date | None = None
    note: str = ""
    reason: str | None = None
    file_id: str | None = None
    file_name: str | None = None


class ChecklistItem(Struct, frozen=True, kw_only=True):
    """A requirement, how far it is met today, and the answers that say so.

    `standing` is the answer that counts, `waiting` one that the coordinator has not looked at yet.
    """

    requirement: Requirement
    status: ItemStatus
    standing: Answer | None = None
    waiting: Answer | None = None
    expires_soon: bool = False

    @property
    def is_met(self) -> bool:
        return self.status in {"complete", "waived"}

    @property
    def is_rule_known(self) -> bool:
        return self.status != "unknown"


RULES: Final[Mapping[str, Callable[[VendorFacts], bool]]] = MappingProxyType(
    {
        "business_number": lambda facts: facts.has_business_number,
        "contact": lambda facts: facts.has_contact,
        "introduction": lambda facts: facts.has_introduction,
        "homepage": lambda facts: facts.has_homepage,
        "first_listing": lambda facts: facts.listing_count >= 1,
    }
)
"""Rules of computed requirements by name."""


def judge(
    requirement: Requirement, answers: Sequence[Answer], facts: VendorFacts, *, today: date
) -> ChecklistItem:
    """How far one requirement is met today. `answers` are its live ones, oldest first."""
    waiting = next((answer for answer in reversed(answers) if answer.state == "submitted"), None)
    good_state = {"attested": "attested", "verified": "verified"}.get(requirement.kind)
    good = [answer for answer in answers if answer.state in {"waived", good_state}]
    current = [answer for answer in good if answer.valid_until is None or answer.valid_until >= today]
    rejected = next((answer for answer in reversed(answers) if answer.state == "rejected"), None)
    standing = current[-1] if current else good[-1] if good else rejected
    return ChecklistItem(
        requirement=requirement,
        status=_status(requirement, facts, current=current, good=good, waiting=waiting, rejected=rejected),
        standing=standing,
        waiting=waiting,
        expires_soon=bool(current)
        and current[-1].valid_until is not None
        and (current[-1].valid_until - today).days <= EXPIRES_SOON_DAYS,
    )


def _status(
    requirement: Requirement,
    facts: VendorFacts,
    *,
    current: Sequence[Answer],
    good: Sequence[Answer],
    waiting: Answer | None,
    rejected: Answer | None,
) -> ItemStatus:
    if any(answer.state == "waived" for answer in current):
        return "waived"
    if requirement.kind not in REQUIREMENT_KINDS:
        return "unknown"
    if requirement.kind == "computed":
        rule = RULES.get(requirement.rule or "")
        if rule is None:
            return "unknown"
        return "complete" if rule(facts) else "missing"
    if current:
        return "complete"
    if good:
        return "expired"
    if waiting is not None:
        return "submitted"
    return "rejected" if rejected is not None else "missing"


def unmet(items: Sequence[ChecklistItem]) -> tuple[ChecklistItem, ...]:
    """The required items that stand in the way of approval."""
    return tuple(item for item in items if item.requirement.is_required and not item.is_met)


def lowering(items: Sequence[ChecklistItem], *, today: date) -> tuple[ChecklistItem, ...]:
    """The items that lower an active vendor to "action needed".

    What has expired or is not understood does so at once; what was never shown from `required_from` on.
    """
    return tuple(
        item
        for item in unmet(items)
        if item.status in {"expired", "unknown"} or item.requirement.required_from <= today
    )


def standing(state: VendorState, items: Sequence[ChecklistItem], *, today: date) -> Standing:
    """The state of a vendor as of today; only an active one can be lowered."""
    return "action_needed" if state == "active" and lowering(items, today=today) else state


def months_later(day: date, months: int) -> date:
    """The same day `months` later, or the last of a month that is too short."""
    year, month = divmod(day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(day.year + year, month + 1, last)
        except ValueError:
            continue
    raise AssertionError("every month has a 28th")
