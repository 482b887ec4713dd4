"""Which column of ours a column of somebody's file is: by its name, by what was chosen before, by an alias.

What is only similar is suggested and never taken: a wrong guess would fill listings with wrong facts. Pure.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import msgspec
from msgspec import Struct
from rapidfuzz import fuzz

from catalog.core.header_aliases import aliases_of
from catalog.core.import_rows import RawRow, RawTable
from catalog.core.listing_columns import COLUMNS, SPEC_PREFIX
from catalog.core.listing_rows import ImportKind
from catalog.core.spec_value import SpecDefinition

ERROR_COLUMNS = ("오류", "error")
"""The column that a corrected file comes back with (Korean, English); an import leaves it out."""
SUGGESTION_SCORE_MIN = 72.0
"""Similarity in percent from which a column is suggested."""

_UNIT_IN_NAME = re.compile(r"(?P<name>.+?) ?[(\[](?P<unit>[^()\[\]]{1,15})[)\]]")
_BARE_NUMBER = re.compile(r"[±+-]?[0-9][0-9.,]*(?: ?(?:\.\.|~|–|—|-) ?[+-]?[0-9][0-9.,]*)?")


class HeaderColumn(Struct, frozen=True, kw_only=True):
    """One column of a file. `column` is ours, None where it is left out or (`is_unknown`) nobody knows.

    `unit` stands in the header ("가반 하중 (kg)") and is put behind numbers that come without one.
    `suggestion` is the most similar column of ours, to be confirmed by a person.
    """

    name: str
    column: str | None = None
    unit: str | None = None
    is_unknown: bool = False
    suggestion: str | None = None


class HeaderMapping(Struct, frozen=True):
    """The columns of one file, in its order."""

    columns: tuple[HeaderColumn, ...]

    @property
    def is_identity(self) -> bool:
        """Whether the file names its columns as we do."""
        return all(c.column == c.name and c.unit is None for c in self.columns if not c.is_unknown)

    @property
    def unknown(self) -> tuple[HeaderColumn, ...]:
        """Columns that somebody has to decide about."""
        return tuple(c for c in self.columns if c.is_unknown)


def column_names(kind: ImportKind, definitions: Mapping[str, SpecDefinition]) -> Iterator[str]:
    """Every column that files of this kind may have."""
    shape = COLUMNS[kind]
    yield from shape.names
    if shape.has_specs:
        yield from (SPEC_PREFIX + code for code in definitions)


def map_header(
    kind: ImportKind,
    names: Sequence[str],
    *,
    definitions: Mapping[str, SpecDefinition],
    choices: Mapping[str, str | None],
) -> HeaderMapping:
    """Map a header. `choices` are an organization's earlier ones: name in a file → our column, None = left out.

    A column of ours is taken once: by its own name before a choice, by a choice before an alias.
    """
    known = frozenset(column_names(kind, definitions))
    aliases = _aliases(kind, definitions)
    exact = {name: HeaderColumn(name=name, column=name) for name in names if name in known}
    found = dict(exact)
    taken: set[str | None] = set(exact)
    for look in (_chosen(choices, known), _by_alias(aliases, definitions)):
        for name in names:
            column = None if name in found else look(name)
            if column is not None and column.column not in taken:
                found[name] = column
                taken |= {column.column} - {None}
    return HeaderMapping(
        tuple(
            found.get(name)
            or HeaderColumn(name=name, is_unknown=True, suggestion=_similar(name, aliases, taken))
            for name in names
        )
    )


class _chosen(Struct, frozen=True):  # noqa: N801 - a function with its data
    choices: Mapping[str, str | None]
    known: frozenset[str]

    def __call__(self, name: str) -> HeaderColumn | None:
        if name.lower() in ERROR_COLUMNS:
            return HeaderColumn(name=name)
        if name not in self.choices:
            return None
        column = self.choices[name]
        if column is None:
            return HeaderColumn(name=name)
        return (
            HeaderColumn(name=name, column=column, unit=_unit_in(name, column))
            if column in self.known
            else None
        )


class _by_alias(Struct, frozen=True):  # noqa: N801 - a function with its data
    aliases: Mapping[str, str]
    definitions: Mapping[str, SpecDefinition]

    def __call__(self, name: str) -> HeaderColumn | None:
        column = self.aliases.get(_plain(name))
        if column is not None:
            return HeaderColumn(name=name, column=column)
        match = _UNIT_IN_NAME.fullmatch(name)
        column = self.aliases.get(_plain(match["name"])) if match else None
        # "단가(천원)" is no price in won: only specs, whose units are checked, may carry one in their name.
        if column is None or not column.startswith(SPEC_PREFIX):
            return None
        return HeaderColumn(name=name, column=column, unit=_unit_in(name, column))


def _unit_in(name: str, column: str) -> str | None:
    match = _UNIT_IN_NAME.fullmatch(name)
    return match["unit"] if match and column.startswith(SPEC_PREFIX) else None


def _aliases(kind: ImportKind, definitions: Mapping[str, SpecDefinition]) -> dict[str, str]:
    """Plain names → columns; a name that two columns have is nobody's."""
    found: dict[str, str] = {}
    for column in COLUMNS[kind].names:
        for alias in (column, *aliases_of(kind, column)):
            found.setdefault(_plain(alias), column)
    if COLUMNS[kind].has_specs:
        specs: dict[str, set[str]] = {}
        for code, definition in definitions.items():
            for alias in (code, definition.name_ko, definition.name_en):
                specs.setdefault(_plain(alias), set()).add(SPEC_PREFIX + code)
        for alias, columns in specs.items():
            if len(columns) == 1 and alias:
                found.setdefault(alias, *columns)
    return found


def _similar(name: str, aliases: Mapping[str, str], taken: set[str | None]) -> str | None:
    match = _UNIT_IN_NAME.fullmatch(name)
    plain = _plain(match["name"] if match else name)
    scores = [(fuzz.ratio(plain, alias), column) for alias, column in aliases.items() if column not in taken]
    score, column = max(scores, default=(0.0, None))
    return column if score >= SUGGESTION_SCORE_MIN else None


@cache
def _plain(name: str) -> str:
    """A name without spaces, punctuation and capitals: `Model-Name` and `모델 명` as `modelname` and `모델명`."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in unicodedata.normalize("NFC", folded) if char.isalnum())


def names_of(table: RawTable) -> tuple[str, ...]:
    """The columns of a table; where each row names its own, all that there are."""
    if table.columns is not None:
        return table.columns
    return tuple(dict.fromkeys(name for row in table.rows for name in row.cells))


def mapped(table: RawTable, mapping: HeaderMapping) -> RawTable:
    """The table under our names. Unknown columns keep theirs, so that the parser refuses them."""
    if mapping.is_identity:
        return table
    kept = [(c.name, c.column or c.name, c.unit) for c in mapping.columns if c.is_unknown or c.column]
    rows = tuple(
        RawRow(
            row.line,
            {
                column: f"{cell} {unit}" if unit and _BARE_NUMBER.fullmatch(cell) else cell
                for name, column, unit in kept
                if (cell := row.cells.get(name)) is not None
            },
        )
        for row in table.rows
    )
    columns = None if table.columns is None else tuple(column for _, column, _ in kept)
    return msgspec.structs.replace(table, columns=columns, rows=rows)
