"""The demo data keep their promises: read from the files as they are, without a database."""

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from uuid import UUID

import pytest

from catalog.core.offer import PriceTier, require_valid_tiers
from catalog.core.spec_value import SpecDefinition, parse_spec_value
from marketplace.demo import prices

Row = Mapping[str, str]

DATA = files("marketplace.demo") / "data"
CATEGORIES = ("software", "controller", "sensor", "robot", "service")
# fmt: off
INDUSTRIES = {
    "machining", "press", "injection_molding", "casting", "welding", "painting", "electronics", "food",
    "pharma", "textile", "automotive_parts", "logistics", "chemical", "metal", "battery",
}
FACTORIES = {
    "hanbit-precision", "daeseong-forging", "mirae-food", "seojin-injection", "dongbang-battery",
    "ureum-plating",
}
# fmt: on
SITE_ROLES = {"service", "repair", "spare_parts", "training", "sales", "plant", "headquarters"}
FILES = ("products", "vendors", "package-models", "offers", "service-centers", "demands", "origin_claims")
HANGUL = re.compile(r"[가-힣]")


def rows_of(name: str) -> list[dict[str, str]]:
    text = (DATA / f"{name}.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert all(None not in row and None not in row.values() for row in rows), name
    return rows


def listed(cell: str) -> list[str]:
    return cell.split("; ") if cell else []


PRODUCTS = {row["code"]: row for row in rows_of("products")}
VENDORS = {row["code"]: row for row in rows_of("vendors")}
PACKAGES = {row["code"]: row for row in rows_of("package-models")}
OFFERS = {row["code"]: row for row in rows_of("offers")}
SITES = {row["code"]: row for row in rows_of("service-centers")}
CLAIMS = rows_of("origin_claims")
DEMANDS = rows_of("demands")


def definitions() -> dict[str, SpecDefinition]:
    text = (files("catalog") / "data" / "spec_definitions.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len({row["code"] for row in rows}) == len(rows)
    return {
        row["code"]: SpecDefinition(
            code=row["code"],
            categories=tuple(listed(row["category"])),
            kind=row["kind"],  # type: ignore[arg-type]  # the file's word is what is tested
            unit=row["unit"] or None,
            name_ko=row["name_ko"],
            name_en=row["name_en"],
            choices=tuple(listed(row["values"])),
        )
        for row in rows
    }


def specs_of(row: Row) -> dict[str, str]:
    return {key.removeprefix("spec."): cell for key, cell in row.items() if key.startswith("spec.") and cell}


def priced(code: str) -> prices.PricedProduct:
    row = PRODUCTS[code]
    return prices.PricedProduct(
        code=code, category=row["category"], subcategory=row["subcategory"], specs=specs_of(row)
    )


def components_of(package: Row) -> list[tuple[str, str, int]]:
    parts = [component.split(":") for component in listed(package["components"])]
    return [(slot, product, int(quantity)) for slot, product, quantity in parts]


def tiers_of(offer: Row) -> list[PriceTier]:
    parts = [tier.split(":") for tier in listed(offer["tiers"])]
    return [PriceTier(quantity_min=int(least), unit_price_krw=int(price)) for least, price in parts]


@pytest.mark.parametrize("name", [*FILES, "README"])
def test_every_file_is_in_normal_form_c(name: str) -> None:
    path = DATA / ("README.md" if name == "README" else f"{name}.csv")
    text = path.read_text(encoding="utf-8")
    assert unicodedata.is_normalized("NFC", text)
    assert "\ufeff" not in text


@pytest.mark.parametrize("name", ["products", "vendors", "package-models", "offers", "service-centers"])
def test_codes_are_unique_ascii_slugs(name: str) -> None:
    codes = [row["code"] for row in rows_of(name)]
    assert len(set(codes)) == len(codes)
    assert [code for code in codes if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)] == []


def test_the_counts_are_those_of_the_readme() -> None:
    assert Counter(row["verification"] for row in PRODUCTS.values()) == {
        "maker": 157,
        "secondary": 62,
        "name_only": 22,
        "fictional": 58,
    }
    counts = [len(rows) for rows in (VENDORS, PACKAGES, OFFERS, SITES, CLAIMS, DEMANDS)]
    assert counts == [10, 30, 46, 23, 29, 13]


def test_every_product_is_named_and_described_in_both_languages() -> None:
    for row in PRODUCTS.values():
        assert row["category"] in CATEGORIES
        assert row["subcategory"] == row["subcategory"].lower() != ""
        assert all(row[key] for key in ("maker", "maker_ko", "model", "name_ko", "name_en")), row["code"]
        assert HANGUL.search(row["summary_ko"]), row["code"]
        assert row["summary_en"], row["code"]
        assert not HANGUL.search(row["name_en"] + row["summary_en"] + row["maker"]), row["code"]
        assert re.fullmatch(r"[A-Z]{2}", row["maker_country"])


def test_a_maker_has_one_korean_name_and_country_and_no_model_twice() -> None:
    makers = {(row["maker"], row["maker_ko"], row["maker_country"]) for row in PRODUCTS.values()}
    assert len(makers) == len({row["maker"] for row in PRODUCTS.values()})
    models = Counter((row["maker"], row["model"]) for row in PRODUCTS.values())
    assert [model for model, times in models.items() if times > 1] == []


def test_a_fact_has_a_source_and_fiction_says_so() -> None:
    for row in PRODUCTS.values():
        if row["verification"] == "fictional":
            assert row["maker"].endswith("(fictional)")
            assert row["maker_ko"].endswith("(가상)")
            assert row["summary_ko"].startswith("가상 제품.")
            assert row["summary_en"].startswith("Fictional product.")
            assert row["source_title"] == row["source_url"] == ""
        else:
            assert row["source_title"], row["code"]
            assert row["source_kind"], row["code"]
            assert "가상" not in row["maker_ko"]


def test_every_spec_is_defined_for_its_category_and_readable() -> None:
    known = definitions()
    seen: set[str] = set()
    for row in PRODUCTS.values():
        for code, cell in specs_of(row).items():
            definition = known[code]
            assert row["category"] in definition.categories, (row["code"], code)
            parse_spec_value(cell, definition)
            seen.add(code)
    assert seen == set(known)


def test_spec_definitions_are_complete_and_their_codes_free_of_units() -> None:
    for code, definition in definitions().items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", code)
        assert not re.search(r"_(kg|mm|m|v|w|c|deg|hz|nm|rpm)$", code)
        assert HANGUL.search(definition.name_ko) or definition.name_ko.isascii()
        assert definition.name_en
        assert definition.kind in ("number", "range", "enum", "boolean", "text")
        assert (definition.kind == "enum") == bool(definition.choices)
        assert set(definition.categories) <= set(CATEGORIES)


def test_doubtful_values_were_not_carried_over() -> None:
    assert "repeatability" not in specs_of(PRODUCTS["universal-robots-ur5e"])
    assert "repeatability" not in specs_of(PRODUCTS["fanuc-crx-30ia"])
    assert "range_max" not in specs_of(PRODUCTS["autonics-lsc-c25"])
    assert specs_of(PRODUCTS["siemens-cpu-1214c"]) == {}


def test_vendors_are_plainly_fictional_with_a_number_nobody_has() -> None:
    for row in VENDORS.values():
        assert row["is_fictional"] == "yes"
        assert row["name_ko"].endswith("(가상)")
        assert row["name_en"].endswith("(fictional)")
        assert "가상" in row["introduction_ko"]
        assert "fictional" in row["introduction_en"]
        assert row["size"] in ("small", "medium", "large")
        digits = [int(digit) for digit in row["business_number"].replace("-", "")]
        assert row["business_number"].startswith("000-")
        total = sum(a * b for a, b in zip((1, 3, 7, 1, 3, 7, 1, 3, 5), digits, strict=False))
        assert (total + digits[8] * 5 // 10 + digits[9]) % 10 == 0
    assert {row["size"] for row in VENDORS.values()} == {"small", "medium", "large"}


def test_packages_cover_four_level_groups_and_three_types_twice_each() -> None:
    covered = Counter((row["level_to"], row["package_type"]) for row in PACKAGES.values())
    for level_to in ("2", "3", "4", "5"):
        for package_type in ("individual_build", "cloud", "clean_energy"):
            assert covered[level_to, package_type] >= 2
    assert len(PACKAGES) >= 28
    industries = {industry for row in PACKAGES.values() for industry in listed(row["industries"])}
    assert industries == INDUSTRIES


def test_every_package_says_what_it_is_and_is_not_in_both_languages() -> None:
    for code, row in PACKAGES.items():
        assert row["vendor"] in VENDORS
        assert 0 <= int(row["level_from"]) < int(row["level_to"]) <= 5
        for part in ("summary", "included", "excluded"):
            assert HANGUL.search(row[f"{part}_ko"]), code
            assert row[f"{part}_en"], code
            assert not HANGUL.search(row[f"{part}_en"]), code
        for part in ("included", "excluded"):
            assert len(listed(row[f"{part}_ko"])) == len(listed(row[f"{part}_en"])) >= 3, code
        assert int(row["lead_time_days"]) > 0
        assert int(row["warranty_months"]) >= 12
        assert int(row["spare_parts_years"]) >= 3
    for key in ("name_ko", "name_en", "summary_ko", "summary_en", "components"):
        assert len({row[key] for row in PACKAGES.values()}) == len(PACKAGES)


def test_every_component_exists_in_its_slot_and_can_be_compared() -> None:
    for code, row in PACKAGES.items():
        components = components_of(row)
        assert len({product for _, product, _ in components}) == len(components), code
        assert {"software", "service"} <= {slot for slot, _, _ in components}, code
        for slot, product, quantity in components:
            assert PRODUCTS[product]["category"] == slot, (code, product)
            assert PRODUCTS[product]["verification"] != "name_only", (code, product)
            assert quantity >= 1


def test_a_package_with_a_robot_arm_has_safety_and_integration() -> None:
    for code, row in PACKAGES.items():
        subcategories = {PRODUCTS[product]["subcategory"] for _, product, _ in components_of(row)}
        if subcategories & {"collaborative robot", "industrial robot"}:
            assert {"safety laser scanner", "robot integration", "safety assessment"} <= subcategories, code
        if "industrial robot" in subcategories:
            assert "robot controller" in subcategories, code


def test_a_package_without_robots_has_no_robot_drive_or_gripper() -> None:
    for code, row in PACKAGES.items():
        subcategories = {PRODUCTS[product]["subcategory"] for _, product, _ in components_of(row)}
        if not subcategories & {"collaborative robot", "industrial robot", "mobile robot"}:
            parts_of_robots = {"servo drive", "smart actuator", "gripper", "robot controller", "welding kit"}
            assert not subcategories & parts_of_robots, code


def test_domestic_share_varies_and_imported_references_are_there() -> None:
    countries = {
        code: {PRODUCTS[product]["maker_country"] for _, product, _ in components_of(row)}
        for code, row in PACKAGES.items()
    }
    assert sum(found != {"KR"} for found in countries.values()) == 4


def test_every_offer_is_illustrative_and_of_a_fictional_seller() -> None:
    for code, row in OFFERS.items():
        assert VENDORS[row["vendor"]]["is_fictional"] == "yes"
        assert row["is_illustrative"] == "yes"
        assert bool(row["product"]) != bool(row["package_model"]), code
        assert not row["product"] or row["product"] in PRODUCTS, code
        if row["package_model"]:
            assert row["vendor"] == PACKAGES[row["package_model"]]["vendor"], code
        assert "예시 가격" in row["terms_ko"]
        assert "Illustrative price" in row["terms_en"]
        assert date.fromisoformat(row["valid_until"]) > date(2026, 12, 31)
    assert Counter(row["audience"] for row in OFFERS.values()) == {"public": 43, "members": 2, "invited": 1}
    on_packages = [row["package_model"] for row in OFFERS.values() if row["package_model"]]
    assert sorted(on_packages) == sorted(PACKAGES)


def test_every_price_equals_the_written_rule() -> None:
    for code, row in OFFERS.items():
        components = (
            [
                (priced(product), quantity)
                for _, product, quantity in components_of(PACKAGES[row["package_model"]])
            ]
            if row["package_model"]
            else [(priced(row["product"]), 1)]
        )
        list_price_krw = prices.package_price_krw(components, vendor=row["vendor"])
        assert int(row["list_unit_price_krw"]) == list_price_krw, code
        expected = prices.tiers(
            list_price_krw, capacity=int(row["capacity"]), pack_size=int(row["pack_size"])
        )
        assert tiers_of(row) == expected, code


def test_every_price_schedule_can_run_a_round() -> None:
    for code, row in OFFERS.items():
        schedule = tiers_of(row)
        require_valid_tiers(schedule)
        assert len(schedule) >= 2, code
        assert schedule[0].unit_price_krw < int(row["list_unit_price_krw"]), code
        assert schedule[-1].quantity_min <= int(row["capacity"]), code
        assert all(tier.quantity_min % int(row["pack_size"]) == 0 for tier in schedule), code
        assert 10 <= int(row["capacity"]) <= 60, code
    assert {row["pack_size"] for row in OFFERS.values()} == {"1", "2", "5"}
    # Above the most that one card charge takes, so that transfers are seen in the demo.
    assert sum(int(row["list_unit_price_krw"]) > 99_999_999 for row in OFFERS.values()) >= 3


def test_the_readme_states_every_reference_price() -> None:
    readme = (DATA / "README.md").read_text(encoding="utf-8").splitlines()
    for subcategory, row in prices.REFERENCE_PRICES.items():
        is_flat = row.small_krw == row.large_krw
        small, large = ("–", "–") if is_flat else (f"{row.small_krw:,}", f"{row.large_krw:,}")
        start = f"| {subcategory} | {small} | {row.medium_krw:,} | {large} |"
        assert any(line.startswith(start) for line in readme), subcategory
    for subcategory, rate_krw in prices.SERVICE_DAY_RATES_KRW.items():
        assert f"| {subcategory} | {rate_krw:,} |" in readme
    for vendor, factor_bp in prices.VENDOR_FACTORS_BP.items():
        assert f"| {vendor} | {factor_bp // 100} % |" in readme


def test_every_product_has_a_reference_price() -> None:
    assert all(prices.reference_price_krw(priced(code)) > 0 for code in PRODUCTS)


def test_origin_claims_are_on_fictional_products_only_and_one_each() -> None:
    assert len({row["product"] for row in CLAIMS}) == len(CLAIMS)
    for row in CLAIMS:
        assert PRODUCTS[row["product"]]["verification"] == "fictional"
        assert row["is_fictional"] == "yes"
        assert "가상" in row["evidence_note"]
        assert row["basis"] in ("self_declared", "origin_certificate", "direct_production", "software_rule")
        assert 0 <= int(row["domestic_content_bp"]) <= 10_000
        assert row["verified"] in ("yes", "no")
        assert row["basis"] != "self_declared" or row["verified"] == "no"
        date.fromisoformat(row["valid_until"])
    assert Counter(row["verified"] for row in CLAIMS) == {"yes": 16, "no": 13}


def test_only_the_two_documented_sites_are_service_centers() -> None:
    roles = {code: set(listed(row["roles"])) for code, row in SITES.items()}
    assert all(found and found <= SITE_ROLES for found in roles.values())
    assert {code for code, found in roles.items() if "service" in found} == {
        "doosan-robotics-heerhugowaard",
        "doosan-robotics-daegu",
    }
    assert {code for code, found in roles.items() if found & {"repair", "spare_parts"}} == {
        "doosan-robotics-heerhugowaard"
    }
    planned = {code for code, row in SITES.items() if row["status"] == "planned"}
    assert planned == {"neuromeka-chongqing", "neuromeka-thai-nguyen"}


def test_sites_are_facts_of_listed_makers_named_in_both_languages() -> None:
    makers = {(row["maker"], row["maker_ko"]) for row in PRODUCTS.values()}
    for code, row in SITES.items():
        assert (row["maker"], row["maker_ko"]) in makers, code
        assert all(row[key] for key in ("name_ko", "name_en", "source_title", "source_url")), code
        assert row["verification"] in ("maker", "secondary")
        assert bool(row["city"]) == bool(row["city_ko"]) == bool(row["latitude"]) == bool(row["longitude"])
        assert not row["city_ko"] or HANGUL.search(row["city_ko"])
        assert len(listed(row["serves"])) == len(listed(row["serves_ko"])) >= 1
        assert re.fullmatch(r"|\d{4}(-\d{2}(-\d{2})?)?", row["as_of"])


def test_demands_are_of_the_demo_factories_for_things_that_exist() -> None:
    subcategories = {(row["category"], row["subcategory"]) for row in PRODUCTS.values()}
    assert {row["factory"] for row in DEMANDS} == FACTORIES
    assert len({UUID(row["id"]) for row in DEMANDS}) == len(DEMANDS)
    for row in DEMANDS:
        assert (row["category"], row["subcategory"]) in subcategories
        assert 1 <= int(row["quantity_min"]) <= int(row["quantity_max"])
        assert int(row["ceiling_unit_price_krw"]) > 0
        date.fromisoformat(row["needed_by"])
        assert HANGUL.search(row["note"])
        assert HANGUL.search(row["region"])
