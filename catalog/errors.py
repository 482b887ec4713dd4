"""What the catalog refuses, in the words of the business; each error carries its data.

Nothing here knows HTTP. What exists but may not be seen is "not found" as well: existence is private.
"""


class CatalogError(Exception):
    """Base of everything the catalog refuses."""


class NotFound(CatalogError):
    """Nothing of this kind and code that the asker may see."""

    noun = "thing"

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"no {self.noun} {code!r}")


class ProductNotFound(NotFound):
    """No such product, or not for this viewer."""

    noun = "product"


class PackageModelNotFound(NotFound):
    """No such package model, or not for this viewer."""

    noun = "package model"


class OfferNotFound(NotFound):
    """No such offer, or not for this viewer."""

    noun = "offer"


class OrganizationNotFound(NotFound):
    """No organization of this code (and, where asked for, of this kind)."""

    noun = "organization"


class DemandNotFound(NotFound):
    """No such demand, or not of this factory."""

    noun = "demand"


class InvalidDemand(CatalogError):
    """A field of a demand is outside its limits; `pointer` names it (RFC 6901)."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail


class DemandStateConflict(CatalogError):
    """The demand was withdrawn or placed, or exists with other content."""

    def __init__(self, demand_id: str, state: str) -> None:
        super().__init__(f"demand {demand_id} is {state}")
        self.demand_id = demand_id
        self.state = state


class ServiceCenterNotFound(NotFound):
    """No A/S site of this code."""

    noun = "service center"


class OriginClaimNotFound(NotFound):
    """No live origin claim of this id."""

    noun = "origin claim"


class OriginChallengeNotFound(NotFound):
    """No open challenge of this id, or not one that the asker may decide."""

    noun = "origin challenge"


class EvidenceNotFound(NotFound):
    """No file of this id, or not one that the asker may read."""

    noun = "evidence file"


class ImportNotFound(NotFound):
    """No import of this id that belongs to the asker."""

    noun = "import"


class ImageNotFound(NotFound):
    """No picture of this address, or of nothing that the viewer may see."""

    noun = "image"


class ListingNotOwned(NotFound):
    """No listing of this code that belongs to the asker."""

    noun = "listing of yours"


class TooManyImages(CatalogError):
    """A listing has as many pictures as it may have."""

    def __init__(self, code: str, *, limit: int) -> None:
        self.code = code
        self.limit = limit
        super().__init__(f"{code!r} has {limit} pictures already")


class TooManyCodes(CatalogError):
    """More listings were asked for at once than one answer holds."""

    def __init__(self, *, found: int, limit: int) -> None:
        self.found = found
        self.limit = limit
        super().__init__(f"{found} codes were asked for; at most {limit} are answered at once")


class ImportNotAllowed(CatalogError):
    """This kind of organization does not write rows of this kind."""

    def __init__(self, kind: str, *, organization_kind: str | None) -> None:
        self.kind = kind
        self.organization_kind = organization_kind
        super().__init__(f"{organization_kind or 'a visitor'} may not import {kind}")


class UnknownKind(CatalogError):
    """Neither an import nor an export kind."""

    def __init__(self, kind: str, *, allowed: tuple[str, ...]) -> None:
        self.kind = kind
        self.allowed = allowed
        super().__init__(f"{kind!r} is not one of {', '.join(allowed)}")


class ImportIdReused(CatalogError):
    """The client-made id of an import already names another one."""

    def __init__(self, import_id: str) -> None:
        self.import_id = import_id
        super().__init__(f"import {import_id} already exists with other content")


class OriginClaimRefused(CatalogError):
    """An origin claim that cannot be made or verified; `reason` is a word for programs.

    Reasons: `not_the_lister` (only who lists a product claims its origin), `own_claim` (nobody verifies or
    challenges their own), `not_a_verifier`, `no_evidence`, `expired`, `already_verified`, `rule_not_met` (the
    computation does not bear the claim out), `not_your_file`, `challenged` (decide the challenge first),
    `already_challenged`.
    """

    def __init__(self, code: str, *, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"origin claim on {code!r} refused: {reason}")


class EvidenceRefused(CatalogError):
    """A statement about a product, or the file for it, that cannot be kept; `reason` is a word for programs.

    Reasons: `unknown_standard`, `no_document` (a certificate needs its number and issuer, an R&D outcome its
    document), `not_your_file`, `file_type` (PDF, PNG and JPEG are read), `file_size`.
    """

    def __init__(self, code: str, *, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"evidence on {code!r} refused: {reason}")


class DraftNotFound(NotFound):
    """No draft of this id that belongs to the asker."""

    noun = "draft"


class ChangeRequestNotFound(NotFound):
    """No change request of this id that waits, or not the asker's."""

    noun = "change request"


class RequirementNotFound(NotFound):
    """The checklist has no requirement of this key, or nothing waits under it."""

    noun = "requirement"


class QuestionNotFound(NotFound):
    """No question of this id, or not the asker's to answer."""

    noun = "question"


class RecommendationNotFound(NotFound):
    """The package has no live recommendation of this coordinator."""

    noun = "recommendation"


class ListingRefused(CatalogError):
    """The vendor may not publish now; `reason` is a word for programs.

    Reasons: `pending` (not approved yet), `action_needed` (a requirement is not met any more), `suspended`,
    `terminated`, `offer` and `invalid` (what was typed is wrong; `detail` says where).
    """

    def __init__(self, *, reason: str, detail: str = "") -> None:
        self.reason = reason
        super().__init__(f"the listing is refused: {reason}" + (f" ({detail})" if detail else ""))


class VendorStateConflict(CatalogError):
    """A vendor's state does not allow this step; `state` is what it is, `unmet` the keys in the way."""

    def __init__(self, code: str, *, state: str, wanted: str, unmet: tuple[str, ...] = ()) -> None:
        self.code = code
        self.state = state
        self.wanted = wanted
        self.unmet = unmet
        super().__init__(
            f"vendor {code!r} is {state} and cannot become {wanted}" + (f": {unmet}" if unmet else "")
        )


class ReasonMissing(CatalogError):
    """A decision against somebody, or past a rule, is told with its reason."""

    def __init__(self) -> None:
        super().__init__("a reason is needed")


class AnswerRefused(CatalogError):
    """An answer to a requirement that cannot be taken; `reason` is a word for programs.

    Reasons: `computed` (the market sees for itself), `not_attested`, `file_missing`, `own_requirement`.
    """

    def __init__(self, key: str, *, reason: str) -> None:
        self.key = key
        self.reason = reason
        super().__init__(f"answer to {key!r} refused: {reason}")


class ChangeRequestStale(CatalogError):
    """The listing changed after the request was made; `fields` names where. The vendor asks again."""

    def __init__(self, code: str, *, fields: tuple[str, ...]) -> None:
        self.code = code
        self.fields = fields
        super().__init__(f"{code!r} changed meanwhile in {', '.join(fields)}")


class RecommendationRefused(CatalogError):
    """A package that cannot carry the label; `reason` is `origin_not_verified`, `expired` or `criteria_missing`."""

    def __init__(self, code: str, *, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"{code!r} cannot be recommended: {reason}")


class TooManyQuestions(CatalogError):
    """One factory has this many questions open on one thread already."""

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        super().__init__(f"at most {limit} questions wait for an answer at once")


class InvalidText(CatalogError):
    """A text that is empty or too long; `pointer` names the field."""

    def __init__(self, pointer: str, *, length_max: int) -> None:
        self.pointer = pointer
        self.length_max = length_max
        super().__init__(f"between 1 and {length_max} characters")


class RegistrationRefused(CatalogError):
    """A vendor that cannot register; `reason` is `business_number_taken` or `email_taken`."""

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"registration refused: {reason}")
