"""Which interpreter and libraries a model is loaded with: those of the gate, or its own."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatewright.canonical import digest_of
from gatewright.measure import mlmodel
from gatewright.measure.holdout.words import first_words, last_words
from gatewright.problem import Undetermined

#: longest file of requirements that is read
_MAX_BYTES = 1 << 20

#: what the worker itself needs; MLflow's smaller package leaves some of it out
_NEEDED = ("mlflow", "pandas", "pyarrow")

#: what the installer may know: where packages come from, and how to get there
_INSTALLER = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CACHE_HOME", "NETRC")
_INSTALLER_PREFIXES = ("UV_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")

#: pip's variables, which uv does not read, and its own of the same meaning
_OF_PIP = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_CERT": "SSL_CERT_FILE",
    "PIP_PROXY": "ALL_PROXY",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
}

#: an interpreter's version and the folders it lives in
_ASK = "import sys, platform as p; print(p.python_version(), sys.base_prefix, sys.base_exec_prefix, sep='\\n')"

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter with libraries.

    paths: folders of packages to add. readable: what else the worker must read. isolated: without the
    interpreter's own packages. warnings: how it differs from what the model was logged with.
    """

    python: Path
    paths: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    isolated: bool = False
    warnings: tuple[str, ...] = ()


def current(folder: Path) -> Environment:
    """The gate's own interpreter and libraries; warns where the model was logged with other versions."""
    user = [Path(p) for p in (site.getusersitepackages(),) if site.ENABLE_USER_SITE and p in sys.path]
    packages = [Path(p) for p in site.getsitepackages()] + user
    readable = (*_prefixes(), *packages, *_linked(packages))
    return Environment(Path(sys.executable), tuple(user), _existing(readable), False, mismatches(folder))


def of_model(folder: Path, *, cache: Path | None = None, timeout: float = 1800) -> Environment:
    """The model's own requirements, installed by uv from wheels alone: installing runs no code of theirs.

    Kept below `cache` under the digest of requirements and interpreter. Raises Undetermined.
    """
    wanted = requirements(folder)
    python, version, prefixes = _interpreter(folder)
    missing = [n for n in _NEEDED if n not in {_name(w) for w in wanted}]
    key = digest_of({"requirements": sorted(wanted), "python": version, "machine": platform.machine()})
    home = (cache or _cache()) / key.rpartition(":")[2][:32]
    if not home.is_dir():
        _install((*wanted, *missing), python, home, timeout)
    return Environment(python, (home,), _existing((*prefixes, home)), True)


def requirements(folder: Path) -> tuple[str, ...]:
    """The model's requirements, one a package, as its requirements.txt or conda.yaml says.

    Only names and versions: a model may not choose where packages come from. Raises Undetermined otherwise.
    """
    from packaging.requirements import Requirement

    found = []
    for line in _lines(folder):
        try:
            parsed = Requirement(line)
        except (ValueError, RecursionError):
            raise _refused(f"its requirement {_shown(line)} is not a name with versions") from None
        if parsed.url:
            raise _refused(f"its requirement {_shown(line)} names a place to download from")
        found.append(str(parsed))
    return tuple(dict.fromkeys(found))


def mismatches(folder: Path) -> tuple[str, ...]:
    """Sentences on how this environment differs from what the model was logged with."""
    try:
        wanted = requirements(folder)
    except Undetermined as e:
        return (f"{e.why}: the gate's libraries are used",)
    differences = [d for line in wanted if (d := _difference(line))]
    python = _python_of(folder)
    if python and python.split(".")[:2] != platform.python_version().split(".")[:2]:
        differences.insert(0, f"Python {python} (here {platform.python_version()})")
    if not differences:
        return ()
    more = len(differences) - _SHOWN
    listed = ", ".join(differences[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return (f"the model was logged with {listed}; environment: model would load it with its own libraries",)


def _difference(line: str) -> str:
    from packaging.requirements import Requirement

    wanted = Requirement(line)
    try:
        if wanted.marker is not None and not wanted.marker.evaluate():
            return ""
        here = importlib.metadata.version(wanted.name)
        if wanted.specifier.contains(here, prereleases=True):
            return ""
    except importlib.metadata.PackageNotFoundError:
        return f"{wanted.name} (absent here)"
    except ValueError:  # what was written is a requirement and makes no sense: `python_version ~= "abc"`
        return f"{_shown(line)} (cannot be compared)"
    return f"{wanted.name} {str(wanted.specifier).removeprefix('==')} (here {here})"


def _lines(folder: Path) -> tuple[str, ...]:
    """Requirement lines without comments and options; constraints are left to the versions that are given."""
    text = _read(folder / "requirements.txt")
    raw = _conda(folder) if text is None else text.splitlines()
    lines = [line.split(" #")[0].strip() for line in raw]
    lines = [line for line in lines if line and not line.startswith("#")]
    named = [line for line in lines if line.split()[0] in ("-c", "--constraint")]
    lines = [line for line in lines if line not in named] + [c for line in named for c in _constraints(folder, line)]
    options = [line for line in lines if line.startswith("-")]
    if options:
        raise _refused(f"its requirements hold the option {_shown(options[0])}")
    return tuple(lines)


def _constraints(folder: Path, line: str) -> list[str]:
    """MLflow writes `-c constraints.txt` for versions that must not be; they count as requirements here."""
    name = line.split(maxsplit=1)[1] if " " in line else ""
    if name != "constraints.txt":
        raise _refused(f"its requirements hold the option {_shown(line)}")
    return [c for c in (_read(folder / name) or "").splitlines() if c.strip() and not c.startswith("#")]


def _conda(folder: Path) -> list[str]:
    fields = _yaml(folder / "conda.yaml")
    listed = fields.get("dependencies")
    pip = [d["pip"] for d in listed if isinstance(d, dict) and "pip" in d] if isinstance(listed, list) else []
    return [line for lines in pip if isinstance(lines, list) for line in lines if isinstance(line, str)]


def _python_of(folder: Path) -> str:
    """The Python that the model was logged with, "" if it does not say."""
    python = _yaml(folder / "python_env.yaml").get("python")
    text = str(python) if isinstance(python, (str, int, float)) else ""
    return text if text.replace(".", "").isdigit() and len(text) < 12 else ""


def _interpreter(folder: Path) -> tuple[Path, str, tuple[Path, ...]]:
    """(interpreter, its version, the folders it lives in) of the minor version that the model wants."""
    wanted = _python_of(folder)
    minor = ".".join(wanted.split(".")[:2])
    if not wanted or minor == ".".join(platform.python_version_tuple()[:2]):
        return Path(sys.executable), platform.python_version(), _prefixes()[:2]
    found = _run([*_uv(), "python", "find", "--no-python-downloads", "--no-project", "--system", minor], 60)
    if found.returncode:
        raise Undetermined(
            "the model's own environment could not be made",
            f"it wants Python {wanted}, and there is none here",
            f"Install Python {minor} in the gate's image, or say environment: current.",
        )
    python = Path(found.stdout.decode().strip())
    told = _run([str(python), "-I", "-S", "-c", _ASK], 60).stdout.decode().splitlines()
    return python, told[0], tuple(map(Path, told[1:]))


def _install(wanted: Sequence[str], python: Path, home: Path, timeout: float) -> None:
    """Installs into a folder beside `home` that takes its name when it is whole."""
    home.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=home.parent, prefix=".draft-"))
    try:
        listed = draft / "requirements.txt"
        listed.write_text("".join(f"{w}\n" for w in wanted))
        target = draft / "packages"
        options = [
            "--no-build",
            "--no-config",
            "--compile-bytecode",  # once here, or at every start of a worker, which may not write
            "--python",
            str(python),
            "--target",
            str(target),
            "-r",
            str(listed),
        ]
        done = _run([*_uv(), "pip", "install", "--quiet", *options], timeout)
        if done.returncode:
            raise Undetermined(
                "the model's own environment could not be made",
                f'uv could not install its requirements: "{last_words(done.stderr)}"',
                "Every requirement must be there as a wheel; else say environment: current.",
            )
        target.chmod(0o755)
        with contextlib.suppress(FileExistsError, OSError):
            target.rename(home)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _run(argv: Sequence[str], timeout: float) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            argv,
            env=_installers(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        why = f"uv was not done within {timeout:g} s"
    except OSError as e:
        why = f"uv could not be started ({e.strerror})"
    raise Undetermined("the model's own environment could not be made", why, "Try again, or say environment: current.")


def _installers(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that say where packages come from, pip's in uv's words: no token of the registry or of GitHub."""
    told = {uv: variables[pip] for pip, uv in _OF_PIP.items() if variables.get(pip)}
    own = {n: v for n, v in variables.items() if n in _INSTALLER or n.upper().startswith(_INSTALLER_PREFIXES)}
    return {"UV_SYSTEM_CERTS": "true", "UV_PYTHON_DOWNLOADS": "never", **told, **own}


def _uv() -> list[str]:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise Undetermined(
            "the model's own environment could not be made",
            "uv is not installed",
            "Install uv beside Gatewright (pip install uv), or say environment: current.",
        )
    return [found]


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatewright" / "environments"


def _prefixes() -> tuple[Path, ...]:
    """Where this interpreter and its environment live."""
    return (Path(sys.base_prefix), Path(sys.base_exec_prefix), Path(sys.prefix), Path(sys.exec_prefix))


def _linked(packages: Iterable[Path]) -> tuple[Path, ...]:
    """The folders that `.pth` files name: packages installed for editing. Lines of code are left alone."""
    files = [f for folder in packages if folder.is_dir() for f in sorted(folder.glob("*.pth"))]
    named = [(f, line.strip()) for f in files for line in _lines_of(f)]
    return tuple(f.parent / line for f, line in named if line and not line.startswith(("#", "import")))


def _lines_of(file: Path) -> list[str]:
    """The lines of a file of ours, which may be a link: installers make them."""
    try:
        return file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def _existing(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(p for p in paths if p.is_dir()))


def _read(path: Path) -> str | None:
    try:
        return mlmodel.read_plain(path, _MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return None


def _yaml(path: Path) -> dict[str, Any]:
    return dict(mlmodel.parse((_read(path) or "").encode()).fields)


def _name(requirement: str) -> str:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    return str(canonicalize_name(Requirement(requirement).name))


def _shown(line: str) -> str:
    return f'"{first_words(line, 80)}"'


def _refused(why: str) -> Undetermined:
    return Undetermined(
        "the model's own environment could not be made", why, "Log the model with plain pip_requirements."
    )
