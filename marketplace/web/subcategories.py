"""What a subcategory is called: vendors write an English code, people read its name in their language."""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

import catalog
from marketplace.web.i18n import local

NAMES_FILE: Final = Path(catalog.__file__).resolve().parent / "data" / "subcategories.csv"


class SubcategoryName(msgspec.Struct, frozen=True):
    """The names of one code in both languages."""

    name_ko: str
    name_en: str


@cache
def read_subcategory_names() -> Mapping[str, SubcategoryName]:
    """The names by code, from `catalog/data/subcategories.csv`."""
    with NAMES_FILE.open(encoding="utf-8", newline="") as file:
        return {row["code"]: SubcategoryName(row["name_ko"], row["name_en"]) for row in csv.DictReader(file)}


def subcategory_name(code: str) -> str:
    """The name in the language of the request; a code that the table does not know is shown as it is."""
    names = read_subcategory_names().get(code)
    return code if names is None else local(names, "name")
