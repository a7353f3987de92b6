"""Artifacts in a folder of this machine, where others may lay down what they like."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gatewright.connection.local import Folder
from gatewright.connection.refusal import Refused


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """Nobody ever writes to it: a run would hang until the workflow's own limit."""
    os.mkfifo(tmp_path / "MLmodel")
    with pytest.raises(Refused, match="no plain file"):
        Folder(str(tmp_path)).get("MLmodel", 100)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """It is named as what it is, like anything else that cannot be read."""
    (tmp_path / "MLmodel").mkdir()
    with pytest.raises(Refused):
        Folder(str(tmp_path)).get("MLmodel", 100)
