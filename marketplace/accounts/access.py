"""Who may call what: every route declares one audience, and this one guard enforces it."""

from typing import Any, Final, Literal

import msgspec
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler

from catalog.core.viewer import ANONYMOUS, OrganizationKind, Viewer
from catalog.events import Actor
from search_config.query import Principal

Role = Literal["buyer", "approver", "lister", "finance", "operator", "admin"]
Audience = Literal["anyone", "provider", "person", "member", "buyer", "vendor", "lister", "operator"]
OrganizationState = Literal["pending", "active", "suspended", "terminated"]

AUDIENCES: Final[dict[Audience, tuple[OrganizationKind | None, frozenset[Role]]]] = {
    "anyone": (None, frozenset()),
    "provider": (None, frozenset()),
    "person": (None, frozenset()),
    "member": (None, frozenset()),
    "buyer": ("factory", frozenset({"buyer", "admin"})),
    "vendor": ("vendor", frozenset({"lister", "admin"})),
    "lister": ("vendor", frozenset({"lister", "admin"})),
    "operator": ("coordinator", frozenset({"operator", "admin"})),
}
"""Kind of organization and roles that an audience asks for.

"anyone" needs no sign-in, "member" only that; "provider" is a payment provider, known by its signature.
"person" and "vendor" also let in those whose organization is not active: a vendor that waits for approval
prepares its listings, and a suspended one reads why. All others ask for an active organization.
"""

SIGNING_ROLES: Final[frozenset[Role]] = frozenset({"buyer", "approver", "finance", "operator", "admin"})
"""Who may promise their organization's money as a sponsor: everybody but those who only list."""

IN_ANY_STATE: Final[frozenset[Audience]] = frozenset({"person", "vendor"})


class CurrentUser(msgspec.Struct, frozen=True):
    """A signed-in person acting for one organization."""

    person_id: int
    email: str
    name: str
    organization_id: int
    organization_code: str
    organization_kind: OrganizationKind
    organization_ko: str
    organization_en: str
    held_roles: frozenset[Role]
    organization_state: OrganizationState = "active"
    unread_count: int = 0
    is_sponsor: bool = False

    @property
    def is_active(self) -> bool:
        """Whether the organization takes part in the market."""
        return self.organization_state == "active"

    @property
    def actor(self) -> Actor:
        """Who is written into events."""
        return Actor(self.person_id, self.organization_id)

    @property
    def viewer(self) -> Viewer:
        """Whose eyes the catalog is read with."""
        return Viewer(self.organization_id, self.organization_kind)

    @property
    def principal(self) -> Principal:
        """What search may show."""
        return Principal(is_member=True, tenant_ids=frozenset({self.organization_id}))

    @property
    def roles(self) -> frozenset[str]:
        """The parts of the site this person works in, for navigation: buyer, vendor, coordinator."""
        names = {"factory": "buyer", "vendor": "vendor", "coordinator": "coordinator"}
        return frozenset({names[self.organization_kind]} if self.organization_kind in names else ())


def viewer_of(user: CurrentUser | None) -> Viewer:
    """The viewer behind a request, signed in or not."""
    return user.viewer if user is not None and user.is_active else ANONYMOUS


def principal_of(user: CurrentUser | None) -> Principal:
    """The search principal behind a request, signed in or not."""
    return user.principal if user is not None and user.is_active else Principal()


def belongs_to(user: CurrentUser | None, audience: Audience) -> bool:
    """Whether this visitor is of the audience."""
    if audience in {"anyone", "provider"}:
        return True
    if user is None or (not user.is_active and audience not in IN_ANY_STATE):
        return False
    kind, roles = AUDIENCES[audience]
    return (kind is None or user.organization_kind == kind) and (not roles or bool(roles & user.held_roles))


async def guard_audience(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a request through if its visitor is of the route's audience.

    Not a plain function: Litestar would send each request to a thread for it and back.

    Raises:
        NotAuthorizedException: nobody is signed in.
        PermissionDeniedException: somebody is, but of another kind or without the role.
    """
    if connection.scope.get("method") == "OPTIONS":
        return
    audience: Audience = handler.opt["audience"]
    user: CurrentUser | None = connection.scope.get("user")
    if belongs_to(user, audience):
        return
    if user is None:
        raise NotAuthorizedException("sign in first")
    raise PermissionDeniedException(f"this is for: {audience}")
