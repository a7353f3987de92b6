"""Which libraries a model is loaded with, and what is said where they are not those it was logged with."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gatewright.measure.holdout import environment
from gatewright.problem import Undetermined

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


def test_the_current_environment_is_this_interpreter_with_its_folders(tmp_path: Path) -> None:
    """All that the worker must be able to read, and each folder exists."""
    found = environment.current(tmp_path)
    assert (found.python, found.isolated) == (Path(sys.executable), False)
    assert any(Path(p) in found.readable for p in (sys.prefix, sys.base_prefix))
    assert all(folder.is_dir() for folder in found.readable)
