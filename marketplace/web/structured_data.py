"""schema.org data of a listing for search engines and programs: only what everybody may see, and only facts.

An illustrative price is no offer, so it is left out. A country of origin is named only where it is verified:
whoever reads this has no room for "claimed".
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from urllib.parse import quote

import msgspec
from markupsafe import Markup

from catalog.core.offer_terms import Offer
from catalog.core.origin import claim_standing
from catalog.core.package_model import PackageModel
from catalog.core.product import Party, Product, Spec
from catalog.own_listings import OfferTerms, ProductTerms
from marketplace.web.catalog_views import web_address
from marketplace.web.i18n import LANG, local, url

_UNSAFE = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def page_address(base_url: str, path: str) -> str:
    """The absolute address of a page in the language of the request; Korean codes are percent-encoded."""
    return base_url.rstrip("/") + quote(url(path), safe="/")


def script(data: Mapping[str, Any]) -> Markup:
    """The data as a block that no text in it can leave."""
    text = msgspec.json.encode({"@context": "https://schema.org", **data}).decode().translate(_UNSAFE)
    return Markup('<script type="application/ld+json">{}</script>').format(Markup(text))  # noqa: S704 - escaped above


def product_data(
    product: Product,
    *,
    offers: Iterable[Offer],
    offer_terms: Mapping[str, OfferTerms],
    terms: ProductTerms,
    base_url: str,
    today: date,
) -> dict[str, Any]:
    """A product with its maker, codes, specs and public offers."""
    address = page_address(base_url, f"/products/{product.code}")
    data: dict[str, Any] = {
        "@type": "Product",
        "@id": address,
        "url": address,
        "name": local(product, "name"),
        "description": local(product, "summary") or None,
        "sku": product.code,
        "mpn": product.model,
        "category": product.category,
        "inLanguage": LANG.get(),
        "manufacturer": {"@type": "Organization", "name": local(product.maker, "name")},
        "brand": {"@type": "Brand", "name": local(product.maker, "name")},
        "isBasedOn": web_address(product.source_url),
        "additionalProperty": [_property(spec) for spec in product.specs],
        "offers": [
            _offer(offer, offer_terms.get(offer.code), address) for offer in offers if _is_public(offer)
        ],
    }
    if claim_standing(product.origin, today=today) == "verified" and product.origin is not None:
        data["countryOfOrigin"] = {"@type": "Country", "name": product.origin.country}
    for code in terms.codes:
        if code.scheme == "gtin":
            data["gtin"] = code.value
        else:
            data.setdefault("additionalType", []).append(
                ":".join(filter(None, (code.scheme, code.scheme_version, code.value)))
            )
    return _without_empty(data)


def package_data(
    package: PackageModel, *, offer_terms: Mapping[str, OfferTerms], base_url: str
) -> dict[str, Any]:
    """A package model as a product of its vendor, made of products."""
    address = page_address(base_url, f"/packages/{package.code}")
    parts = [line.product for line in package.version.lines if line.product is not None]
    return _without_empty(
        {
            "@type": "Product",
            "@id": address,
            "url": address,
            "name": local(package, "name"),
            "description": local(package.version, "summary") or None,
            "sku": package.code,
            "productID": f"{package.code}@{package.version.version}",
            "category": package.package_type,
            "inLanguage": LANG.get(),
            "brand": {"@type": "Brand", "name": local(package.vendor, "name")},
            "hasPart": [
                {
                    "@type": "Product",
                    "name": local(part, "name"),
                    "url": page_address(base_url, f"/products/{part.code}"),
                }
                for part in parts
            ],
            "offers": [
                _offer(offer, offer_terms.get(offer.code), address)
                for offer in package.offers
                if _is_public(offer)
            ],
        }
    )


def _is_public(offer: Offer) -> bool:
    return offer.audience == "public" and offer.state == "published" and not offer.is_illustrative


def _offer(offer: Offer, terms: OfferTerms | None, address: str) -> dict[str, Any]:
    return _without_empty(
        {
            "@type": "Offer",
            "url": address,
            "price": str(offer.list_unit_price_krw),
            "priceCurrency": "KRW",
            "priceSpecification": {
                "@type": "UnitPriceSpecification",
                "price": str(offer.list_unit_price_krw),
                "priceCurrency": "KRW",
                "valueAddedTaxIncluded": False,
            },
            "availability": "https://schema.org/InStock",
            "priceValidUntil": offer.valid_until.isoformat() if offer.valid_until else None,
            "deliveryLeadTime": {
                "@type": "QuantitativeValue",
                "value": offer.lead_time_days,
                "unitCode": "DAY",
            },
            "warranty": None
            if terms is None or terms.warranty_months is None
            else {
                "@type": "WarrantyPromise",
                "durationOfWarranty": {
                    "@type": "QuantitativeValue",
                    "value": terms.warranty_months,
                    "unitCode": "MON",
                },
            },
            "seller": _organization(offer.vendor),
        }
    )


def _organization(party: Party) -> dict[str, str]:
    return {"@type": "Organization", "name": local(party, "name")}


def _property(spec: Spec) -> dict[str, Any]:
    value: Any = spec.text if spec.boolean is None else spec.boolean
    found = {"@type": "PropertyValue", "propertyID": spec.code, "name": local(spec, "name")}
    if spec.number is None:
        return found | {"value": value}
    if spec.number_max is not None:
        return _without_empty(
            found | {"minValue": spec.number, "maxValue": spec.number_max, "unitText": spec.base_unit}
        )
    return _without_empty(found | {"value": spec.number, "unitText": spec.base_unit})


def _without_empty(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None and value not in ("", [])}
