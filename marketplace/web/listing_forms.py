"""The forms of a product, a package model and an offer as data: which fields, in which order, asked how."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from catalog.core.cells import UnreadableCell
from catalog.core.listing_columns import SPEC_PREFIX, parse_alternatives, parse_components
from catalog.core.listing_rows import ImportKind
from catalog.core.offer_terms import AUDIENCES
from catalog.core.package_model import INDUSTRIES, PACKAGE_TYPES
from catalog.core.product import CATEGORIES
from catalog.core.spec_value import SpecDefinition
from marketplace.web.forms import LIST_SEPARATOR, Form, as_lines, as_list
from marketplace.web.labels import N_

FieldType = Literal["text", "number", "area", "lines", "choice", "choices", "check", "file", "date", "url"]

SLOT_ROWS: Final = 4
SLOT_ROWS_MORE: Final = 4
SLOT_ROWS_MAX: Final = 60
LEVELS: Final = ("0", "1", "2", "3", "4", "5")
DATA_COUNTRIES: Final = ("KR", "JP", "SG", "US", "DE", "IE")
MAKER_COUNTRIES: Final = ("KR", "JP", "DE", "US", "CN", "TW", "CH", "IT", "FR", "DK", "SE")


class FormField(msgspec.Struct, frozen=True, kw_only=True):
    """One field. `choices` are codes that `choice_kind` of the labels names; `name` gives its own label.

    `label_ko`, `label_en` stand for specs, which are named by their definitions.
    """

    name: str
    type: FieldType = "text"
    hint: str = ""
    is_required: bool = False
    choices: tuple[str, ...] = ()
    choice_kind: str = ""
    suggestions: str = ""
    label_ko: str = ""
    label_en: str = ""


class FormSection(msgspec.Struct, frozen=True, kw_only=True):
    """Some fields under a heading; `is_later` = folded, for what may wait."""

    title: str
    fields: tuple[FormField, ...]
    is_later: bool = False
    has_slots: bool = False


class SlotRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a package's bill of materials as it stands in the form."""

    number: int
    slot: str = ""
    product: str = ""
    quantity: str = ""
    instead: str = ""


def text(name: str, *, hint: str = "", required: bool = False, suggestions: str = "") -> FormField:
    return FormField(name=name, hint=hint, is_required=required, suggestions=suggestions)


def number(name: str, *, hint: str = "", required: bool = False) -> FormField:
    return FormField(name=name, type="number", hint=hint, is_required=required)


def lines(name: str, *, hint: str = "") -> FormField:
    return FormField(name=name, type="lines", hint=hint or N_("한 줄에 하나씩"))


def area(name: str, *, required: bool = False) -> FormField:
    return FormField(name=name, type="area", is_required=required)


def choice(name: str, choices: Iterable[str], kind: str, *, required: bool = True) -> FormField:
    return FormField(name=name, type="choice", choices=tuple(choices), choice_kind=kind, is_required=required)


LATER_PRODUCT_FIELDS: Final = (
    text("name_en"),
    area("summary_en"),
    text("series"),
    text("source_title"),
    FormField(name="source_url", type="url", hint="https://"),
    text("code_g2b", hint="43211503"),
    text("code_g2b_version", hint="2024"),
    text("code_hs", hint="8479.50"),
    text("code_hs_version", hint="2022"),
    text("code_gtin"),
    text("code_eclass", hint="0173-1#01-AKJ975#017"),
    text("code_eclass_version", hint="14.0"),
    text("note"),
)


def product_sections(
    category: str, definitions: Sequence[SpecDefinition], *, is_new: bool
) -> list[FormSection]:
    """A product's form. Specs are those of its category, in the order of their definitions."""
    specs = tuple(
        FormField(
            name=SPEC_PREFIX + definition.code,
            type="choice" if definition.choices else "text",
            choices=definition.choices,
            label_ko=definition.name_ko,
            label_en=definition.name_en,
            hint=f"10 {definition.unit}" if definition.unit and not definition.choices else "",
        )
        for definition in definitions
        if category in definition.categories
    )
    identity = (
        text("maker", required=True, suggestions="makers"),
        FormField(name="maker_country", type="choice", choices=MAKER_COUNTRIES, choice_kind="country"),
        text("model", required=True),
    )
    price = (
        FormField(name="asks_quote", type="check"),
        *((number("price_krw", hint="12000000"), number("capacity", hint="100")) if is_new else ()),
        number("lead_time_days", required=True),
        number("warranty_months", required=True),
    )
    return [
        FormSection(
            title=N_("무엇인가요"),
            fields=(
                *(identity if is_new else ()),
                text("name_ko", required=True),
                text("subcategory", suggestions="subcategories"),
                area("summary_ko"),
            ),
        ),
        FormSection(title=N_("주요 사양(세 가지 이상)"), fields=specs[:8]),
        FormSection(title=N_("가격과 조건"), fields=price),
        FormSection(
            title=N_("자료와 원산지"),
            fields=(
                FormField(name="datasheet", type="file", hint=N_("PDF, 10 MiB까지")),
                *(
                    (choice("origin", ("unknown", "domestic", *MAKER_COUNTRIES[1:]), "origin_answer"),)
                    if is_new
                    else ()
                ),
            ),
        ),
        FormSection(
            title=N_("나중에 채워도 되는 것"),
            is_later=True,
            fields=(
                *specs[8:],
                *LATER_PRODUCT_FIELDS,
            ),
        ),
    ]


def package_sections(package_type: str, *, is_new: bool) -> list[FormSection]:
    """A package model's form, with the fields of its type."""
    of_type: dict[str, tuple[FormField, ...]] = {
        "cloud": (
            number("monthly_fee_krw"),
            number("contract_months_min"),
            FormField(name="data_location", type="choice", choices=DATA_COUNTRIES, choice_kind="country"),
            area("exit_terms_ko"),
            area("exit_terms_en"),
        ),
        "clean_energy": (
            number("saved_kwh_per_year"),
            text("fems_product", suggestions="products"),
            text("ess_product", suggestions="products"),
        ),
    }
    typed = of_type.get(package_type, ())
    sections = [
        FormSection(
            title=N_("무엇을 해결하나요"),
            fields=(
                text("name_ko", required=True),
                area("summary_ko", required=True),
                *((choice("package_type", PACKAGE_TYPES, "package_type"),) if is_new else ()),
                choice("level_from", LEVELS, "level"),
                choice("level_to", LEVELS[1:], "level"),
                FormField(name="industries", type="choices", choices=INDUSTRIES, choice_kind="industry"),
            ),
        ),
        FormSection(title=N_("구성 자리"), fields=(), has_slots=True),
        FormSection(
            title=N_("책임 조건"),
            fields=(
                number("lead_time_days", required=True),
                number("warranty_months", required=True),
                number("spare_parts_years"),
                lines("included_ko"),
                lines("excluded_ko"),
                area("return_terms_ko"),
            ),
        ),
    ]
    if typed:
        sections.append(FormSection(title=N_("유형별 정보"), fields=typed))
    later = FormSection(
        title=N_("나중에 채워도 되는 것"),
        is_later=True,
        fields=(
            text("name_en"),
            area("summary_en"),
            lines("included_en"),
            lines("excluded_en"),
            area("return_terms_en"),
            lines("courses_ko", hint=N_("한 줄에 하나씩: 과정 이름, 기관, 시간")),
            lines("courses_en"),
        ),
    )
    return [*sections, later]


def offer_sections(*, is_package: bool, is_new: bool) -> list[FormSection]:
    """An offer's form: price, who sees it, and what its vendor answers for."""
    version = (number("package_version"),) if is_package and not is_new else ()
    return [
        FormSection(
            title=N_("가격"),
            fields=(
                number("list_unit_price_krw", required=True),
                lines("tiers", hint=N_("한 줄에 하나씩 '수량:단가'(예: 5:47000000)")),
                number("capacity", required=True),
                number("pack_size"),
                number("lead_time_days", required=True),
                FormField(name="valid_until", type="date"),
                choice("audience", AUDIENCES, "audience"),
                *version,
            ),
        ),
        FormSection(
            title=N_("책임 조건"),
            fields=(
                number("warranty_months"),
                number("spare_parts_years"),
                lines("installation_includes"),
                lines("installation_excludes"),
                area("return_terms_ko"),
                area("terms_ko"),
            ),
        ),
        FormSection(
            title=N_("나중에 채워도 되는 것"),
            is_later=True,
            fields=(area("return_terms_en"), area("terms_en")),
        ),
    ]


def sections_of(
    kind: ImportKind, fields: Mapping[str, str], definitions: Sequence[SpecDefinition], *, is_new: bool
) -> list[FormSection]:
    """The form of this kind for these fields."""
    if kind == "products":
        return product_sections(fields.get("category", ""), definitions, is_new=is_new)
    if kind == "package-models":
        return package_sections(fields.get("package_type", ""), is_new=is_new)
    return offer_sections(is_package=bool(fields.get("package_model")), is_new=is_new)


def read_fields(form: Form, sections: Sequence[FormSection]) -> dict[str, str]:
    """The fields that came with a form, as cells: lists joined, unchecked boxes "no", a package's slots gathered.

    A field that did not come is absent, so that it stays as it is. Boxes do not come when they are unchecked:
    the form says by `is_whole` that it showed them.
    """
    found: dict[str, str] = {}
    for section in sections:
        for field in section.fields:
            if field.type == "file" or not _came(form, field):
                continue
            value = form.text(field.name)
            if field.type == "lines":
                value = as_list(value)
            elif field.type == "check":
                value = "yes" if value == "yes" else "no"
            found[field.name] = value
        if section.has_slots and "product_0" in form.texts:
            found |= slot_fields(form)
    return found


def _came(form: Form, field: FormField) -> bool:
    return field.name in form.texts or (field.type in {"check", "choices"} and form.is_checked("is_whole"))


def slot_fields(form: Form) -> dict[str, str]:
    """The rows of slots as `components` and `alternatives`; rows without a product are left out."""
    components: list[str] = []
    alternatives: list[str] = []
    for number_ in range(SLOT_ROWS_MAX):
        product = _code_of(form.text(f"product_{number_}"))
        if not product:
            continue
        slot = form.text(f"slot_{number_}") or CATEGORIES[0]
        components.append(f"{slot}:{product}:{form.text(f'quantity_{number_}') or '1'}")
        alternatives.extend(
            f"{product}:{_code_of(item)}"
            for item in form.text(f"instead_{number_}").replace("\n", ",").replace(";", ",").split(",")
            if item.strip()
        )
    return {"components": LIST_SEPARATOR.join(components), "alternatives": LIST_SEPARATOR.join(alternatives)}


def _code_of(written: str) -> str:
    """The code in front of a suggestion (`plc-1 · 제어기`), or what was typed."""
    return written.partition(" · ")[0].strip().lower()


def typed_slots(form: Form) -> list[SlotRow]:
    """The rows of slots as they were typed."""
    return [
        SlotRow(
            number=number_,
            slot=form.text(f"slot_{number_}"),
            product=form.text(f"product_{number_}"),
            quantity=form.text(f"quantity_{number_}"),
            instead=form.text(f"instead_{number_}"),
        )
        for number_ in range(SLOT_ROWS_MAX)
        if f"product_{number_}" in form.texts
    ]


def stored_slots(fields: Mapping[str, str]) -> list[SlotRow]:
    """The rows of slots of a stored package or a draft."""
    try:
        components = parse_components(fields.get("components", ""))
    except UnreadableCell:
        components = ()
    try:
        alternatives = parse_alternatives(fields.get("alternatives", ""))
    except UnreadableCell:
        alternatives = ()
    shown: set[str] = set()
    rows = []
    for number_, part in enumerate(components):
        instead = [a.instead for a in alternatives if a.product == part.product and part.product not in shown]
        shown.add(part.product)
        rows.append(
            SlotRow(
                number=number_,
                slot=part.slot,
                product=part.product,
                quantity=str(part.quantity),
                instead=", ".join(instead),
            )
        )
    return rows


def padded(rows: Sequence[SlotRow], *, more: int = 0) -> list[SlotRow]:
    """The rows with empty ones behind them, numbered through."""
    count = min(max(len(rows) + more, SLOT_ROWS), SLOT_ROWS_MAX)
    filled = [msgspec.structs.replace(row, number=n) for n, row in enumerate(rows)]
    return filled + [SlotRow(number=n) for n in range(len(filled), count)]


def shown_values(sections: Sequence[FormSection], fields: Mapping[str, str]) -> dict[str, str]:
    """Stored or kept fields as the form shows them: lists line by line."""
    listed = {field.name for section in sections for field in section.fields if field.type == "lines"}
    return {name: as_lines(value) if name in listed else value for name, value in fields.items()}
