"""Which libraries a model is loaded with, and what is said where they are not those it was logged with."""

from __future__ import annotations

import importlib.metadata
import io
import os
import platform
import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from gatewright.measure.holdout import environment
from gatewright.problem import Undetermined
from real.process import absent

HERE = importlib.metadata.version("numpy")
MINOR = ".".join(platform.python_version_tuple()[:2])

Logged = Callable[..., Path]


@pytest.fixture
def logged(tmp_path: Path) -> Logged:
    """Writes the files in which MLflow keeps a model's environment: (requirements, Python's version, …) → folder."""

    def write(requirements: str | None = "", python: str = "", **files: str) -> Path:
        if requirements is not None:
            (tmp_path / "requirements.txt").write_text(requirements)
        if python:
            (tmp_path / "python_env.yaml").write_text(f"python: {python}\ndependencies: [-r requirements.txt]\n")
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text)
        return tmp_path

    return write


def said(folder: Path) -> str:
    """The one warning about a folder, "" if there is none."""
    warnings = environment.current(folder).warnings
    assert len(warnings) <= 1
    return "".join(warnings)


def test_the_same_versions_need_no_warning(logged: Logged) -> None:
    """Nor does another patch of the same Python."""
    assert said(logged(f"numpy=={HERE}\npandas\n", f"{MINOR}.99")) == ""


def test_another_version_is_named_with_ours_and_with_the_remedy(logged: Logged) -> None:
    """The one sentence that tells a reader why the figures may differ from those of the training."""
    assert said(logged("numpy==0.1\n")) == (
        f"the model was logged with numpy 0.1 (here {HERE}); environment: model would load it with its own libraries"
    )


def test_a_library_that_is_not_here_is_absent(logged: Logged) -> None:
    """Loading will fail, and this is then the reason."""
    assert "no-such-library (absent here)" in said(logged("no-such-library==1.0\n"))


def test_another_python_comes_first(logged: Logged) -> None:
    """Pickles of code depend on it most."""
    told = said(logged("numpy==0.1\n", "3.4.1"))
    assert f"logged with Python 3.4.1 (here {platform.python_version()}), numpy 0.1" in told


@pytest.mark.parametrize("python", ["'3.4; rm'", "[3, 4]", "'3.4.1.2.3.4.5.6'", "null"])
def test_a_python_that_is_no_version_is_not_repeated(logged: Logged, python: str) -> None:
    """The author wrote the file."""
    assert said(logged("", python)) == ""


@pytest.mark.parametrize(
    "line",
    [
        "numpy",
        f"numpy>=1,=={HERE}",
        "numpy<1; python_version < '3'",
        f"  numpy=={HERE}  # as trained",
        "# numpy==0.1",
        f"numpy[extra]~={HERE}",
    ],
)
def test_what_holds_here_is_no_difference(logged: Logged, line: str) -> None:
    """Ranges, markers, comments and extras are read as pip reads them."""
    assert said(logged(line + "\n")) == ""


def test_five_differences_are_listed_and_the_rest_counted(logged: Logged) -> None:
    """A model may have been logged with hundreds of requirements."""
    told = said(logged("".join(f"no-such-{n}==1\n" for n in range(7))))
    assert "no-such-4 (absent here) and 2 more;" in told
    assert "no-such-5" not in told


def test_constraints_beside_the_requirements_count(logged: Logged) -> None:
    """MLflow writes the versions that must not be into a second file."""
    folder = logged("-c constraints.txt\nnumpy\n", constraints_txt="numpy<0.1\n")
    assert f"numpy <0.1 (here {HERE})" in said(folder)


def test_an_old_models_conda_file_is_read(logged: Logged) -> None:
    """MLflow before 1.21 wrote no requirements.txt."""
    conda = "dependencies:\n- python=3.8\n- pip\n- pip:\n  - numpy==0.1\n"
    assert f"numpy 0.1 (here {HERE})" in said(logged(None, conda_yaml=conda))


def test_a_folder_without_a_word_on_its_environment_is_no_difference(tmp_path: Path) -> None:
    """It may be very old, or made by hand."""
    assert said(tmp_path) == ""


REFUSED = [
    ("evil @ file:///etc/passwd", "names a place to download from"),
    ("evil @ git+https://example.org/x", "names a place to download from"),
    ("--index-url https://example.org", "hold the option"),
    ("-r /etc/passwd", "hold the option"),
    ("-c ../../constraints.txt", "hold the option"),
    ("./local.whl", "is not a name with versions"),
    ("numpy==1; import os", "is not a name with versions"),
]


@pytest.mark.parametrize(("line", "why"), REFUSED)
def test_what_cannot_be_compared_is_told(logged: Logged, line: str, why: str) -> None:
    """The worker runs all the same: with the gate's libraries, nothing of the text is used."""
    told = said(logged(line + "\n"))
    assert why in told and told.endswith(": the gate's libraries are used")


@pytest.mark.parametrize(("line", "why"), REFUSED)
def test_a_model_may_not_choose_where_packages_come_from(logged: Logged, line: str, why: str) -> None:
    """Where its requirements are installed, names and versions are all it may say."""
    with pytest.raises(Undetermined) as caught:
        environment.of_model(logged(line + "\n"))
    assert why in caught.value.why


@pytest.mark.parametrize("conda", ["[" * 5000, "&a [*a]", "dependencies: {pip: 1}", "\x00", "dependencies: [{pip: x}]"])
def test_a_hostile_conda_file_is_no_error(logged: Logged, conda: str) -> None:
    """It only says nothing then."""
    assert said(logged(None, conda_yaml=conda)) == ""


@pytest.fixture
def wheels(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place that uv may install from: wheels of a few lines, named as what the worker needs."""
    if not (Path(sys.executable).with_name("uv").exists() or shutil.which("uv")):
        absent("uv", "install uv beside Gatewright")
    folder = tmp_path_factory.mktemp("wheels")
    for name in ("mlflow", "pandas", "pyarrow", "tiny"):
        with ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            about = f"{name}-1.0.dist-info"
            wheel.writestr(f"{name}.py", "VERSION = 1\n")
            wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(folder / "cache"))
    return folder


def test_a_models_own_requirements_are_installed_once(logged: Logged, wheels: Path, tmp_path: Path) -> None:
    """With what the worker needs beside them; the second time they are there, whatever became of the source."""
    model, cache = logged("tiny==1.0\n"), tmp_path / "cache"
    first = environment.of_model(model, cache=cache)
    (home,) = first.paths
    assert first.isolated and home in first.readable
    assert {p.name for p in home.glob("*.py")} == {"mlflow.py", "pandas.py", "pyarrow.py", "tiny.py"}
    assert len(list(home.glob("__pycache__/*.pyc"))) == 4, "else each worker, which may not write, would compile them"
    shutil.rmtree(wheels)
    assert environment.of_model(model, cache=cache) == first


def test_other_requirements_are_another_environment(logged: Logged, wheels: Path, tmp_path: Path) -> None:
    """The folder's name is their digest."""
    one = environment.of_model(logged("tiny\n"), cache=tmp_path / "cache")
    assert environment.of_model(logged("tiny>=1\n"), cache=tmp_path / "cache").paths != one.paths


def test_a_package_that_is_source_alone_is_not_built(logged: Logged, wheels: Path, tmp_path: Path) -> None:
    """Building runs the package's own code, outside the sandbox."""
    ran = tmp_path / "ran"
    with tarfile.open(wheels / "sourced-1.0.tar.gz", "w:gz") as archive:
        for name, text in {
            "setup.py": f"open({str(ran)!r}, 'w')\n",
            "PKG-INFO": "Metadata-Version: 2.1\nName: sourced\nVersion: 1.0\n",
        }.items():
            entry = tarfile.TarInfo(f"sourced-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    with pytest.raises(Undetermined, match="the model's own environment could not be made") as caught:
        environment.of_model(logged("sourced\n"), cache=tmp_path / "cache")
    assert "uv could not install its requirements" in caught.value.why and "sourced" in caught.value.why
    assert not ran.exists()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_python_that_is_not_here_is_undetermined(logged: Logged, wheels: Path, tmp_path: Path) -> None:
    """Nothing is downloaded for it."""
    with pytest.raises(Undetermined) as caught:
        environment.of_model(logged("tiny\n", "3.4.1"), cache=tmp_path / "cache")
    assert caught.value.why == "it wants Python 3.4.1, and there is none here"


def test_the_installer_learns_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """It talks to the network, and needs only to know where packages come from."""
    for name in ("GITHUB_TOKEN", "MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY", "UV_OFFLINE", "https_proxy"):
        monkeypatch.setenv(name, "x")
    known = environment._installers(os.environ)
    assert {"UV_OFFLINE", "https_proxy"} <= set(known)
    assert not {"GITHUB_TOKEN", "MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY"} & set(known)


def test_the_installer_goes_where_pip_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uv does not read pip's variables; its own count for more."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://packages.example/simple")
    monkeypatch.setenv("PIP_CERT", "/certificates.pem")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("SSL_CERT_FILE", "/own.pem")
    known = environment._installers(os.environ)
    assert known["UV_DEFAULT_INDEX"] == "https://packages.example/simple"
    assert known["SSL_CERT_FILE"] == "/own.pem"
    assert "UV_INDEX" not in known and "PIP_CERT" not in known


def test_the_current_environment_is_this_interpreter_with_its_folders(tmp_path: Path) -> None:
    """All that the worker must be able to read, and each folder exists."""
    found = environment.current(tmp_path)
    assert (found.python, found.isolated) == (Path(sys.executable), False)
    assert any(Path(p) in found.readable for p in (sys.prefix, sys.base_prefix))
    assert all(folder.is_dir() for folder in found.readable)


@pytest.mark.parametrize(
    "line",
    [
        "numpy; python_version ~= 'abc'",
        "numpy>=" + "9" * 5000,
        "numpy; " + "(" * 5000 + "python_version == '3'" + ")" * 5000,
    ],
)
def test_a_requirement_that_makes_no_sense_is_told_and_ends_nothing(logged: Logged, line: str) -> None:
    """Whoever made the model wrote it: a warning, never an exception of somebody else's library."""
    assert "numpy" in said(logged(line))


@pytest.mark.parametrize(
    "text", ["a: !!bool x\n", "a: !!timestamp x\n", "a: !!float\n", "dependencies: [{pip: [[x]]}]\n"]
)
def test_a_hostile_conda_file_names_no_requirement(logged: Logged, text: str) -> None:
    """It is read as carefully as the MLmodel file beside it."""
    assert said(logged(None, conda_yaml=text)) == ""


def test_what_a_link_points_at_is_not_quoted(logged: Logged, tmp_path: Path) -> None:
    """The gate may read what the model's author may not: a link would put its first line into the report."""
    (tmp_path / "netrc").write_text("machine registry login gate password hunter2\n")
    folder = logged(None)
    (folder / "requirements.txt").symlink_to(tmp_path / "netrc")
    assert "hunter2" not in said(folder)


def test_a_pipe_in_a_models_folder_is_not_waited_for(logged: Logged) -> None:
    """Nobody ever writes to it."""
    folder = logged(None)
    os.mkfifo(folder / "requirements.txt")
    assert said(folder) == ""
