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


class ServiceCenterNotFound(NotFound):
    """No A/S site of this code."""

    noun = "service center"


class OriginClaimNotFound(NotFound):
    """No live origin claim of this id."""

    noun = "origin claim"


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

    Reasons: `not_the_lister` (only who lists a product claims its origin), `own_claim` (nobody verifies
    their own), `no_evidence`, `expired`, `already_verified`.
    """

    def __init__(self, code: str, *, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"origin claim on {code!r} refused: {reason}")
