"""Pictures: served by content to who may see the listing, and put up or taken down by its vendor."""

from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath, FromQuery

from catalog.core.image_files import IMAGE_BYTES_MAX, UnfitImage
from catalog.core.viewer import Viewer
from catalog.errors import ImageNotFound, ListingNotOwned, TooManyImages
from catalog.images import (
    IMAGES_MAX,
    ListingKind,
    add_image,
    list_images,
    list_own_listings,
    read_image,
    remove_image,
)
from marketplace.accounts.access import viewer_of
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.import_files import clean_file_name
from marketplace.web.i18n import LANG, gettext
from marketplace.web.render import page_response, see_other

UPLOAD_BYTES_MAX: Final = IMAGE_BYTES_MAX + 64 * 1024
CAPTION_LENGTH_MAX: Final = 200
SHA256_LENGTH: Final = 64


class OwnListing(msgspec.Struct, frozen=True):
    """Something that one may put pictures to."""

    kind: ListingKind
    code: str
    name_ko: str
    name_en: str

    @property
    def value(self) -> str:
        """How the form names it."""
        return f"{self.kind}:{self.code}"


@get("/images/{sha256:str}", opt={"audience": "anyone"}, include_in_schema=False)
async def image_file(sha256: FromPath[str], conn: Conn, user: User) -> Response[bytes]:
    """Serve a picture; its address is its content's hash, so it may be kept. Raises ImageNotFound."""
    try:
        digest = bytes.fromhex(sha256) if len(sha256) == SHA256_LENGTH else b""
    except ValueError:
        digest = b""
    if not digest:
        raise ImageNotFound(sha256)
    content, media_type = await read_image(conn, sha256=digest, viewer=viewer_of(user))
    return Response(
        content,
        media_type=media_type,
        headers={
            # private: what is hidden tomorrow must not come from somebody's shared cache
            "cache-control": "private, max-age=86400",
            "content-security-policy": "default-src 'none'; sandbox",
            "x-content-type-options": "nosniff",
        },
    )


async def _page(
    request: AnyRequest, conn: asyncpg.Connection, viewer: Viewer, wanted: str, **context: Any
) -> Response[str]:
    listings = [OwnListing(*row) for row in await list_own_listings(conn, viewer=viewer)]
    chosen = next((listing for listing in listings if listing.value == wanted), None)
    shown = {
        "section": "vendor",
        "listings": listings,
        "chosen": chosen,
        "images": await list_images(conn, listing=chosen.kind, code=chosen.code) if chosen else [],
        "size_max": IMAGE_BYTES_MAX // 2**20,
        "values": {"listing": wanted},
    }
    return page_response(request, "vendor_images.html", **shown | context)


@get("/vendor/images", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_images_page(
    request: AnyRequest, conn: Conn, user: User, listing: FromQuery[str] = ""
) -> Response[str]:
    """Show the pictures of one of one's listings, and a form for more."""
    return await _page(request, conn, signed_in(user).viewer, listing)


@post(
    "/vendor/images",
    opt={"audience": "lister"},
    include_in_schema=False,
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def vendor_images_submit(request: AnyRequest, conn: Conn, user: User) -> Response[Any]:
    """Put a picture up, or say what is wrong with it beside what was typed."""
    me = signed_in(user)
    form = await request.form()
    values = {
        name: str(form.get(name, "")).replace("\0", "")[:500]
        for name in ("listing", "caption_ko", "caption_en")
    }
    upload = form.get("file")
    kind, _, code = values["listing"].partition(":")
    errors = {}
    if not isinstance(upload, UploadFile) or not upload.filename:
        errors["file"] = gettext("올릴 사진을 고르세요.")
    else:
        try:
            await add_image(
                conn,
                listing="package_model" if kind == "package_model" else "product",
                code=code,
                content=await upload.read(),
                file_name=clean_file_name(upload.filename),
                caption_ko=values["caption_ko"].strip()[:CAPTION_LENGTH_MAX],
                caption_en=values["caption_en"].strip()[:CAPTION_LENGTH_MAX],
                viewer=me.viewer,
                actor=me.actor,
            )
        except UnfitImage as problem:
            wanted = problem.expected.en if LANG.get() == "en" else problem.expected.ko
            errors["file"] = gettext("이런 사진이어야 합니다: %(wanted)s") % {"wanted": wanted}
        except ListingNotOwned:
            errors["listing"] = gettext("목록에서 자사의 제품이나 패키지를 고르세요.")
        except TooManyImages:
            errors["file"] = gettext("사진은 %(n)s장까지 올릴 수 있습니다.") % {"n": IMAGES_MAX}
    if errors:
        return await _page(
            request, conn, me.viewer, values["listing"], status_code=400, errors=errors, values=values
        )
    return see_other(f"/vendor/images?listing={kind}:{code}", notice="image-added")


@post("/vendor/images/{image_id:uuid}/remove", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_image_remove(image_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Take a picture down. Raises ImageNotFound, also for another vendor's."""
    me = signed_in(user)
    kind, code = await remove_image(conn, image_id=image_id, viewer=me.viewer, actor=me.actor)
    return see_other(f"/vendor/images?listing={kind}:{code}", notice="image-removed")


IMAGE_PAGES = [image_file, vendor_images_page, vendor_images_submit, vendor_image_remove]
