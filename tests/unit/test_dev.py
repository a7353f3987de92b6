"""The script that sets the project up: what it decides before it runs anything."""

from __future__ import annotations

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, for a project in a folder of the test's own."""
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    loader = SourceFileLoader("dev", str(ROOT / "dev"))
    spec = importlib.util.spec_from_loader("dev", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    for name in ("run", "dev"):
        (tmp_path / f"{name}.lock").write_text("some==1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "RUN", tmp_path / "run.lock")
    monkeypatch.setattr(module, "DEV", tmp_path / "dev.lock")
    return module


def set_up_before(dev: ModuleType, venv: Path, *locks: Path) -> None:
    """An environment that looks as if these locks had been installed in it."""
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    (venv / dev.STAMPS).write_text(dev.json.dumps([dev.stamp(lock) for lock in locks]))


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 6, 0), (2, 7, 18)])
def test_an_old_python_is_told_which_one_is_needed(dev: ModuleType, version: tuple[int, int, int]) -> None:
    """The message names what is needed, what was found, and a command to try."""
    found = ".".join(map(str, version))
    with pytest.raises(SystemExit, match=rf"3\.10 or newer is needed; this is {found}\. Try: python3\.10 dev"):
        dev.check_python(version)


@pytest.mark.parametrize("version", [(3, 10, 0), (3, 13, 1), (4, 0, 0)])
def test_a_newer_python_is_welcome(dev: ModuleType, version: tuple[int, int, int]) -> None:
    """Nothing is said."""
    dev.check_python(version)


def test_pips_settings_are_read_from_files_and_variables(dev: ModuleType) -> None:
    """Later lines win, as pip has it: variables come last."""
    told = (
        "global.index-url='https://mirror.example/simple'\n"
        "global.cert='/etc/one.pem'\n"
        "install.trusted-host='mirror.example'\n"
        ":env:.cert='/etc/two.pem'\n"
        "list.format='json'\n"
    )
    assert dev.parse_pip_settings(told) == {
        "index-url": "https://mirror.example/simple",
        "cert": "/etc/two.pem",
        "trusted-host": "mirror.example",
    }


def test_uv_learns_pips_settings(dev: ModuleType) -> None:
    """A mirror, a proxy and a certificate reach uv; what uv has no word for does not."""
    pip = {"index-url": "https://a/simple", "extra-index-url": "\nhttps://b\nhttps://c", "cert": "/x", "timeout": "9"}
    told = dev.uv_settings(pip, {})
    assert (told["UV_DEFAULT_INDEX"], told["UV_INDEX"], told["SSL_CERT_FILE"]) == (
        "https://a/simple",
        "https://b https://c",
        "/x",
    )
    assert "9" not in told.values()


def test_what_the_user_told_uv_wins(dev: ModuleType) -> None:
    """A variable that is set stays as it is."""
    assert "UV_DEFAULT_INDEX" not in dev.uv_settings({"index-url": "https://a"}, {"UV_DEFAULT_INDEX": "https://b"})


def test_a_second_set_up_does_nothing(dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that holds the lock is taken as it is."""
    set_up_before(dev, tmp_path / "venv", dev.RUN)
    monkeypatch.setattr(dev, "make_venv", lambda venv: pytest.fail("it was made again"))
    dev.set_up(dev.RUN, tmp_path / "venv")


@pytest.mark.parametrize("changed", ["run.lock", "pyproject.toml"])
def test_a_change_is_installed(dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    """Another lock, or another pyproject.toml, asks for another installation."""
    set_up_before(dev, tmp_path / "venv", dev.RUN)
    installed: list[str] = []
    monkeypatch.setattr(dev, "make_venv", lambda venv: None)
    monkeypatch.setattr(dev, "install", lambda arguments, venv, remedy: installed.append(str(arguments[-1])))
    (tmp_path / changed).write_text("another")
    dev.set_up(dev.RUN, tmp_path / "venv")
    assert installed == [str(dev.RUN)]
    dev.set_up(dev.RUN, tmp_path / "venv")
    assert installed == [str(dev.RUN)]


def test_an_environment_whose_python_is_gone_holds_nothing(dev: ModuleType, tmp_path: Path) -> None:
    """A system upgrade may take the Python away that the environment pointed at."""
    set_up_before(dev, tmp_path / "venv", dev.RUN)
    (tmp_path / "venv" / "bin" / "python").unlink()
    assert dev.read_stamps(tmp_path / "venv") == []


def test_a_python_without_ensurepip_is_told_the_package(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian ships Python without it."""
    monkeypatch.setattr(dev.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(dev.Failed, match="apt-get install python3-venv"):
        dev.make_venv(tmp_path / "venv")


def test_an_unknown_verb_is_a_usage_error(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the verbs that there are."""
    assert dev.main(["tset"]) == 2
    assert 'no such verb: "tset"; there is demo, test' in capsys.readouterr().err


def test_help_has_a_line_for_every_verb(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """And no verb at all is a question, not a mistake."""
    assert dev.main([]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in shown] == list(dev.VERBS)
    assert all(len(line.split()) > 4 for line in shown)


def test_a_failed_step_ends_with_its_remedy(
    dev: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 and one sentence, no traceback."""

    def broken(arguments: list[str]) -> None:
        raise dev.Failed("do this")

    monkeypatch.setitem(dev.VERBS, "test", broken)
    assert dev.main(["test"]) == 1
    assert capsys.readouterr().err == "\ndo this\n"
