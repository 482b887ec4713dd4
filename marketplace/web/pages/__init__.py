"""Every page of the site, gathered for the application."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

# While the modules are being written, one that is not there yet is left out.
_MODULES = {
    "home": ("HOME_PAGES",),
    "search": ("SEARCH_PAGES",),
    "products": ("PRODUCT_PAGES",),
    "packages": ("PACKAGE_PAGES",),
    "compare": ("COMPARE_PAGES",),
    "service_centers": ("SERVICE_CENTER_PAGES",),
    "vendor_imports": ("VENDOR_IMPORT_PAGES",),
    "vendor_offers": ("VENDOR_OFFER_PAGES",),
    "static_files": ("STATIC_FILES",),
    "rounds": ("ROUND_PAGES",),
    "my": ("MY_PAGES",),
    "coordinator": ("COORDINATOR_PAGES",),
}

PAGE_HANDLERS: list[Any] = []
for _name, _lists in _MODULES.items():
    if find_spec(f"{__name__}.{_name}"):
        _module = import_module(f"{__name__}.{_name}")
        for _list in _lists:
            PAGE_HANDLERS.extend(getattr(_module, _list))
from marketplace.web.pages.sign_in import sign_in_demo, sign_in_page, sign_in_submit, sign_out_submit  # noqa: E402

PAGE_HANDLERS += [sign_in_page, sign_in_submit, sign_in_demo, sign_out_submit]
