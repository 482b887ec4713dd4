import msgspec
import pytest

from search_config.documents import IndexName
from search_config.errors import InvalidSettings
from search_config.settings import INDEX_NAMES, IndexSettings, decode_settings, load_settings, load_synonyms
from search_config.synonyms import parse_synonyms

VALID = """
index = "vendors"
version = 1
searchable = [{ field = "name_ko", weight = 2.0 }]
filterable = [{ field = "visibility", type = "text" }, { field = "tenants", type = "integer" }]
"""


@pytest.mark.parametrize("index", INDEX_NAMES)
def test_the_shipped_settings_are_valid(index: IndexName) -> None:
    settings = load_settings(index)
    assert settings.index == index
    assert (settings.hits_max, settings.page_size_max) == (1_000, 100)


def test_a_minimal_file_is_enough() -> None:
    assert decode_settings(VALID, file="x.toml").searchable[0].field == "name_ko"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("version", "versoin", "versoin"),
        ("weight = 2.0", "weigth = 2.0", "weigth"),
        ("weight = 2.0", "weight = 0.0", "weight"),
        ('type = "integer"', 'type = "number"', "number"),
        ('"name_ko"', '"name_kr"', "name_kr"),
        ('"vendors"', '"venders"', "venders"),
        ('{ field = "tenants", type = "integer" }', "", "tenants"),
        ('field = "visibility", type = "text"', 'field = "visibility", type = "integer"', "visibility"),
        ('{ field = "name_ko", weight = 2.0 }', '{ field = "code", weight = 1.0 }, ' * 2, "code"),
        ("version = 1", "version = ", "line 3"),
    ],
)
def test_a_mistake_is_an_error_that_names_it(old: str, new: str, named: str) -> None:
    assert old in VALID
    with pytest.raises(InvalidSettings, match=named) as refused:
        decode_settings(VALID.replace(old, new), file="x.toml")
    assert refused.value.file == "x.toml"


def test_the_fingerprint_changes_with_structure_alone() -> None:
    settings = load_settings("catalog")

    def changed(**fields: object) -> IndexSettings:
        return msgspec.structs.replace(settings, **fields)

    assert changed(version=2).fingerprint != settings.fingerprint
    assert changed(searchable=settings.searchable[:-1]).fingerprint != settings.fingerprint
    assert changed(synonyms="", hits_max=10, page_size_max=5).fingerprint == settings.fingerprint


def test_a_missing_synonyms_file_is_named() -> None:
    settings = msgspec.structs.replace(load_settings("catalog"), synonyms="nowhere.txt")
    with pytest.raises(InvalidSettings, match="nowhere"):
        load_synonyms(settings)


def test_synonyms_are_found_without_spaces_hyphens_or_case() -> None:
    synonyms = load_synonyms(load_settings("catalog"))
    assert "코봇" in synonyms.of("협동로봇")
    assert "협동로봇" in synonyms.of("collaborativerobot")
    assert "PLC" in synonyms.of("피엘씨")
    assert "피엘씨" in synonyms.of("plc")
    assert synonyms.of("없는말") == ()


def test_a_one_way_group_reads_one_way() -> None:
    synonyms = parse_synonyms("멜섹 => PLC, 미쓰비시 # maker's brand")
    assert synonyms.of("멜섹") == ("PLC", "미쓰비시")
    assert synonyms.of("plc") == ()


@pytest.mark.parametrize("text", ["혼자", "로봇, 로 봇", "a =>", "=> b"])
def test_a_group_of_one_word_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(InvalidSettings, match="line 2"):
        parse_synonyms("plc, 피엘씨\n" + text)
