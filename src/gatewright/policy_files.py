"""Finding policy files on disk: a file, or every .yaml and .yml file of a folder."""

from __future__ import annotations

from pathlib import Path

from gatewright.policy.document import decode
from gatewright.problem import Problem, UsageError


def read_files(where: Path) -> dict[str, str | Problem]:
    """The text of each policy file by its name as the user would write it, or why it has none.

    Raises UsageError where there is no file at all.
    """
    try:
        files = _found(where)
    except OSError as error:
        raise UsageError(
            f"{where} cannot be read: {error.strerror}", "name a file or a folder with --policy"
        ) from error
    return {str(file): _text(file) for file in files}


def _found(where: Path) -> list[Path]:
    if where.is_file():
        return [where]
    if not where.is_dir():
        raise UsageError(f"there is no policy at {where}", "name a file or a folder with --policy")
    files = sorted(p for p in where.iterdir() if p.suffix in (".yaml", ".yml") and p.is_file())
    if not files:
        raise UsageError(f"{where} holds no .yaml file", "write a policy there; see docs/policy.md")
    return files


def _text(file: Path) -> str | Problem:
    try:
        return decode(str(file), file.read_bytes())
    except OSError as error:
        return Problem(str(file), 0, 0, f"cannot be read: {error.strerror}", "let whoever runs this read it")
