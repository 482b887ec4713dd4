"""The documents say what the program does: neither may know something that the other does not."""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints
from urllib.parse import unquote

import asyncpg
import pytest

import marketplace.payments.stripe_answers  # noqa: F401 - its subclasses are problems too
from group_buy.core.charge import CHARGE_TRANSITIONS
from group_buy.core.order import ORDER_TRANSITIONS, Inspection, RejectReason, StepKind
from group_buy.core.pledge import Pledge
from group_buy.core.round import ROUND_TRANSITIONS
from marketplace.app import create_app, list_routes
from marketplace.cli import build_parser
from marketplace.problems import PROBLEMS, describe, find_status, kebab
from marketplace.settings import Settings, environment_names
from marketplace.web.labels import LABELS
from search_config.embedded_engine import EmbeddedEngine

ROOT = Path(__file__).parent.parent
PACKAGES = ("marketplace", "group_buy", "catalog", "search_config")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ADR_FOLDER = ROOT / "docs" / "adr"
ADR_HEADINGS = ["Context", "Decision", "Consequences", "Alternatives", "References"]

GENERAL_PROBLEMS = {
    "invalid-request": 400,
    "not-signed-in": 401,
    "not-allowed": 403,
    "not-found": 404,
    "internal-error": 500,
}
"""Problems that `marketplace.problems.describe` makes of errors that are not in the table."""

VARIABLE = re.compile(r"`([A-Z]+_[A-Z_]+|CHROMIUM)`")
READS_VARIABLE = re.compile(r'environ(?:\.get\(|\[)"([A-Z_]+)"')
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PLACE = re.compile(r"`((?:marketplace|group_buy|catalog|search_config|tests|docs)/[\w./-]*)(::?(\w+))?`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@cache
def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def rows(page: str, *, under: str) -> list[list[str]]:
    """The cells of the tables below a heading, up to the next one, without their heads."""
    section = re.split(rf"^#+ {re.escape(under)}\n", read(ROOT / page), flags=re.MULTILINE)[1]
    lines = re.split(r"^#+ ", section, flags=re.MULTILINE)[0].splitlines()
    found = []
    for number, line in enumerate(lines):
        is_head = number + 1 < len(lines) and re.match(r"\|[\s:|-]+\|$", lines[number + 1])
        if line.startswith("|") and not is_head and not re.match(r"\|[\s:|-]+\|$", line):
            found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


# -- settings, problems, verbs, targets, routes --------------------------------------------------------


def test_every_setting_is_documented_with_its_default() -> None:
    documented = {codes(row[0])[0]: row[1].strip("`") for row in rows("docs/operations.md", under="Settings")}
    fields = {name: getattr(Settings(), name) for name in environment_names()}
    shown = {
        variable: "the demo's" if name == "secret_key" else str(fields[name]).lower() or "empty"
        for name, variable in environment_names().items()
    }
    assert documented == shown


def variables_of_tests() -> set[str]:
    sources = [file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py")]
    return {name for source in sources for name in READS_VARIABLE.findall(source)}


def test_variables_of_the_tests_are_documented() -> None:
    documented = {codes(row[0])[0] for row in rows("docs/testing.md", under="Environment")}
    assert documented == variables_of_tests()


def variables_of_the_build() -> set[str]:
    return set(READS_VARIABLE.findall(read(ROOT / "build_assets.py")))


@pytest.mark.parametrize("document", PAGES, ids=name_of)
def test_a_page_names_only_variables_and_constants_that_exist(document: Path) -> None:
    known = {*environment_names().values(), *variables_of_tests(), *variables_of_the_build(), *constants()}
    assert set(VARIABLE.findall(read(document))) <= known


@cache
def constants() -> set[str]:
    return {name for package in PACKAGES for file in (ROOT / package).rglob("*.py") for name in defined(file)}


def test_every_problem_is_documented_with_its_status() -> None:
    documented = {codes(row[0])[0]: int(row[1]) for row in rows("docs/api.md", under="Problems")}
    kinds = {found for kind in PROBLEMS for found in with_subclasses(kind)}
    known = {kebab(kind.__name__): find_status(kind.__new__(kind)) for kind in kinds} | GENERAL_PROBLEMS
    assert documented == {f"/problems/{name}": status for name, status in known.items()}


def with_subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for below in kind.__subclasses__():
        yield from with_subclasses(below)


def test_every_verb_is_documented() -> None:
    documented = {
        codes(row[0])[0].removeprefix("marketplace ") for row in rows("docs/operations.md", under="Commands")
    }
    [verbs] = [action for action in build_parser()._actions if action.dest == "verb"]
    assert documented == set(verbs.choices or ())


@pytest.mark.parametrize("document", PAGES, ids=name_of)
def test_a_page_uses_only_verbs_and_targets_that_exist(document: Path) -> None:
    [verbs] = [action for action in build_parser()._actions if action.dest == "verb"]
    commands = [*FENCE.findall(read(document)), *codes(FENCE.sub("", read(document)))]
    used = {verb for text in commands for verb in re.findall(r"(?:^|[\s/])marketplace ([a-z-]+)", text)}
    assert used <= set(verbs.choices or ())
    assert {
        target for text in commands for target in re.findall(r"(?:^|\s)make ([a-z-]+)", text)
    } <= targets()


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", read(ROOT / "Makefile"), flags=re.MULTILINE))


def test_every_make_target_is_documented() -> None:
    documented = {
        codes(row[0])[0].removeprefix("make ") for row in rows("CONTRIBUTING.md", under="Make targets")
    }
    assert documented == targets()


def test_every_address_for_programs_is_documented_with_its_audience(tmp_path: Path) -> None:
    app = create_app(Settings(), dsn="", engine=EmbeddedEngine(tmp_path), gateway=None)
    known = {
        (method, re.sub(r":\w+}", "}", path), handler.opt["audience"])
        for path, handler in list_routes(app)
        if path.startswith("/api/")
        for method in handler.http_methods - {"OPTIONS", "HEAD"}
    }
    documented = {(row[0], codes(row[1])[0], row[2]) for row in rows("docs/api.md", under="Addresses")}
    assert documented == known


# -- words and states ----------------------------------------------------------------------------------


def glossary() -> list[list[str]]:
    page = read(ROOT / "docs/glossary.md")
    headings = re.findall(r"^## (.+)$", page, flags=re.MULTILINE)
    return [row for heading in headings for row in rows("docs/glossary.md", under=heading)]


async def test_the_glossary_and_the_schema_know_the_same_tables(owner_conn: asyncpg.Connection) -> None:
    found = await owner_conn.fetch(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    )
    columns = {f"{row['table_name']}.{row['column_name']}" for row in found}
    tables = {row["table_name"] for row in found}
    named = {name for row in glossary() for name in codes(row[2])}
    assert named <= tables | columns
    assert tables - named == set()


async def test_no_table_is_called_what_the_glossary_forbids(owner_conn: asyncpg.Connection) -> None:
    found = await owner_conn.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    forbidden = {re.sub(r" \(.*\)", "", word).strip() for row in glossary() for word in row[3].split(",")}
    names = {f"{word.replace(' ', '_')}s" for word in forbidden} | {
        word.replace(" ", "_") for word in forbidden
    }
    allowed_elsewhere = {name for row in glossary() for name in codes(row[2])}
    assert {row["table_name"] for row in found} & (names - allowed_elsewhere) == set()


def test_every_word_of_the_glossary_is_said_in_korean_too() -> None:
    assert len(glossary()) > 50
    assert [row[0] for row in glossary() if len(row) != 4 or not re.search("[가-힣]", row[1])] == []


def diagram(heading: str) -> set[tuple[str, str]]:
    """The arrows of a state diagram in docs/money.md; `[*]` is the beginning and the end."""
    section = read(ROOT / "docs/money.md").split(f"### {heading}\n")[1].split("```")[1]
    return set(re.findall(r"^\s+(\S+) --> (\S+)$", section, flags=re.MULTILINE))


def arrows(transitions: Mapping[Any, frozenset[Any]], first: str) -> set[tuple[str, str]]:
    steps = {(state, following) for state in transitions for following in transitions[state]}
    return (
        steps
        | {("[*]", first)}
        | {(state, "[*]") for state, following in transitions.items() if not following}
    )


def test_the_diagrams_of_rounds_charges_and_orders_are_the_tables_in_code() -> None:
    assert diagram("Round") == arrows(ROUND_TRANSITIONS, "draft")
    assert diagram("Charge") == arrows(CHARGE_TRANSITIONS, "due")
    assert diagram("Order") == arrows(ORDER_TRANSITIONS, "placed")


async def test_the_diagram_of_pledges_has_the_states_of_code_and_schema(conn: asyncpg.Connection) -> None:
    hints = get_type_hints(Pledge)
    [outcome, _] = get_args(hints["outcome"])
    states, outcomes = set(get_args(hints["state"])), set(get_args(outcome))
    drawn = {state for arrow in diagram("Pledge") for state in arrow} - {"[*]"}
    assert drawn == states | outcomes
    for table, column, words in (("pledge_versions", "state", states), ("pledges", "outcome", outcomes)):
        definition = await conn.fetchval(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1",
            f"{table}_{column}_check",
        )
        assert set(re.findall(r"'([a-z_]+)'::text", definition)) == words


def test_every_state_has_a_word_for_people() -> None:
    assert set(LABELS["round_state"]) == set(ROUND_TRANSITIONS)
    assert set(LABELS["charge_state"]) == set(CHARGE_TRANSITIONS)
    assert set(LABELS["order_state"]) == set(ORDER_TRANSITIONS)
    words = {"order_step": StepKind, "inspection": Inspection, "reject_reason": RejectReason}
    assert {name: set(LABELS[name]) for name in words} == {
        name: set(get_args(w)) for name, w in words.items()
    }


# -- decisions -----------------------------------------------------------------------------------------


def decisions() -> list[Path]:
    return sorted(ADR_FOLDER.glob("[0-9]*.md"))


def test_decisions_are_numbered_and_listed() -> None:
    names = [page.name for page in decisions()]
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert re.findall(r"\((\d{4}-[a-z-]+\.md)\)", read(ADR_FOLDER / "README.md")) == names


@pytest.mark.parametrize("document", decisions(), ids=name_of)
def test_a_decision_has_its_five_headings_and_names_a_test(document: Path) -> None:
    assert re.match(rf"# {document.name[:4]} \S", read(document))
    assert re.findall(r"^## (.+)$", read(document), flags=re.MULTILINE) == ADR_HEADINGS
    assert "`tests/" in read(document).split("## References")[1]


def test_only_decisions_that_exist_are_spoken_of() -> None:
    numbers = {page.name[:4] for page in decisions()}
    sources = [
        file
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.suffix in {".py", ".sql", ".html"}
    ]
    spoken = {number for page in [*PAGES, *sources] for number in re.findall(r"\bADR (\d{4})\b", read(page))}
    assert spoken <= numbers


# -- links and places ----------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The fragments that a page offers: its headings, as the common renderers write them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", read(page)), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", PAGES, ids=name_of)
def test_links_between_documents_resolve(document: Path) -> None:
    broken = []
    for target in LINK.findall(FENCE.sub("", read(document))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = unquote(target).partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (fragment and fragment not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("document", PAGES, ids=name_of)
def test_files_functions_and_tests_that_a_page_names_exist(document: Path) -> None:
    missing = []
    for path, part, name in PLACE.findall(read(document)):
        file = ROOT / path
        if not file.exists() or (name and name not in defined(file)):
            missing.append(path + part)
    assert missing == []


@cache
def defined(file: Path) -> set[str]:
    """Functions, classes and constants of a module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(read(file))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def test_the_two_readmes_link_each_other_on_top() -> None:
    assert "](README.ko.md)" in "".join(read(ROOT / "README.md").splitlines(keepends=True)[:4])
    assert "](README.md)" in "".join(read(ROOT / "README.ko.md").splitlines(keepends=True)[:4])


def test_the_two_readmes_have_the_same_links_and_commands() -> None:
    english, korean = read(ROOT / "README.md"), read(ROOT / "README.ko.md")
    other = {"README.md", "README.ko.md"}
    assert set(LINK.findall(english)) - other == set(LINK.findall(korean)) - other
    assert [len(FENCE.findall(text)) for text in (english, korean)] == [2, 2]
    assert set(VARIABLE.findall(english)) == set(VARIABLE.findall(korean))
    assert headings_of(english) == headings_of(korean)


def headings_of(text: str) -> int:
    return len(re.findall(r"^## ", FENCE.sub("", text), flags=re.MULTILINE))


def test_general_problems_are_those_that_code_makes() -> None:
    source = inspect.getsource(describe)
    assert [name for name in GENERAL_PROBLEMS if name not in source] == []
