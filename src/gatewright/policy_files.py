"""Finding policy files on disk: a file, or every .yaml and .yml file of a folder."""

from __future__ import annotations

from pathlib import Path

from gatewright.problem import PolicyError, Problem, UsageError


def read_files(where: Path) -> dict[str, str]:
    """The text of each policy file by its name as the user would write it; raises what a user can repair."""
    if where.is_dir():
        files = sorted(p for p in where.iterdir() if p.suffix in (".yaml", ".yml") and p.is_file())
        if not files:
            raise UsageError(f"{where} holds no .yaml file", "write a policy there; see docs/policy.md")
    elif where.is_file():
        files = [where]
    else:
        raise UsageError(f"there is no policy at {where}", "name a file or a folder with --policy")
    texts, problems = {}, []
    for file in files:
        try:
            texts[str(file)] = file.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            problems.append(Problem(str(file), 0, 0, f"is not UTF-8 text (byte {error.start})", "save it as UTF-8"))
        except OSError as error:
            problems.append(Problem(str(file), 0, 0, f"cannot be read: {error.strerror}"))
    if problems:
        raise PolicyError(problems)
    return texts
