"""Exit 0 if this environment has this checkout and all that pyproject.toml asks for; say what is missing."""

import sys
import tomllib
from importlib import metadata, util
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def missing() -> list[str]:
    """Return the requirements of nayan[train,dev] that this environment does not meet."""
    if util.find_spec("packaging") is None:
        return ["packaging"]
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [Requirement(line) for line in [*project["dependencies"], *extras["train"], *extras["dev"]]]
    lacking = [str(requirement) for requirement in wanted if not _is_met(requirement)]
    nayan = util.find_spec("nayan")
    here = nayan is not None and nayan.origin is not None and Path(nayan.origin).is_relative_to(ROOT / "src")
    return lacking if here else [*lacking, f"nayan from {ROOT}"]


def _is_met(requirement: "Requirement") -> bool:  # noqa: F821 (packaging may be missing)
    try:
        return metadata.version(requirement.name) in requirement.specifier
    except metadata.PackageNotFoundError:
        return False


lacking = missing()
if lacking:
    sys.exit(f"to install: {', '.join(lacking)}")
