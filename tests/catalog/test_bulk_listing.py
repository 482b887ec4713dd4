"""Bulk listing as vendors meet it: long files, other column names, files that come back, and what must never go wrong."""

import random
from typing import Any

import asyncpg
import pytest
from archives import AAS_2_XML, a_png, a_zip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.core import import_rows
from catalog.core.image_files import UnfitImage
from catalog.core.import_rows import read_batches, read_table, write_csv, write_json_lines
from catalog.core.listing_diff import FieldChange
from catalog.core.viewer import Viewer
from catalog.core.xlsx_files import write_xlsx
from catalog.errors import ImageNotFound, ListingNotOwned
from catalog.events import Actor
from catalog.exporting import EXPORT_SUFFIXES, export_rows, write_export
from catalog.images import add_image, list_images, read_image, remove_image
from catalog.importing import ImportReport, apply_import, check_import
from catalog.importing.error_file import write_error_file
from catalog.importing.header_choices import remember_header_choices


def summary(report: ImportReport) -> tuple[int, int, int, int, int]:
    return (report.new, report.changed, report.unchanged, report.missing, report.error_count)


def many(market: Any, count: int) -> list[dict[str, str]]:
    return [
        market.row("products", code=f"p-{n}", model=f"M{n}", spec__payload=f"{n % 40 + 1} kg")
        for n in range(count)
    ]


async def bring_file(
    market: Any, content: bytes, suffix: str, viewer: Viewer, **options: Any
) -> ImportReport:
    async with market.conn.transaction():
        return await apply_import(
            market.conn,
            kind=options.pop("kind", "products"),
            table=read_batches(content, suffix=suffix),
            viewer=viewer,
            **options,
        )


async def test_one_bad_row_of_a_thousand_loses_nothing_else(market: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(import_rows, "BATCH_ROWS", 300)
    rows = many(market, 1_000)
    rows[613]["spec.payload"] = "heavy"
    content = write_csv(rows[0], rows)
    refused = await bring_file(market, content, ".csv", market.alpha)
    assert (summary(refused), refused.is_applied) == ((999, 0, 0, 0, 1), False)
    assert await market.conn.fetchval("SELECT count(*) FROM products") == 0
    taken = await bring_file(market, content, ".csv", market.alpha, take_good_rows=True)
    assert [(e.line, e.column, e.found) for e in taken.errors] == [(615, "spec.payload", "heavy")]
    assert await market.conn.fetchval("SELECT count(*) FROM products") == 999
    assert await market.conn.fetchval("SELECT count(*) FROM product_specs") == 999
    again = await bring_file(market, content, ".csv", market.alpha, take_good_rows=True)
    assert summary(again) == (0, 0, 999, 0, 1)


async def test_a_break_in_the_last_line_keeps_the_whole_file_out(market: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(import_rows, "BATCH_ROWS", 10)
    rows = many(market, 30)
    content = write_csv(rows[0], rows) + b'"never closed\n'
    report = await bring_file(market, content, ".csv", market.alpha, take_good_rows=True)
    assert not report.is_applied
    assert await market.conn.fetchval("SELECT count(*) FROM products") == 0


async def test_a_key_or_model_that_comes_again_in_a_later_batch_is_refused(
    market: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(import_rows, "BATCH_ROWS", 2)
    rows = [*many(market, 5), market.row("products", code="p-1", model="X", spec__payload="1 kg")]
    rows.append(market.row("products", code="other", model="M0", spec__payload="1 kg"))
    report = await bring_file(market, write_csv(rows[0], rows), ".csv", market.alpha)
    assert [(e.line, e.column, e.found) for e in report.errors] == [(7, "code", "p-1"), (8, "model", "M0")]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE products SET name_ko = '고침' WHERE code = 'p-1'",
        "UPDATE product_specs s SET shown = '7 kg' FROM products p WHERE p.id = s.product_id AND p.code = 'p-1'",
        "DELETE FROM product_specs s USING products p WHERE p.id = s.product_id AND p.code = 'p-1'",
        (
            "INSERT INTO product_specs (product_id, code, number, shown) "
            "SELECT id, 'reach', 5, '5 mm' FROM products WHERE code = 'p-1'"
        ),
    ],
)
async def test_a_row_that_somebody_changed_since_is_looked_at_again(market: Any, change: str) -> None:
    rows = many(market, 3)
    rows = [row | {"spec.reach": ""} for row in rows]
    content = write_csv(rows[0], rows)
    await bring_file(market, content, ".csv", market.alpha)
    assert summary(await bring_file(market, content, ".csv", market.alpha)) == (0, 0, 3, 0, 0)
    await market.conn.execute(change)
    assert summary(await bring_file(market, content, ".csv", market.alpha)) == (0, 1, 2, 0, 0)
    assert summary(await bring_file(market, content, ".csv", market.alpha)) == (0, 0, 3, 0, 0)


async def test_a_remembered_row_is_remembered_for_its_owner_only(market: Any) -> None:
    rows = many(market, 2)
    content = write_csv(rows[0], rows)
    await bring_file(market, content, ".csv", market.alpha)
    report = await bring_file(market, content, ".csv", market.beta)
    assert summary(report) == (0, 0, 0, 0, 2)
    await market.conn.execute("UPDATE makers SET name_ko = '새 이름'")
    assert summary(await bring_file(market, content, ".csv", market.alpha))[4] == 2


async def test_a_spec_that_nobody_defined_is_refused_by_the_schema(market: Any) -> None:
    await bring_file(market, write_csv(many(market, 1)[0], many(market, 1)), ".csv", market.alpha)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await market.conn.execute("UPDATE product_specs SET code = 'nonsense'")
    assert await market.conn.fetchval("SELECT code FROM product_specs") == "payload"


async def test_the_difference_is_told_field_by_field(market: Any) -> None:
    rows = many(market, 2)
    await market.bring("products", *rows)
    changed = [
        rows[0] | {"name_ko": "새 이름", "spec.payload": "9 kg"},
        market.row("products", code="n", model="N"),
    ]
    report = await check_import(
        market.conn, kind="products", table=market.table(*changed), viewer=market.coordinator
    )
    assert summary(report) == (1, 1, 0, 1, 0)
    assert (report.new_keys, report.missing_keys) == (("n",), ("p-1",))
    [change] = report.changes
    assert (change.line, change.key) == (2, "p-0")
    assert change.fields == (
        FieldChange("name_ko", "협동로봇 C10", "새 이름"),
        FieldChange("spec.payload", "1 kg", "9 kg"),
    )


# -- numbers that must not be misread (mission §7, trap 2) ----------------------------------------------


@pytest.mark.parametrize("written", ["₩1,000,000", "1,000,000", "1000000", "\\1,000,000", "1,000,000원"])
async def test_a_price_in_won_is_read_as_written(market: Any, written: str) -> None:
    await market.fill()
    row = market.row("offers", tiers="", list_unit_price_krw=written)
    assert summary(await market.bring("offers", row))[1] == 1
    assert await market.conn.fetchval("SELECT list_unit_price_krw FROM offers") == 1_000_000


@pytest.mark.parametrize(
    "written",
    ["€ 50,00", "$100", "1.000.000", "1 000 000", "100만원", "1e6", "0", "-5", "1000000.5", "10,00,000", "٣"],
)
async def test_any_other_price_is_an_error_and_never_a_number(market: Any, written: str) -> None:
    await market.fill()
    row = market.row("offers", tiers="", list_unit_price_krw=written)
    report = await market.bring("offers", row)
    assert [(e.column, e.found) for e in report.errors] == [("list_unit_price_krw", written)]
    assert await market.conn.fetchval("SELECT list_unit_price_krw FROM offers") == 50_000_000


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "ftp://a.example", "a.example", "http://"]
)
async def test_only_web_addresses_are_taken_as_sources(market: Any, address: str) -> None:
    report = await market.bring("products", market.row("products", source_url=address))
    assert [(e.column, e.found) for e in report.errors] == [("source_url", address)]


# -- columns under other names -------------------------------------------------------------------------

KOREAN = "제품코드,제조사(영문),제조사,제조사 국가,모델명,분류,세부 분류,제품명,영문 제품명,자료 확인,가반 하중(kg),담당\n"
KOREAN_ROW = "k-1,Acme Robotics,아크메로보틱스,KR,K1,robot,arm,로봇,Robot,fictional,12.5,김영희\n"


async def test_columns_are_mapped_once_and_remembered_by_the_organization(market: Any) -> None:
    content = (KOREAN + KOREAN_ROW).encode("cp949")
    report = await bring_file(market, content, ".csv", market.alpha)
    assert [(e.line, e.column) for e in report.errors] == [(1, "담당")]
    assert report.header is not None
    assert [column.name for column in report.header.unknown] == ["담당"]
    assert market.alpha.organization_id is not None
    await remember_header_choices(
        market.conn, organization_id=market.alpha.organization_id, kind="products", choices={"담당": None}
    )
    assert summary(await bring_file(market, content, ".csv", market.alpha)) == (1, 0, 0, 0, 0)
    assert tuple(await market.conn.fetchrow("SELECT number, shown FROM product_specs")) == (12.5, "12.5 kg")
    assert (await bring_file(market, content, ".csv", market.beta)).errors[0].column == "담당"


# -- the file back with its errors ---------------------------------------------------------------------


@pytest.mark.parametrize("suffix", EXPORT_SUFFIXES)
async def test_a_file_comes_back_with_its_errors_and_is_read_again(market: Any, suffix: str) -> None:
    rows = many(market, 3)
    await market.bring("products", *rows)
    exported = write_export("products", await export_rows(market.conn, kind="products"), suffix=suffix)
    table = read_table(exported, suffix=suffix)
    cells = [dict(row.cells) for row in table.rows]
    cells[1]["maker_country"] = "Korea"
    content = {
        ".csv": lambda: write_csv(cells[0], cells),
        ".xlsx": lambda: write_xlsx(cells[0], cells),
        ".jsonl": lambda: write_json_lines(cells),
    }[suffix]()
    given, name = await write_error_file(
        market.conn,
        kind="products",
        content=content,
        file_name=f"a{suffix}",
        viewer=market.coordinator,
        in_english=False,
    )
    assert name == suffix
    back = read_table(given, suffix=suffix).rows
    assert [row.cells["오류"] for row in back] == [
        "", "maker_country «Korea» → 대문자 두 자의 국가 코드(예: KR)", "",
    ]  # fmt: skip
    again = await check_import(
        market.conn, kind="products", table=read_batches(given, suffix=suffix), viewer=market.coordinator
    )
    assert summary(again) == (0, 0, 2, 0, 1)


async def test_rows_that_cannot_be_read_come_back_in_words(market: Any) -> None:
    row = market.row("products")
    content = write_csv(row, [row]) + b"a,b,c\n"
    given, _ = await write_error_file(
        market.conn, kind="products", content=content, file_name="a.csv", viewer=market.alpha, in_english=True
    )
    lines = given.decode("utf-8-sig").splitlines()
    assert (len(lines), lines[1][-1]) == (3, ",")
    assert lines[2].lstrip(",") == "[3] * «3 cells» → 10 cells as in the header"


# -- export → import → the same catalog ----------------------------------------------------------------

TEXTS = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
    .map(import_rows.clean_cell)
    .filter(lambda text: text and not import_rows._FORBIDDEN.search(text))
)


@given(
    names=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=4),
    suffix=st.sampled_from(EXPORT_SUFFIXES),
    seed=st.integers(0, 9),
)
@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_an_exported_catalog_imports_as_the_same_catalog(
    market: Any, names: list[tuple[str, str, str]], suffix: str, seed: int
) -> None:
    chance = random.Random(seed)
    rows = [
        market.row(
            "products", code=f"x{n}-{seed}", model=f"{model} {n}-{seed}", name_ko=name, note=note,
            spec__payload=chance.choice(["", "0.5 kg", "500 g", "7 kg"]), spec__mounting=note,
        )
        for n, (name, note, model) in enumerate(names)
    ]  # fmt: skip
    assert (await market.bring("products", *rows)).errors == ()
    state = """
        SELECT p.*, s.code AS spec, s.number, s.shown
        FROM products p LEFT JOIN product_specs s ON s.product_id = p.id ORDER BY 1, s.code
        """
    before = await market.conn.fetch(state)
    content = write_export("products", await export_rows(market.conn, kind="products"), suffix=suffix)
    await market.conn.execute("DELETE FROM product_digests")
    report = await bring_file(market, content, suffix, market.coordinator)
    assert (report.new, report.changed, report.errors) == (0, 0, ())
    assert report.unchanged == await market.conn.fetchval("SELECT count(*) FROM products")
    assert await market.conn.fetch(state) == before


async def test_a_shell_is_listed_like_any_other_row_and_twice_changes_nothing(market: Any) -> None:
    content = a_zip({"aasx/data.xml": AAS_2_XML})
    assert summary(await bring_file(market, content, ".aasx", market.alpha)) == (1, 0, 0, 0, 0)
    assert summary(await bring_file(market, content, ".aasx", market.alpha)) == (0, 0, 1, 0, 0)
    report = await bring_file(market, content, ".aasx", market.alpha, kind="offers")
    assert not report.is_applied
    assert report.error_count > 0


# -- pictures ------------------------------------------------------------------------------------------


async def test_a_picture_is_kept_once_and_shown_to_who_sees_the_listing(market: Any) -> None:
    await market.bring("products", viewer=market.alpha)
    actor = Actor(None, market.alpha.organization_id)
    facts: dict[str, Any] = {
        "listing": "product",
        "code": "cobot-10",
        "file_name": "a.png",
        "caption_ko": "앞",
        "caption_en": "",
    }
    png = a_png()
    for _ in range(2):
        await add_image(market.conn, content=png, viewer=market.alpha, actor=actor, **facts)
    with pytest.raises(UnfitImage):
        await add_image(market.conn, content=b"<svg/>", viewer=market.alpha, actor=actor, **facts)
    with pytest.raises(ListingNotOwned):
        await add_image(market.conn, content=png, viewer=market.beta, actor=actor, **facts)
    [image] = await list_images(market.conn, listing="product", code="cobot-10")
    assert await market.conn.fetchval("SELECT count(*) FROM file_contents") == 1
    assert await read_image(market.conn, sha256=bytes.fromhex(image.sha256)) == (png, "image/png")
    await market.conn.execute("UPDATE products SET state = 'draft'")
    with pytest.raises(ImageNotFound):
        await read_image(market.conn, sha256=bytes.fromhex(image.sha256), viewer=market.beta)
    assert await read_image(market.conn, sha256=bytes.fromhex(image.sha256), viewer=market.alpha)
    with pytest.raises(ImageNotFound):
        await remove_image(market.conn, image_id=image.id, viewer=market.beta, actor=actor)
    assert len(await list_images(market.conn, listing="product", code="cobot-10")) == 1
    assert await remove_image(market.conn, image_id=image.id, viewer=market.alpha, actor=actor) == (
        "product",
        "cobot-10",
    )
    assert await list_images(market.conn, listing="product", code="cobot-10") == []
