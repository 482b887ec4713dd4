"""Administration shells of four metamodel generations, made here and by others, and what bad packages get."""

import json
import os
import time
from pathlib import Path

import pytest
from archives import AAS_2_XML, a_lying_zip, a_zip

from catalog.core.aas_reader import read_shells
from catalog.core.import_rows import RawTable, read_table
from catalog.core.zip_files import UnsafeZip

DATA = Path(os.environ.get("SFA_TEST_DATA") or Path(__file__).parents[4] / "shared" / "data")
FOREIGN = sorted(DATA.glob("aas*/*.aasx"))


def read(parts: dict[str, bytes | str]) -> RawTable:
    return read_table(a_zip(parts), suffix=".aasx")


def test_a_shell_of_metamodel_2_becomes_a_product_by_meaning_before_name() -> None:
    table = read({"aasx/data.xml": AAS_2_XML, "[Content_Types].xml": "<Types/>"})
    assert table.errors == ()
    [row] = table.rows
    assert {name: cell for name, cell in row.cells.items() if cell} == {
        "code": "hanbit-drive-hd-750",
        "maker": "Hanbit Drive Co., Ltd.",
        "maker_ko": "Hanbit Drive Co., Ltd.",
        "maker_country": "KR",
        "model": "HD-750",
        "category": "controller",
        "subcategory": "component",
        "name_ko": "서보 드라이브",
        "name_en": "Servo drive",
        "verification": "maker",
        "source_title": "Asset Administration Shell Drive",
        "source_kind": "aas",
        "note": "AAS urn:shell:1",
        "spec.part_number": "HD-750",
        "spec.weight": "1.25 kg",
    }


def test_a_shell_written_as_json_says_the_same() -> None:
    def prop(name: str, value: object, kind: str = "Property") -> dict[str, object]:
        return {"modelType": kind, "idShort": name, "value": value}

    elements = [
        prop("ManufacturerName", [{"language": "de", "text": "Beispiel AG"}], "MultiLanguageProperty"),
        prop("ManufacturerProductDesignation", [{"language": "en", "text": "Box"}], "MultiLanguageProperty"),
        {
            "modelType": "SubmodelElementCollection",
            "idShort": "More",
            "value": [prop("ManufacturerPartNumber", "B-1")],
        },
    ]
    document = {
        "assetAdministrationShells": [
            {
                "id": "urn:1",
                "idShort": "Box",
                "submodels": [{"keys": [{"type": "Submodel", "value": "urn:s"}]}],
            }
        ],
        "submodels": [{"id": "urn:s", "idShort": "Nameplate", "submodelElements": elements}],
    }
    [row] = read({"aasx/env.json": json.dumps(document)}).rows
    assert (row.cells["code"], row.cells["maker"], row.cells["maker_country"]) == (
        "beispiel-b-1",
        "Beispiel AG",
        "ZZ",
    )


def test_a_package_without_a_product_fails_loudly() -> None:
    table = read({"aasx/data.xml": AAS_2_XML.replace("HD-750", "")})
    assert table.is_broken
    assert [(e.line, e.column, e.found) for e in table.errors] == [
        (0, "", "1 shells, 4 properties"),
        (1, "model", "Drive: 4 properties"),
    ]
    assert read({"readme.txt": "nothing"}).errors[0].found == "0 shells, 0 properties"


@pytest.mark.parametrize(
    "prolog",
    [
        '<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_before_they_are_parsed(prolog: str, encoding: str) -> None:
    text = AAS_2_XML.replace('<?xml version="1.0"?>', f'<?xml version="1.0" encoding="{encoding}"?>{prolog}')
    table = read({"aasx/data.xml": text.replace("HD-750", "&a;").encode(encoding)})
    assert table.is_broken
    assert table.errors[0].expected == "XML without DOCTYPE and ENTITY"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"no zip at all", "a whole file, not cut off or locked"),
        (a_zip({f"{n}.xml": "" for n in range(1_001)}), "at most 1000 parts"),
        (a_zip({"a.xml": b" " * 30_000_000}), "parts packed at most 200 to 1"),
        (a_zip({"a.xml": "<aasenv>" + "<a>" * 5_000}), "well-formed XML"),
        (a_zip({"a.json": "[" * 200_000}), "a shell that names maker, product and article number"),
    ],
)
def test_bad_packages_are_refused_quickly(content: bytes, expected: str) -> None:
    began = time.process_time()
    table = read_table(content, suffix=".aasx")
    assert time.process_time() - began < 0.2
    assert table.is_broken
    assert table.errors[0].expected == expected


@pytest.mark.skipif(not FOREIGN, reason=f"no foreign AASX files under {DATA}")
@pytest.mark.parametrize("file", FOREIGN, ids=lambda file: file.name)
def test_every_foreign_package_yields_products_or_a_named_reason(file: Path) -> None:
    content = file.read_bytes()
    table = read_table(content, suffix=".aasx")
    if table.is_broken:
        assert table.errors[0].found.endswith("properties")
        assert len(table.errors) > 1
        return
    assert sum(len(shell.properties) for shell in read_shells(content)) > 20
    for row in table.rows:
        assert all(row.cells[name] for name in ("code", "maker", "model", "name_en", "source_title"))


def test_a_part_that_is_larger_than_it_says_is_refused() -> None:
    content = a_lying_zip(a_zip({"a.xml": b"<x/>" + b" " * 5_000}), "a.xml", size=10)
    with pytest.raises(UnsafeZip):
        read_shells(content)
