"""Nothing that nayan reads may run: no pickle in any disguise, anywhere in the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "nayan"
MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
CALLS = {"eval", "exec", "torch.load", "torch.jit.load", "torch.package", "yaml.load", "yaml.unsafe_load"}


def name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def text_only(call: ast.Call) -> bool:
    """Return whether YAML is read as lists, mappings and texts: its BaseLoader builds nothing else."""
    return any(word.arg == "Loader" and name_of(word.value) == "yaml.BaseLoader" for word in call.keywords)


def offences(source: str) -> list[str]:
    """Return what a module does that could run code out of a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            package = node.module or ""
            found += [package] if package.partition(".")[0] in MODULES else []
            found += [name for alias in node.names if (name := f"{package}.{alias.name}") in CALLS]
        elif isinstance(node, ast.Call):
            found += [name_of(node.func)] if name_of(node.func) in CALLS and not text_only(node) else []
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if keyword.arg == "allow_pickle" and value is not False:
                    found.append("allow_pickle")
    return found


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_runs_code_out_of_a_file(path: Path) -> None:
    assert offences(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "from torch import load",
        "import marshal, json",
        "torch.load(path, weights_only=True)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "eval(text)",
        "exec(text)",
        "yaml.load(text, Loader=yaml.Loader)",
    ],
)
def test_this_test_would_notice(source: str) -> None:
    assert offences(source)


def test_harmless_calls_are_left_alone() -> None:
    assert offences("network.eval()\nnp.load(path, allow_pickle=False)\nyaml.safe_load(text)") == []
