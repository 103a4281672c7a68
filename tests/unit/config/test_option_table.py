from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from repman.config.build import build
from repman.config.names import upstream_options
from repman.config.option import Kind, Scope
from repman.config.options import ALIASES, BY_NAME, OPTIONS
from repman.config.reference import render
from repman.config.values import coerce

PAGE = Path(__file__).parents[3] / "docs" / "options.md"
SHARED = [option for option in OPTIONS if option.name in upstream_options()]


def named(options):
    return pytest.mark.parametrize("option", options, ids=lambda option: option.name)


def test_names_are_unique_and_json_keys_too():
    assert len(BY_NAME) == len(OPTIONS)
    assert len({option.json_key for option in OPTIONS}) == len(OPTIONS)


@named(OPTIONS)
def test_rows_are_complete(option):
    assert option.group
    assert option.help.endswith((".", ")."))
    assert (option.kind is Kind.CHOICE) == bool(option.choices)
    assert (
        coerce(option, list(option.default) if isinstance(option.default, tuple) else option.default) == option.default
    )
    assert bool(option.because) == (option.upstream is not None)


@named(SHARED)
def test_json_keys_are_those_of_replication_manager(option):
    assert option.json_key == upstream_options()[option.name].json_key


@named(SHARED)
def test_every_different_default_is_named_with_its_reason(option):
    upstream = upstream_options()[option.name].default.strip('"')
    if option.upstream is not None:
        assert option.upstream == upstream
    assert (_text(option) == upstream) == (option.upstream is None)


def _text(option):
    shown = ",".join(option.default) if isinstance(option.default, tuple) else option.default
    if isinstance(shown, float):
        shown = int(shown) if shown.is_integer() else shown
    return str(shown).lower() if isinstance(shown, bool) else str(shown)


def test_aliases_lead_to_options_and_hide_none():
    for old, name in ALIASES.items():
        assert name in BY_NAME or name in upstream_options()
        assert old not in BY_NAME


def test_secrets_of_replication_manager_are_secrets_here():
    names = {
        "api-credentials",
        "api-credentials-external",
        "db-servers-credential",
        "onpremise-ssh-credential",
        "replication-credential",
    }
    ours = {"state-url", "link-source", "link-target", "link-token"}
    assert {option.name for option in OPTIONS if option.secret} == names | ours


def test_scopes_that_could_surprise():
    assert BY_NAME["monitoring-ticker"].scope is Scope.CLUSTER
    assert BY_NAME["api-credentials"].scope is Scope.SERVER


def test_the_reference_page_is_current():
    assert PAGE.read_text("utf-8") == render(), "run: python -m repman.config.reference > docs/options.md"


@named(OPTIONS)
def test_the_reference_page_is_complete(option):
    page = PAGE.read_text("utf-8")
    assert f"### `{option.name}`\n" in page
    if option.upstream is not None:
        differences = page.split("## Where our default differs")[1]
        assert f"| `{option.name}` |" in differences
        assert option.because in differences


@named([option for option in OPTIONS if option.name not in ("include", "monitoring-key-path")])
def test_an_option_has_an_effect_or_says_that_it_has_none(option):
    room = Path(inspect.getfile(build)).parent
    assert any(f'"{option.name}"' in path.read_text() for path in room.glob("build*.py")) != bool(option.inert)


_FILE_WORDS = re.compile(
    r"\b(arguments|bin|binary|cert|certificate|cmd|command|config|datadir|dir|directory|exec|executable|files?|folder|home"
    r"|hook|include|key|log|options|path|pidfile|program|rundir|scripts?|sharedir|socket|trigger|url)\b"
)
"""Words in a name by which an option may say what is run, read or written, or with which arguments."""
_HARMLESS_KINDS = (Kind.BOOL, Kind.INT, Kind.PORT, Kind.SECONDS, Kind.CHOICE)


@named(OPTIONS)
def test_what_names_programs_and_files_is_only_in_the_configuration_file(option):
    if option.kind in _HARMLESS_KINDS:
        assert not option.names_files
    elif _FILE_WORDS.search(option.name):
        assert option.only_in_file, "set names_files: who chooses what is run or read has the rights of repman"
