"""Parsing a scoring script before it is sent, so that a slip is told at once."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

from mesh.errors import SpecError
from mesh.spec.deployment import DeploymentSpec


def check_script(spec: DeploymentSpec) -> None:
    """Refuse a scoring script that is not Python.

    Only syntax is looked at: `init` and `run` may come from an import. A deployment with an
    interpreter of its own may use a newer syntax than ours, so its script is not looked at.

    Raises:
        SpecError: the script cannot be parsed.
    """
    if spec.code_configuration is None or spec.mesh.python is not None:
        return
    path = Path(spec.code_configuration.code) / spec.code_configuration.scoring_script
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(path.read_bytes(), filename=str(path))
    except OSError as exc:
        raise SpecError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
    except (SyntaxError, ValueError) as exc:
        line = getattr(exc, "lineno", None) or 1
        reason = getattr(exc, "msg", None) or str(exc)
        raise SpecError(
            f"{path}:{line}: is not Python: {reason} (--skip-script-validation sends it anyway)"
        ) from exc
