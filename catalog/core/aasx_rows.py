"""Products from AASX packages: one row for each shell that says who made what. Pure.

Properties are matched by meaning first (ECLASS IRDI without version, as the IDTA templates 02003, 02006 and 02007
use them) and by name second. What a shell does not say stays unknown: a maker's country becomes ZZ, ISO 3166's
"unknown", and a shell without maker or product is an error that says so.
"""

import re
from collections.abc import Iterator

from catalog.core.aas_reader import AasProperty, Shell, read_shells
from catalog.core.cells import CODE_LENGTH_MAX, Wording
from catalog.core.import_rows import BatchMaker, RawTable, broken, row_error
from catalog.core.zip_files import UnsafeZip

UNKNOWN_COUNTRY = "ZZ"
FACTS_MAX = 6
FACT_LENGTH_MAX = 70

_MEANINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "maker": (("AAO677",), ("ManufacturerName", "Manufacturer")),
    "name": (
        ("AAW338", "AAO682"),
        ("ManufacturerProductDesignation", "Manufacturer's product designation", "ManufacturerTypName"),
    ),
    "type": (("AAO057", "AAO227"), ("ManufacturerProductType", "ManufacturerOrderCode", "OrderCodeOfManufacturer")),
    "number": (
        ("AAO676",),
        ("ManufacturerPartNumber", "ProductArticleNumberOfManufacturer", "ManufacturerArticleNumber", "ProductNumber",
         "ManufacturerTypId"),
    ),
    "family": (("AAU731",), ("ManufacturerProductFamily",)),
    "country": (("AAO259",), ("CountryCode", "NationalCode", "Country")),
    "address": (("AAQ326", "AAY811"), ("URIOfTheProduct", "WebLink", "ProductLink")),
    "weight": (("AAF040", "AAS627"), ("NetWeight", "ProductWeight", "Weight")),
    "width": (("BAF016",), ("Width",)),
    "height": (("BAA020",), ("Height",)),
    "depth": (("BAB577",), ("Depth",)),
    "protection": (("AAC966", "AAN521"), ("DegreeOfProtection", "ProtectionClass", "IPClass")),
    "temperature": (("AAZ952",), ("AmbientTemperature", "OperatingTemperature")),
    "voltage": (("AAC962",), ("NominalOperatingVoltageDC", "NominalOperatingVoltage", "SupplyVoltage")),
}  # fmt: skip

_LEGAL_FORM = re.compile(
    r"\b(gmbh|co|kg|kgaa|se|ag|ltd|inc|corp|corporation|llc|bv|nv|sa|srl|spa|oy|ab)\b\.?", re.IGNORECASE
)
_NUMBER = re.compile(r"[+-]?[0-9]{1,12}(?:\.[0-9]{1,12})?")
_RANGE = re.compile(r"([+-]?[0-9]{1,6}(?:\.[0-9]+)?) ?(?:\.\.\.?|-|–|to) ?([+-]?[0-9]{1,6}(?:\.[0-9]+)?)")
_PROTECTION = re.compile(r"IP ?(20|54|65|66|67|68)")
_GENERAL = re.compile("technical|techdata|eclass", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|_")


def read_aasx(content: bytes) -> Iterator[RawTable]:
    """The products of a package. One that holds none is broken and says what it held instead."""
    try:
        shells = read_shells(content)
    except UnsafeZip as problem:
        yield broken(0, "", problem.found, problem.expected)
        return
    except ImportError:
        wording = Wording("the extra [aas] of this program for .aasx", ".aasx를 읽는 추가 구성 [aas]")
        yield broken(0, "", "lxml is not installed", wording)
        return
    batch = BatchMaker()
    property_count = 0
    for line, shell in enumerate(shells, start=1):
        property_count += len(shell.properties)
        row = product_of(shell)
        missing = [column for column in ("maker", "name_en", "model") if not row[column]]
        for column in missing:
            irdi, names = _MEANINGS[{"name_en": "name", "model": "number"}.get(column, column)]
            found = f"{shell.id_short or shell.id}: {len(shell.properties)} properties"
            wording = Wording(f"{names[0]} (0173-1#02-{irdi[0]})", f"{names[0]}(0173-1#02-{irdi[0]})")
            batch.errors.append(row_error(line, column, found, wording))
        if not missing:
            batch.add(line, list(row), list(row.values()))
    if not batch.rows:
        wording = Wording(
            "a shell that names maker, product and article number", "제조사·제품명·품번이 있는 자산관리셸"
        )
        found = f"{len(shells)} shells, {property_count} properties"
        yield RawTable(errors=(row_error(0, "", found, wording), *batch.errors), is_broken=True)
        return
    yield batch.take()


def product_of(shell: Shell) -> dict[str, str]:
    """The cells of a product; empty where the shell says nothing."""
    found = {meaning: _find(shell, *keys) for meaning, keys in _MEANINGS.items()}

    def text(meaning: str, *languages: str) -> str:
        return found[meaning].text(*languages or ("en",)) if found.get(meaning) else ""  # type: ignore[union-attr]

    maker = _one_line(text("maker"))
    number = _one_line(text("number"))
    model = _one_line(text("type")) or number
    is_software = any("software" in p.submodel.lower() for p in shell.properties)
    row = {
        "code": _code(maker, model),
        "maker": maker,
        "maker_ko": _one_line(text("maker", "ko", "en")),
        "maker_country": country.upper()
        if re.fullmatch("[A-Za-z]{2}", country := text("country"))
        else UNKNOWN_COUNTRY,
        "model": model,
        "series": _one_line(text("family")),
        "category": "software" if is_software else "controller",
        "subcategory": "software" if is_software else "component",
        "name_ko": _one_line(text("name", "ko", "en")),
        "name_en": _one_line(text("name", "en")),
        "summary_en": "; ".join(_facts(shell)),
        "verification": "maker",
        "source_title": f"Asset Administration Shell {shell.id_short or shell.id}".strip(),
        "source_kind": "aas",
        "source_url": address if re.match("https?://", address := text("address")) else "",
        "note": f"AAS {shell.id}"[:500],
    }
    if not is_software:
        row |= {f"spec.{code}": value for code, value in _specs(found, number).items() if value}
    return row


def _find(shell: Shell, irdi: tuple[str, ...], names: tuple[str, ...]) -> AasProperty | None:
    """The property that means it, the outermost first: parts of a product have makers and numbers too."""
    for code in irdi:
        meant = [p for p in shell.properties if any(re.search(rf"-{code}(#|$)", s) for s in p.semantic_ids)]
        if meant:
            return min(meant, key=lambda p: len(p.path))
    for name in names:
        named = [p for p in shell.properties if p.id_short.casefold() == name.casefold()]
        if named:
            return min(named, key=lambda p: len(p.path))
    return None


def _specs(found: dict[str, AasProperty | None], number: str) -> dict[str, str]:
    """Specs that are asked of controllers, each only in a writing that cannot be misread."""
    specs = {"part_number": number}
    weight, voltage = _measure(found["weight"], "kg"), _measure(found["voltage"], "V")
    sizes = [_measure(found[side], "mm") for side in ("width", "height", "depth")]
    specs["weight"], specs["supply_voltage"] = weight, voltage
    if all(sizes):
        specs["dimensions"] = " × ".join(size.removesuffix(" mm") for size in sizes) + " mm"
    if (protection := found["protection"]) and (match := _PROTECTION.search(protection.text("en"))):
        specs["ip_rating"] = f"IP{match[1]}"
    temperature = found["temperature"]
    if (
        temperature
        and temperature.unit in ("°C", "C")
        and (match := _RANGE.fullmatch(temperature.text("en")))
    ):
        specs["ambient_temperature"] = f"{match[1]}..{match[2]} °C"
    return specs


def _measure(prop: AasProperty | None, unit: str) -> str:
    """`0.008` in kg → `0.008 kg`; nothing where the unit is another or unknown."""
    if prop is None or prop.unit != unit or not _NUMBER.fullmatch(prop.text("en")):
        return ""
    return f"{prop.text('en')} {unit}"


def _facts(shell: Shell) -> Iterator[str]:
    """A few technical properties as a sentence part each, for people."""
    count = 0
    for prop in shell.properties:
        value = _one_line(prop.texts.get("en") or prop.texts.get("") or "")
        if (
            not _GENERAL.search(prop.submodel)
            or not value
            or prop.id_short.startswith(("Manufacturer", "Product", "Class"))
        ):
            continue
        name = _CAMEL.sub(" ", prop.id_short).strip().capitalize()
        fact = f"{name}: {value}" + (f" {prop.unit}" if prop.unit and _NUMBER.fullmatch(value) else "")
        if fact.isascii() and len(fact) <= FACT_LENGTH_MAX and ";" not in fact:
            yield fact
            count += 1
            if count == FACTS_MAX:
                return


def _one_line(text: str) -> str:
    return " ".join(text.split()).strip('"')


def _code(maker: str, model: str) -> str:
    words = f"{_LEGAL_FORM.sub(' ', maker)} {model}".lower()
    return re.sub(r"[^\w]+|_", "-", words).strip("-")[:CODE_LENGTH_MAX].strip("-")
