"""Every page of the site, gathered for the application."""

from typing import Any, Final

from marketplace.web.pages.compare import COMPARE_PAGES
from marketplace.web.pages.coordinator import COORDINATOR_PAGES
from marketplace.web.pages.home import HOME_PAGES
from marketplace.web.pages.images import IMAGE_PAGES
from marketplace.web.pages.my import MY_PAGES
from marketplace.web.pages.packages import PACKAGE_PAGES
from marketplace.web.pages.products import PRODUCT_PAGES
from marketplace.web.pages.rounds import ROUND_PAGES
from marketplace.web.pages.search import SEARCH_PAGES
from marketplace.web.pages.service_centers import SERVICE_CENTER_PAGES
from marketplace.web.pages.sign_in import sign_in_demo, sign_in_page, sign_in_submit, sign_out_submit
from marketplace.web.pages.static_files import STATIC_FILES
from marketplace.web.pages.vendor_imports import VENDOR_IMPORT_PAGES
from marketplace.web.pages.vendor_offers import VENDOR_OFFER_PAGES

PAGE_HANDLERS: Final[list[Any]] = [
    *HOME_PAGES,
    *SEARCH_PAGES,
    *PRODUCT_PAGES,
    *PACKAGE_PAGES,
    *COMPARE_PAGES,
    *SERVICE_CENTER_PAGES,
    *ROUND_PAGES,
    *MY_PAGES,
    *VENDOR_IMPORT_PAGES,
    *VENDOR_OFFER_PAGES,
    *IMAGE_PAGES,
    *COORDINATOR_PAGES,
    sign_in_page,
    sign_in_submit,
    sign_in_demo,
    sign_out_submit,
    *STATIC_FILES,
]
