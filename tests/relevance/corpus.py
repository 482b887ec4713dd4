"""A public corpus for judging search: made-up makers, a document for every sort of thing a factory looks for.

The documents are dicts in the shape of `search-eval`; `truth` says what each one is, in attributes that no
engine sees, so that a query can be graded without asking an engine.
"""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

SEED = 20_261
Role = Literal["product", "accessory", "package", "service"]

ACCESSORIES = (
    ("케이블", "cable"), ("브래킷", "bracket"), ("커넥터", "connector"), ("보호 커버", "protective cover"),
    ("스탠드", "stand"), ("전원 어댑터", "power adapter"),
)  # fmt: skip
INDUSTRIES = (
    ("사출성형", "injection molding"), ("프레스", "press shop"), ("용접", "welding shop"), ("식품", "food"),
    ("도금", "plating"), ("금형", "mold making"), ("기계가공", "machining"), ("포장", "packaging"),
)  # fmt: skip
SERVICES = (
    ("교육", "training"), ("유지보수", "maintenance"), ("설치", "installation"), ("교정", "calibration"),
)  # fmt: skip


class Leaf(msgspec.Struct, frozen=True):
    """A sort of thing: its names in both languages and its properties as (code, unit, values)."""

    code: str
    family: str
    series: str
    names_ko: tuple[str, ...]
    names_en: tuple[str, ...]
    specs: tuple[tuple[str, str, tuple[str, ...]], ...]


class Maker(msgspec.Struct, frozen=True):
    code: str
    name_ko: str
    name_en: str
    families: tuple[str, ...]


class Truth(msgspec.Struct, frozen=True):
    """What a document is. `leaves` of a package are its components; `specs` are texts such as `10 kg`."""

    id: str
    role: Role
    family: str
    leaves: tuple[str, ...]
    maker: str
    model: str = ""
    specs: dict[str, str] = {}
    industry: str = ""
    thing: str = ""


class Corpus(msgspec.Struct, frozen=True):
    documents: list[dict[str, Any]]
    truths: list[Truth]


def _rows(file: str) -> Iterator[list[str]]:
    for line in (Path(__file__).parent / file).read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield [cell.strip() for cell in line.split(" ; ")]


def read_leaves() -> list[Leaf]:
    leaves = []
    for code, family, series, ko, en, specs in _rows("categories.txt"):
        parsed = []
        for spec in specs.split("/ ") if "/ " in specs else [specs]:
            name, unit, values = spec.strip().split(" ", 2)
            parsed.append((name, "" if unit == "-" else unit, tuple(values.strip().split(","))))
        leaves.append(Leaf(code, family, series, tuple(ko.split("|")), tuple(en.split("|")), tuple(parsed)))
    return leaves


def read_makers() -> list[Maker]:
    return [Maker(code, ko, en, tuple(families.split())) for code, ko, en, families in _rows("makers.txt")]


def build_corpus(count: int = 10_000, *, seed: int = SEED) -> Corpus:
    """`count` documents: three quarters products, the rest accessories, packages and services."""
    chance = random.Random(seed)
    leaves, makers = read_leaves(), read_makers()
    made = Corpus([], [])
    products = count * 3 // 4
    for number, leaf in zip(range(products), itertools.cycle(leaves), strict=False):
        _add_product(made, chance, number, leaf, leaves=leaves, makers=makers)
    for number in range(products, count):
        leaf = chance.choice(leaves)
        maker = _maker_for(leaf, makers, chance)
        add = chance.choice((_add_accessory, _add_accessory, _add_package, _add_service))
        add(made, chance, number, leaf, leaves=leaves, maker=maker)
    return made


def _maker_for(leaf: Leaf, makers: list[Maker], chance: random.Random) -> Maker:
    return chance.choice([maker for maker in makers if leaf.family in maker.families])


def _add_product(
    made: Corpus,
    chance: random.Random,
    number: int,
    leaf: Leaf,
    *,
    leaves: list[Leaf],
    makers: list[Maker],
) -> None:
    maker = _maker_for(leaf, makers, chance)
    specs = {code: (chance.choice(values), unit) for code, unit, values in leaf.specs}
    first = next(iter(specs.values()))[0].partition("~")[0].replace(".", "").replace("-", "")
    model = f"{maker.code}-{leaf.series}{first}-{number % 977:03}{chance.choice('ABNP')}"
    name_ko, name_en = _names(leaf, model, maker, chance, specs)
    other = chance.choice(leaves)
    with_ko = chance.choice(("와 함께 씁니다", " 연동을 지원합니다", "에 연결할 수 있습니다"))
    summary_ko = f"{maker.name_ko}의 {chance.choice(leaf.names_ko)}. {other.names_ko[0]}{with_ko}."
    summary_en = (
        f"{chance.choice(leaf.names_en).capitalize()} for factories. Works with a {other.names_en[0]}."
    )
    document = {
        "id": f"d{number:06}",
        "kind": "product",
        "name_ko": name_ko if chance.random() > 0.06 else "",
        "name_en": name_en if chance.random() > 0.1 else "",
        "model": model,
        "maker_ko": maker.name_ko,
        "maker_en": maker.name_en,
        "category": leaf.family,
        "tags": [leaf.names_en[0]] if chance.random() > 0.3 else [],
        "summary_ko": summary_ko,
        "summary_en": summary_en if chance.random() > 0.3 else "",
        "specs": [
            {"code": code, "value": _value(value), "unit": unit} for code, (value, unit) in specs.items()
        ],
    }
    if not document["name_ko"] and not document["name_en"]:
        document["name_ko"] = name_ko
    said = {code: f"{value} {unit}".strip() for code, (value, unit) in specs.items()}
    made.documents.append(document)
    made.truths.append(
        Truth(document["id"], "product", leaf.family, (leaf.code,), maker.code, model=model, specs=said)
    )


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _names(
    leaf: Leaf, model: str, maker: Maker, chance: random.Random, specs: dict[str, tuple[str, str]]
) -> tuple[str, str]:
    ko = leaf.names_ko[0] if chance.random() < 0.6 else chance.choice(leaf.names_ko)
    en = leaf.names_en[0] if chance.random() < 0.6 else chance.choice(leaf.names_en)
    value, unit = next(iter(specs.values()))
    size = f" {value}{unit}" if unit and chance.random() < 0.4 else ""
    lead_ko = chance.choice((f"{maker.name_ko} {model} ", f"{model} ", ""))
    return f"{lead_ko}{ko}{size}", f"{model} {en}{size}" if lead_ko else f"{maker.name_en} {en}{size}"


def _add_accessory(
    made: Corpus, chance: random.Random, number: int, leaf: Leaf, *, leaves: list[Leaf], maker: Maker
) -> None:
    thing_ko, thing_en = chance.choice(ACCESSORIES)
    model = f"{maker.code}-X{leaf.series}-{number % 991:03}"
    _add_other(
        made,
        Truth(
            f"d{number:06}",
            "accessory",
            leaf.family,
            (leaf.code,),
            maker.code,
            model=model,
            thing=thing_en,
        ),
        names=(f"{leaf.names_ko[0]}용 {thing_ko}", f"{thing_en} for {leaf.names_en[0]}"),
        summaries=(f"{leaf.names_ko[0]}에 쓰는 {thing_ko}입니다.", f"Fits every {leaf.names_en[0]}."),
        maker=maker,
    )


def _add_service(
    made: Corpus, chance: random.Random, number: int, leaf: Leaf, *, leaves: list[Leaf], maker: Maker
) -> None:
    thing_ko, thing_en = chance.choice(SERVICES)
    _add_other(
        made,
        Truth(f"d{number:06}", "service", leaf.family, (leaf.code,), maker.code),
        names=(f"{leaf.names_ko[0]} {thing_ko} 서비스", f"{leaf.names_en[0]} {thing_en} service"),
        summaries=(f"현장에서 {thing_ko}을 해 드립니다.", f"On-site {thing_en}."),
        maker=maker,
    )


def _add_package(
    made: Corpus, chance: random.Random, number: int, leaf: Leaf, *, leaves: list[Leaf], maker: Maker
) -> None:
    industry_ko, industry_en = chance.choice(INDUSTRIES)
    parts = [leaf, *chance.sample(leaves, 2)]
    listed_ko, listed_en = ", ".join(p.names_ko[0] for p in parts), ", ".join(p.names_en[0] for p in parts)
    goal_ko, goal_en = chance.choice(
        (("모니터링", "monitoring"), ("자동화", "automation"), ("품질 추적", "quality tracking"))
    )
    truth = Truth(
        f"d{number:06}",
        "package",
        "package",
        tuple(part.code for part in parts),
        maker.code,
        industry=industry_en,
    )
    _add_other(
        made,
        truth,
        names=(f"{industry_ko} {goal_ko} 패키지", f"{industry_en} {goal_en} package"),
        summaries=(
            f"{industry_ko} 공장을 위한 {goal_ko} 구성: {listed_ko}.",
            f"For {industry_en} factories: {listed_en}.",
        ),
        maker=maker,
    )


def _add_other(
    made: Corpus, truth: Truth, *, names: tuple[str, str], summaries: tuple[str, str], maker: Maker
) -> None:
    made.truths.append(truth)
    made.documents.append(
        {
            "id": truth.id,
            "kind": "package_model" if truth.role == "package" else "product",
            "name_ko": names[0],
            "name_en": names[1],
            "model": truth.model,
            "maker_ko": maker.name_ko,
            "maker_en": maker.name_en,
            "category": truth.family,
            "tags": [],
            "summary_ko": summaries[0],
            "summary_en": summaries[1],
            "specs": [],
        }
    )
