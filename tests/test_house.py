"""The rules of the house that no linter knows: transactions, sizes, names of machines, SQL, states."""

import ast
import importlib
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, get_args

import asyncpg
import pytest

from group_buy.checks import INVARIANTS
from group_buy.core.charge import CHARGE_TRANSITIONS, ChargeState
from group_buy.core.order import ORDER_TRANSITIONS, Inspection, OrderState, RejectReason, StepKind
from group_buy.core.round import ROUND_TRANSITIONS, RoundState

Transitions: TypeAlias = Mapping[Any, frozenset[Any]]

ROOT = Path(__file__).parent.parent
PACKAGES = ("marketplace", "group_buy", "catalog", "search_config")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
FUNCTION_LINES_WITH_SQL_MAX = 100
CODE_SUFFIXES = {".py", ".sql", ".html", ".js", ".mjs", ".ts", ".toml"}
"""What FILE_LINES_MAX is about. Data, translations and the one style sheet may be longer."""

MAY_HOLD_A_POOL = {
    "group_buy/cards.py",
    "group_buy/paying.py",
    "group_buy/reconciling.py",
    "group_buy/settling.py",
}
"""Steps around a call to a payment provider: between their short transactions nobody may be kept waiting."""

RUNS_SQL = {"fetch", "fetchrow", "fetchval", "execute", "executemany", "cursor", "prepare"}
MINE_TO_READ = {
    ".py",
    ".sql",
    ".md",
    ".txt",
    ".toml",
    ".html",
    ".css",
    ".js",
    ".mjs",
    ".ts",
    ".json",
    ".csv",
    ".po",
    ".cfg",
    ".yaml",
    ".svg",
    "",
}
NOT_PREPARED = {
    ("marketplace/db.py", "migrate"): "several statements in one text: each migration runs it",
    ("marketplace/db.py", "_apply"): "the migrations themselves: every test's database is made of them",
    ("group_buy/checks.py", "check_invariants"): "the queries of INVARIANTS, which are prepared one by one",
}
"""SQL that is not a constant, by file and function, with what proves it instead."""

# Names are put together here, so that this file is not its own finding.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
    )
)
MACHINE_PATHS = re.compile(rf"(?<![\w.])/(?:{'|'.join(('work', 'root', 'home/[a-z]+', 'Users/[A-Za-z]+'))})/")


class Statement(NamedTuple):
    """One SQL text and where it stands; `text` None = not a constant."""

    file: str
    function: str
    line: int
    text: str | None


def package_files(*packages: str) -> list[Path]:
    return sorted(file for package in packages for file in (ROOT / package).rglob("*.py"))


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@cache
def repository_files() -> list[Path]:
    """Every file that is, or would be, committed."""
    listed = subprocess.run(
        [
            "git",
            "-c",
            f"safe.directory={ROOT}",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: what would be committed is not known")
    names = listed.stdout.decode().split("\0")
    return sorted(ROOT / name for name in names if name and (ROOT / name).is_file())


# -- texts ---------------------------------------------------------------------------------------------


def test_no_file_names_a_registry_or_a_path_of_somebodys_machine() -> None:
    found = []
    for file in repository_files():
        if file.suffix not in MINE_TO_READ:
            continue
        text = file.read_text(encoding="utf-8")
        found += [f"{name_of(file)}: {host}" for host in REGISTRY_HOSTS if host in text]
        found += [f"{name_of(file)}: {match[0]}" for match in MACHINE_PATHS.finditer(text)]
    assert found == []


def test_files_of_code_stay_below_400_lines() -> None:
    long = {
        name_of(file): count
        for file in repository_files()
        if file.suffix in CODE_SUFFIXES and not name_of(file).startswith("tests/")
        if (count := len(file.read_text(encoding="utf-8").splitlines())) > FILE_LINES_MAX
    }
    assert long == {}


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[int, int]:
    """How long a function is: all its lines, and those of Python, without long texts (SQL and its docstring)."""
    all_lines = range(function.lineno, (function.end_lineno or 0) + 1)
    texts = {
        line
        for node in ast.walk(function)
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
        for line in range(node.lineno + 1, node.end_lineno or 0)
    }
    return len(all_lines), len(set(all_lines) - texts)


def test_functions_stay_below_70_lines_and_below_100_with_their_sql() -> None:
    long = {
        f"{name_of(file)}:{function.name}": lines
        for file in package_files(*PACKAGES)
        for function in functions(parsed(file))
        if (lines := lines_of(function))
        and (lines[0] > FUNCTION_LINES_WITH_SQL_MAX or lines[1] > FUNCTION_LINES_MAX)
    }
    assert long == {}


# -- transactions --------------------------------------------------------------------------------------


def test_only_one_file_below_the_marketplace_opens_transactions() -> None:
    opening = {
        name_of(file)
        for file in package_files("group_buy", "catalog", "search_config")
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "transaction"
    }
    assert opening == {"group_buy/transactions.py"}


def test_only_steps_around_a_payment_provider_hold_a_pool() -> None:
    holding = {
        name_of(file)
        for file in package_files("group_buy", "catalog", "search_config")
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.ImportFrom) and node.module == "group_buy.transactions"
    }
    assert holding == MAY_HOLD_A_POOL


# -- SQL -----------------------------------------------------------------------------------------------


def statements() -> list[Statement]:
    """Every SQL text that the four packages hand to a connection."""
    return [found for file in package_files(*PACKAGES) for found in _statements_of(file)]


def _statements_of(file: Path) -> Iterator[Statement]:
    tree = parsed(file)
    owners = {id(node): function.name for function in functions(tree) for node in ast.walk(function)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        if node.func.attr in RUNS_SQL:
            text = _evaluated(node.args[0], file)
            yield Statement(name_of(file), owners.get(id(node), ""), node.lineno, text)


def _evaluated(argument: ast.expr, file: Path) -> str | None:
    """The text of a constant, or of an f-string of the module's constants; None where it depends on more."""
    if isinstance(argument, ast.Constant):
        return argument.value if isinstance(argument.value, str) else None
    module = name_of(file).removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    try:
        value = eval(  # noqa: S307 - an expression of our own sources
            compile(ast.Expression(argument), str(file), "eval"), dict(vars(importlib.import_module(module)))
        )
    except NameError:
        return None
    return value if isinstance(value, str) else None


def test_every_statement_is_a_constant_or_has_a_reason_not_to_be() -> None:
    unknown = {(found.file, found.function) for found in statements() if found.text is None}
    several = {("marketplace/db.py", "migrate")}
    assert unknown | several == set(NOT_PREPARED)


def prepared_statements() -> list[Statement]:
    known = [s for s in statements() if s.text is not None and (s.file, s.function) not in NOT_PREPARED]
    checks = [
        Statement("group_buy/checks.py", name, 0, f"{query} LIMIT 1") for name, query in INVARIANTS.items()
    ]
    return known + checks


async def test_every_statement_can_be_prepared_on_the_migrated_schema(conn: asyncpg.Connection) -> None:
    found = prepared_statements()
    assert len(found) > 150  # else the search for them is broken
    broken = []
    for statement in found:
        try:
            await conn.prepare(statement.text or "")
        except asyncpg.PostgresError as error:
            broken.append(f"{statement.file}:{statement.line} {statement.function}: {error}")
    assert broken == []


async def test_the_application_role_may_do_what_its_statements_ask(conn: asyncpg.Connection) -> None:
    """Privileges are looked at when a plan is started, which EXPLAIN does without running it."""
    if conn.get_server_version().major < 16:
        pytest.skip("EXPLAIN (GENERIC_PLAN) came with PostgreSQL 16")
    refused = []
    for statement in prepared_statements():
        if statement.file == "marketplace/db.py":
            continue  # the owner's
        try:
            await conn.execute(f"EXPLAIN (GENERIC_PLAN) {statement.text}")
        except asyncpg.PostgresError as error:
            refused.append(f"{statement.file}:{statement.line} {statement.function}: {error}")
    assert refused == []


# -- states --------------------------------------------------------------------------------------------


async def checked_words(conn: asyncpg.Connection, constraint: str) -> set[str]:
    """The words that a CHECK (… IN (…)) of this name allows."""
    definition = await conn.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1", constraint
    )
    return set(re.findall(r"'([a-z_]+)'::text", definition))


def reachable(transitions: Transitions, first: str) -> set[str]:
    seen, waiting = {first}, [first]
    while waiting:
        for state in transitions[waiting.pop()] - seen:
            seen.add(state)
            waiting.append(state)
    return seen


def ends(transitions: Transitions) -> set[str]:
    return {state for state, following in transitions.items() if not following}


def require_closed(transitions: Transitions, states: Iterable[str]) -> None:
    assert set(transitions) == set(states)
    assert frozenset().union(*transitions.values()) <= set(transitions)


async def test_the_states_of_a_round_are_the_same_in_code_and_schema(conn: asyncpg.Connection) -> None:
    require_closed(ROUND_TRANSITIONS, get_args(RoundState))
    assert await checked_words(conn, "rounds_state_is_known") == set(ROUND_TRANSITIONS)
    assert reachable(ROUND_TRANSITIONS, "draft") == set(ROUND_TRANSITIONS)
    assert ends(ROUND_TRANSITIONS) == {"settled", "carried_over", "released", "canceled"}


async def test_the_states_of_a_charge_are_the_same_in_code_and_schema(conn: asyncpg.Connection) -> None:
    require_closed(CHARGE_TRANSITIONS, get_args(ChargeState))
    assert await checked_words(conn, "charges_state_is_known") == set(CHARGE_TRANSITIONS)
    assert reachable(CHARGE_TRANSITIONS, "due") == set(CHARGE_TRANSITIONS)
    assert ends(CHARGE_TRANSITIONS) == {"released", "refunded"}


async def test_the_states_of_an_order_are_the_same_in_code_and_schema(conn: asyncpg.Connection) -> None:
    require_closed(ORDER_TRANSITIONS, get_args(OrderState))
    assert await checked_words(conn, "orders_state_is_known") == set(ORDER_TRANSITIONS)
    assert reachable(ORDER_TRANSITIONS, "placed") == set(ORDER_TRANSITIONS)
    assert ends(ORDER_TRANSITIONS) == {"closed"}
    assert await checked_words(conn, "orders_inspection_is_known") == set(get_args(Inspection))
    assert await checked_words(conn, "order_steps_kind_is_known") == set(get_args(StepKind))
    assert await checked_words(conn, "order_steps_reason_is_known") == set(get_args(RejectReason))
