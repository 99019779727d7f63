"""`nayan check-bundle`: is a bundle what it was when it was written."""

from __future__ import annotations

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.val import Backend, Model
from nayan.core.errors import BundleError


def check_bundle(model: Model, /, *, backend: Backend = "auto", common: Common = COMMON) -> Output:
    """Check every file's digest, and that the model still gives the answer it gave when it was made.

    Exit code 4 if anything fails.
    """
    from nayan import api

    checks = api.check_bundle(model, backend=backend)
    passed = all(check.passed for check in checks)
    lines = [f"{'ok    ' if check.passed else 'FAILED'}  {check.name}: {check.detail}" for check in checks]
    records = [{"name": check.name, "passed": check.passed, "detail": check.detail} for check in checks]
    document = {"model": str(model), "passed": passed, "checks": records}
    return common.output(document, "\n".join(lines), exit_code=0 if passed else BundleError.exit_code)
