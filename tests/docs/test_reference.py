"""The reference has everything: commands, columns, variables, exit codes, public names."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import ntk_labelqa
from ntk_labelqa import errors
from ntk_labelqa.audit_folder import ANNOTATION_COLUMNS, ITEM_COLUMNS, LATER_ITEM_COLUMNS
from ntk_labelqa.cli import entry, interrupts
from ntk_labelqa.findings import SCHEMAS
from ntk_labelqa.labelstudio.review import decisions, warning_decisions

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
VARIABLE = re.compile(r"_?[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")


def text(page: str) -> str:
    return (REFERENCE / page).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """What stands below *heading*, up to the next one."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text(page), re.DOTALL | re.MULTILINE)
    assert found, f"{page} has no section {heading}"
    return found[1]


def script(name: str) -> ModuleType:
    """A script of docs/scripts as a module."""
    found = importlib.util.spec_from_file_location(name, ROOT / "docs" / "scripts" / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_page_of_commands_is_current() -> None:
    written = script("cli_reference").page()
    assert text("cli.md") == written, "Run: python docs/scripts/cli_reference.py"


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_column_is_there(name: str) -> None:
    said = section("files.md", f"`{name}.parquet`")
    missing = [column for column in SCHEMAS[name] if f"`{column}`" not in said]
    assert not missing


@pytest.mark.parametrize(
    ("heading", "columns"),
    [
        ("`decisions.parquet` and `warning_decisions.parquet`", [*decisions.COLUMNS, *warning_decisions.COLUMNS]),
        (
            "`items.parquet` and `annotations.parquet`",
            [*ITEM_COLUMNS, *LATER_ITEM_COLUMNS, *ANNOTATION_COLUMNS, "item_region_id"],
        ),
    ],
)
def test_every_column_of_the_other_tables_is_there(heading: str, columns: list[str]) -> None:
    said = section("files.md", heading)
    assert not [column for column in columns if f"`{column}`" not in said]


def test_no_column_is_there_that_is_none() -> None:
    for name, schema in SCHEMAS.items():
        rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", section("files.md", f"`{name}.parquet`"), re.MULTILINE)
        assert {column for row in rows for column in re.findall(r"\w+", row)} == set(schema)


def test_every_variable_is_there() -> None:
    read = set()
    for folder in ("ntk_labelqa", "integrations"):
        for path in (ROOT / folder).rglob("*.py"):
            if not path.name.startswith("test_"):
                read |= set(variables(ast.parse(path.read_text(encoding="utf-8"))))
    assert {"LABEL_STUDIO_URL", "NTK_LABELQA_CACHE", "NTK_LABELQA_NOTIFY", "LABELQA_AUDIT", "HF_ENDPOINT"} <= read
    said = text("environment.md")
    assert not [name for name in sorted(read) if f"`{name}`" not in said]


def variables(module: ast.Module) -> Iterator[str]:
    """The environment variables that a module reads; of a name that is set in a loop, every variable it mentions."""
    named = dict(constants(module))
    for node in ast.walk(module):
        for key in keys(node):
            if isinstance(key, ast.Constant):
                yield key.value
            elif isinstance(key, ast.Name) and key.id in named:
                yield named[key.id]
            else:
                yield from (
                    one.value
                    for one in ast.walk(module)
                    if isinstance(one, ast.Constant) and isinstance(one.value, str) and is_ours(one.value)
                )


def is_ours(word: str) -> bool:
    return bool(VARIABLE.fullmatch(word)) and word.startswith(
        ("LABEL_STUDIO_URL", "LABEL_STUDIO_API", "LABELQA_", "HF_")
    )


def constants(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Names of strings at the top of a module."""
    for node in module.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
                for name, value in zip(names, values, strict=False):
                    if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                        yield name.id, value.value


def keys(node: ast.AST) -> Iterator[ast.expr]:
    """What *node* looks up in the environment, if it does."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and ast.unparse(node.value) == "os.environ":
        yield node.slice
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("os.environ.get", "os.getenv"):
        yield node.args[0]
    if isinstance(node, ast.keyword) and node.arg == "envvar":
        yield node.value


def test_every_exit_code_is_there() -> None:
    codes = {entry.COULD_NOT_RUN, entry.CLOSED_PIPE, interrupts.INTERRUPTED, interrupts.TERMINATED, 0, 1}
    codes |= {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type)}
    assert set(map(int, re.findall(r"^\| (\d+) \|", text("exit-codes.md"), re.MULTILINE))) == codes


def test_every_public_name_is_there() -> None:
    said = set(re.findall(r"^::: ntk_labelqa\.(\w+)$", text("api.md"), re.MULTILINE))
    assert said == set(ntk_labelqa.__all__) - {"__version__"}
