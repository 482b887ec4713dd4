"""What a listing says of what is asked, and that a "no" is an answer."""

from catalog.core.completeness import completeness, required_specs
from catalog.core.product import Maker, Party, Product, Spec
from catalog.core.spec_value import parse_spec_value
from catalog.reference_data import read_spec_definitions

DEFINITIONS = read_spec_definitions()


def product(*specs: Spec, category: str = "robot", subcategory: str = "collaborative robot") -> Product:
    return Product(
        id=1, code="c", vendor=Party(id=1, code="v", name_ko="v", name_en="v"),
        maker=Maker(name="m", name_ko="m", country="KR"), model="m", series=None, category=category,  # type: ignore[arg-type]
        subcategory=subcategory, name_ko="로봇", name_en="robot", summary_ko="요약", summary_en="summary",
        verification="fictional", source_title=None, source_url=None, source_kind=None, note=None,
        state="published", visibility="public", specs=specs,
    )  # fmt: skip


def spec(code: str, text: str) -> Spec:
    definition = next(d for d in DEFINITIONS if d.code == code)
    value = parse_spec_value(text, definition)
    return Spec(
        code=code, name_ko=definition.name_ko, name_en=definition.name_en, kind=definition.kind, shown=value.shown,
        number=value.number, boolean=value.boolean, text=value.text,
    )  # fmt: skip


def test_what_is_missing_is_named_and_what_is_said_counts() -> None:
    required = [
        d.code for d in required_specs(DEFINITIONS, category="robot", subcategory="collaborative robot")
    ]
    assert required == [
        "payload",
        "reach",
        "repeatability",
        "dof",
        "weight",
        "ip_rating",
        "ambient_temperature",
    ]
    found = completeness(product(spec("payload", "10 kg")), definitions=DEFINITIONS, has_standard=False)
    assert [fact.code for fact in found.missing] == [*required[1:], "origin", "standard"]
    assert (found.asked, found.score_bp) == (12, 4 * 10_000 // 12)


def test_no_is_an_answer_and_silence_is_not() -> None:
    said = product(spec("on_site", "아니오"), category="service", subcategory="training")
    silent = product(category="service", subcategory="training")
    assert "on_site" not in {
        f.code for f in completeness(said, definitions=DEFINITIONS, has_standard=False).missing
    }
    assert "on_site" in {
        f.code for f in completeness(silent, definitions=DEFINITIONS, has_standard=False).missing
    }


def test_every_required_specification_is_asked_of_a_category_it_belongs_to() -> None:
    categories = {"software", "controller", "sensor", "robot", "service"}
    assert [d.code for d in DEFINITIONS if set(d.required_for) & categories - set(d.categories)] == []


def test_half_a_second_is_five_hundred_milliseconds() -> None:
    from catalog.core.spec_value import SpecDefinition

    definition = SpecDefinition(code="cycle", categories=("robot",), kind="number", unit="s")
    one, other = (parse_spec_value(text, definition) for text in ("0.5 s", "500 ms"))
    assert (one.number, one.shown, one.unit) == (0.5, "0.5 s", "s")
    assert (other.number, other.shown, other.unit) == (0.5, "500 ms", "ms")
