"""The policy file: what `init` writes is valid, what cannot be meant is refused and named."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from ntk_labelqa.cli.entry import run
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gate.policy import json_schema, read_policy, template

ROOT = Path(__file__).parents[2]


def every_check(text: str) -> str:
    """*text*, a template, with the checks that are commented out in place."""
    lines = text.splitlines()
    return "\n".join(line.removeprefix("# ") if line.startswith(OPTIONAL) else line for line in lines)


_KEYS = ("check", "at_most", "at_least", "rules", "accepted", "margin", "against")
OPTIONAL = ("# [[check]]", *(f"# {key} =" for key in _KEYS))


@pytest.mark.parametrize("text", [template(), every_check(template())], ids=["as written", "every check"])
def test_the_template_is_valid_by_the_code_and_by_the_schema(tmp_path, text: str) -> None:
    import jsonschema

    path = tmp_path / "labelqa.toml"
    path.write_text(text)
    policy = read_policy(path)
    schema = json.loads(json_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(tomllib.loads(text), default=str)))
    if text != template():
        assert {check.check for check in policy.checks} == set(
            schema["properties"]["check"]["items"]["discriminator"]["mapping"]
        )


def test_the_published_schema_is_current() -> None:
    published = (ROOT / "docs" / "reference" / "labelqa.schema.json").read_text()
    assert published == json_schema(), "Run: ntk-labelqa init --schema > docs/reference/labelqa.schema.json"


def test_every_check_and_key_is_documented() -> None:
    text = (ROOT / "docs" / "reference" / "policy.md").read_text()
    schema = json.loads(json_schema())
    keys = {key for model in schema["$defs"].values() for key in model["properties"]} | set(schema["properties"])
    checks = schema["properties"]["check"]["items"]["discriminator"]["mapping"]
    assert [name for name in (*checks, *sorted(keys)) if f"`{name}`" not in text] == []


def test_init_writes_once(tmp_path, monkeypatch, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    (tmp_path / "labelqa.toml").write_text("mine")
    assert run(["init"]) == 3
    assert (tmp_path / "labelqa.toml").read_text() == "mine"
    assert "is there already" in capfd.readouterr().err
    assert run(["init", "missing/labelqa.toml"]) == 3


COVERAGE = 'version = 1\n[[check]]\ncheck = "coverage"\nat_least = '


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = 1", "'check' is missing"),
        ("version = 1\ncheck = []", "'check': list should have at least 1 item"),
        ('[[check]]\ncheck = "coverage"\nat_least = 0.5', "'version' is missing"),
        ('version = 2\n[[check]]\ncheck = "coverage"\nat_least = 0.5', "'version': input should be 1"),
        ("version = 1\n[[check]]\nat_most = 1", "check 1: says not which check it is"),
        ("version = 1\n[check]\nat_most = 1", "'check': input should be a valid list"),
        (COVERAGE + "95", "less than or equal to 1"),
        (COVERAGE + "true", "check 1 (coverage): 'at_least'"),
        ('version = 1\n[[check]]\ncheck = "error_rate"\nat_most = nan', "check 1 (error_rate): 'at_most'"),
        (
            'version = 1\nminimum_item = 3\n[[check]]\ncheck = "coverage"\nat_least = 0.5',
            "did you mean 'minimum_items'?",
        ),
        (
            COVERAGE + '0.5\n[check.waiver]\nreason = " "\nexpires = 2030-01-01',
            "check 1 (coverage), waiver: 'reason'",
        ),
        (
            COVERAGE + '0.5\n[check.waiver]\nreason = "x"\nexpires = "soon"',
            "check 1 (coverage), waiver: 'expires': input should be a valid date",
        ),
        (
            COVERAGE + '0.5\n[check.scope]\nclass = "cat"',
            "check 1 (coverage): unknown key 'scope'",
        ),
        ("version = = 1", "is not TOML"),
        ("version = 1\n[[check]]\ncheck = {class = 3}", "check 1: unknown check"),
        ("version = 1\ncheck = [1]", "check: 0: input should be"),
        ('version = 1\n[[check]]\ncheck = "suspects"\nat_most = 1\nscope = 3', "check 1 (suspects): 'scope'"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, text: str, said: str) -> None:
    path = tmp_path / "labelqa.toml"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match="labelqa") as refused:
        read_policy(path)
    assert said in str(refused.value)


def test_a_file_that_is_missing_or_no_text(tmp_path) -> None:
    with pytest.raises(InvalidInputError, match="There is no policy"):
        read_policy(tmp_path / "labelqa.toml")
    (tmp_path / "labelqa.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInputError, match="is not TOML"):
        read_policy(tmp_path / "labelqa.toml")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_policy(tmp_path)


def test_a_policy_that_is_nested_without_end_is_refused(tmp_path) -> None:
    (tmp_path / "labelqa.toml").write_text("version = " + "[" * 5_000)
    with pytest.raises(InvalidInputError, match="nested too deep"):
        read_policy(tmp_path / "labelqa.toml")
