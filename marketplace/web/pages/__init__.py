"""Every page of the site, gathered for the application."""

from typing import Any, Final

from marketplace.web.pages.after_clearing import AFTER_CLEARING_PAGES
from marketplace.web.pages.bank_desk import BANK_DESK_PAGES
from marketplace.web.pages.compare import COMPARE_PAGES
from marketplace.web.pages.coordinator import COORDINATOR_PAGES
from marketplace.web.pages.coordinator_changes import COORDINATOR_CHANGE_PAGES
from marketplace.web.pages.coordinator_new_round import NEW_ROUND_PAGES
from marketplace.web.pages.coordinator_tools import COORDINATOR_TOOLS
from marketplace.web.pages.coordinator_vendors import COORDINATOR_VENDOR_PAGES
from marketplace.web.pages.demands import DEMAND_PAGES
from marketplace.web.pages.home import HOME_PAGES
from marketplace.web.pages.images import IMAGE_PAGES
from marketplace.web.pages.inbox import INBOX_PAGES
from marketplace.web.pages.money_desk import MONEY_DESK_PAGES
from marketplace.web.pages.my import MY_PAGES
from marketplace.web.pages.my_rounds import MY_ROUND_PAGES
from marketplace.web.pages.orders import ORDER_PAGES
from marketplace.web.pages.origin_desk import ORIGIN_DESK_PAGES
from marketplace.web.pages.package_versions import PACKAGE_VERSION_PAGES
from marketplace.web.pages.packages import PACKAGE_PAGES
from marketplace.web.pages.papers import PAPER_PAGES
from marketplace.web.pages.pay import PAY_PAGES
from marketplace.web.pages.products import PRODUCT_PAGES
from marketplace.web.pages.questions import QUESTION_PAGES
from marketplace.web.pages.register import REGISTER_PAGES
from marketplace.web.pages.round_live import ROUND_LIVE_PAGES
from marketplace.web.pages.rounds import ROUND_PAGES
from marketplace.web.pages.search import SEARCH_PAGES
from marketplace.web.pages.service_centers import SERVICE_CENTER_PAGES
from marketplace.web.pages.sign_in import sign_in_demo, sign_in_page, sign_in_submit, sign_out_submit
from marketplace.web.pages.sitemap import SITEMAP_PAGES
from marketplace.web.pages.sponsorships import SPONSORSHIP_PAGES
from marketplace.web.pages.statements import STATEMENT_PAGES
from marketplace.web.pages.static_files import STATIC_FILES
from marketplace.web.pages.tax_desk import TAX_DESK_PAGES
from marketplace.web.pages.vendor_desk import VENDOR_DESK_PAGES
from marketplace.web.pages.vendor_evidence import VENDOR_EVIDENCE_PAGES
from marketplace.web.pages.vendor_imports import VENDOR_IMPORT_PAGES
from marketplace.web.pages.vendor_listings import VENDOR_LISTING_PAGES
from marketplace.web.pages.vendor_offers import VENDOR_OFFER_PAGES
from marketplace.web.pages.vendor_onboarding import VENDOR_ONBOARDING_PAGES

PAGE_HANDLERS: Final[list[Any]] = [
    *HOME_PAGES,
    *SEARCH_PAGES,
    *PRODUCT_PAGES,
    *PACKAGE_PAGES,
    *COMPARE_PAGES,
    *SERVICE_CENTER_PAGES,
    *ROUND_PAGES,
    *ROUND_LIVE_PAGES,
    *MY_PAGES,
    *MY_ROUND_PAGES,
    *DEMAND_PAGES,
    *AFTER_CLEARING_PAGES,
    *ORDER_PAGES,
    *PAPER_PAGES,
    *NEW_ROUND_PAGES,
    *STATEMENT_PAGES,
    *SPONSORSHIP_PAGES,
    *PAY_PAGES,
    *VENDOR_IMPORT_PAGES,
    *VENDOR_OFFER_PAGES,
    *IMAGE_PAGES,
    *VENDOR_EVIDENCE_PAGES,
    *COORDINATOR_PAGES,
    *ORIGIN_DESK_PAGES,
    *COORDINATOR_VENDOR_PAGES,
    *COORDINATOR_CHANGE_PAGES,
    *VENDOR_ONBOARDING_PAGES,
    *VENDOR_LISTING_PAGES,
    *VENDOR_DESK_PAGES,
    *REGISTER_PAGES,
    *INBOX_PAGES,
    *QUESTION_PAGES,
    *PACKAGE_VERSION_PAGES,
    *SITEMAP_PAGES,
    *COORDINATOR_TOOLS,
    *BANK_DESK_PAGES,
    *TAX_DESK_PAGES,
    *MONEY_DESK_PAGES,
    sign_in_page,
    sign_in_submit,
    sign_in_demo,
    sign_out_submit,
    *STATIC_FILES,
]
