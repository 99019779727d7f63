"""The door: what `import nayan` offers, and that it costs nothing."""

from __future__ import annotations

import ast
import importlib
import tomllib
from pathlib import Path

import pytest

import nayan

ROOT = Path(__file__).resolve().parents[2]


def test_all_the_lazy_table_and_the_imports_for_type_checkers_agree() -> None:
    tree = ast.parse(Path(nayan.__file__).read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: node.module
        for node in ast.walk(guarded)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == nayan._ADDRESSES
    assert sorted(nayan.__all__) == sorted(nayan._ADDRESSES)


@pytest.mark.parametrize("name", nayan.__all__)
def test_every_public_name_leads_to_the_thing_itself(name: str) -> None:
    value = getattr(nayan, name)
    assert value.__name__ == name
    assert value.__module__ == nayan._ADDRESSES[name]
    assert value.__doc__


def test_importing_the_packages_explain_and_export_does_not_hide_the_verbs() -> None:
    package = importlib.import_module("nayan.explain")
    importlib.import_module("nayan.export")
    assert package.__name__ == "nayan.explain"
    assert callable(nayan.explain)
    assert callable(nayan.export)


def test_the_version_is_that_of_the_installed_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert nayan.__version__ == project["version"]


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        nayan.trian  # noqa: B018


def test_dir_lists_the_verbs() -> None:
    assert set(nayan.__all__) <= set(dir(nayan))
