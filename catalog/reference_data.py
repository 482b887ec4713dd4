"""Data that ships with the catalog: what the technical properties of products are called and mean."""

import csv
import importlib.resources
import io
import tomllib
from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec

from catalog.core.cells import split_list
from catalog.core.program_terms import Programs
from catalog.core.spec_value import SpecDefinition

SPEC_DEFINITIONS = importlib.resources.files("catalog") / "data" / "spec_definitions.csv"
PROGRAM_TERMS = importlib.resources.files("catalog") / "data" / "program_terms.toml"


def read_programs() -> Programs:
    """The shipped terms of support programs. Raises ValueError for a file out of shape."""
    found = tomllib.loads(PROGRAM_TERMS.read_text(encoding="utf-8"))
    return msgspec.convert(found, Programs)


PROGRAMS: Final = read_programs()


def read_spec_definitions() -> tuple[SpecDefinition, ...]:
    """The shipped definitions, in the order of the file. Raises ValueError for a field out of shape."""
    text = SPEC_DEFINITIONS.read_text(encoding="utf-8-sig")
    return tuple(
        msgspec.convert(
            {
                "code": row["code"],
                "categories": _listed(row["category"]),
                "kind": row["kind"],
                "unit": row["unit"] or None,
                "name_ko": row["name_ko"],
                "name_en": row["name_en"],
                "better": row["better"] or None,
                "comparable": row["comparable"] == "yes",
                "filterable": row["filterable"] == "yes",
                "choices": _listed(row["values"]),
                "position": int(row["position"]),
                "required_for": _listed(row["required_for"]),
            },
            SpecDefinition,
        )
        for row in csv.DictReader(io.StringIO(text))
    )


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(split_list(cell)) if cell.strip() else ()


async def load_spec_definitions(conn: asyncpg.Connection) -> int:
    """Bring the table of definitions to what ships; return how many rows were new or different.

    A definition that is no longer shipped stays, because products may have it.
    """
    status = await conn.execute(
        """
        INSERT INTO spec_definitions AS d
            (code, categories, kind, unit, name_ko, name_en, better, comparable, filterable, choices, position,
             required_for)
        SELECT code, categories, kind, unit, name_ko, name_en, better, comparable, filterable, choices, position,
               required_for
        FROM jsonb_to_recordset($1::text::jsonb) AS f (
            code text, categories text[], kind text, unit text, name_ko text, name_en text, better text,
            comparable boolean, filterable boolean, choices text[], position integer,
            required_for text[])
        ORDER BY code
        ON CONFLICT (code) DO UPDATE SET
            categories = excluded.categories, kind = excluded.kind, unit = excluded.unit,
            name_ko = excluded.name_ko, name_en = excluded.name_en, better = excluded.better,
            comparable = excluded.comparable, filterable = excluded.filterable,
            choices = excluded.choices, position = excluded.position,
            required_for = excluded.required_for
        WHERE (d.categories, d.kind, d.unit, d.name_ko, d.name_en, d.better, d.comparable, d.filterable,
               d.choices, d.position, d.required_for)
              IS DISTINCT FROM
              (excluded.categories, excluded.kind, excluded.unit, excluded.name_ko, excluded.name_en,
               excluded.better, excluded.comparable, excluded.filterable, excluded.choices,
               excluded.position, excluded.required_for)
        """,
        msgspec.json.encode(read_spec_definitions()).decode(),
    )
    return int(status.rpartition(" ")[2])


async def list_spec_definitions(
    conn: asyncpg.Connection, *, required_for: Sequence[str] | None = None
) -> tuple[SpecDefinition, ...]:
    """The definitions in use, in the order that pages show them: all, or those that a category or subcategory
    among `required_for` has to state.
    """
    rows = await conn.fetch(
        """
        SELECT json_build_object(
            'code', code, 'categories', categories, 'kind', kind, 'unit', unit, 'name_ko', name_ko,
            'name_en', name_en, 'better', better, 'comparable', comparable, 'filterable', filterable,
            'choices', choices, 'position', position, 'required_for', required_for)::text
        FROM spec_definitions WHERE $1::text[] IS NULL OR required_for && $1
        ORDER BY position, code
        """,
        required_for,
    )
    return tuple(msgspec.json.decode(row[0], type=SpecDefinition) for row in rows)
