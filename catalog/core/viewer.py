"""Who looks at the catalog: every read takes one, and hides what is not for this viewer."""

from typing import Literal

from msgspec import Struct

OrganizationKind = Literal["factory", "vendor", "coordinator", "partner"]


class Viewer(Struct, frozen=True):
    """The organization that asks; both fields None for somebody who is not signed in.

    A coordinator sees every listing, drafts included. Everybody sees their own.
    """

    organization_id: int | None = None
    kind: OrganizationKind | None = None

    @property
    def is_coordinator(self) -> bool:
        return self.kind == "coordinator"


ANONYMOUS = Viewer()
