"""Looking for a container engine: what cannot be run is told apart from what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from real.container import BASE, find_engine


def put(folder: Path, name: str, script: str) -> None:
    """A program on the path."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of programs that there is."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_without_an_engine_nothing_is_said(path: Path) -> None:
    """It may be asked for, and its absence then be a failure."""
    assert find_engine() == ""


def test_an_engine_that_may_run_nothing_is_no_engine(path: Path) -> None:
    """Its last words are kept, for they tell what the machine forbids."""
    put(path, "podman", 'test "$1" != run || { echo trouble >&2; echo "cannot set rlimits" >&2; exit 126; }')
    assert find_engine() == "podman: cannot set rlimits; podman: cannot set rlimits"


def test_an_engine_without_a_base_image_is_none(path: Path) -> None:
    """No registry of images, and nothing to make one up with."""
    put(path, "docker", "test $1 = info")
    assert find_engine() == f"docker: {BASE} can be neither pulled nor made up"


def test_podman_is_tried_again_with_less(path: Path) -> None:
    """Where it may not do what it does by default; Docker without a daemon stands in nobody's way."""
    put(path, "docker", "exit 1")
    put(path, "podman", 'test "$1" != run || test -n "$CONTAINERS_CONF"')
    found = find_engine()
    assert not isinstance(found, str)
    assert (found.name, found.base, list(found.settings)) == ("podman", BASE, ["CONTAINERS_CONF"])
