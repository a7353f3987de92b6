"""Policy files as they lie on a disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewright.measure import PATHS
from gatewright.policy.load import read_policies
from gatewright.policy_files import read_files
from gatewright.problem import PolicyError, UsageError

GOOD = """version: 1
model: {model}
targets:
  staging: {{stage: Staging, checks: [signature]}}
"""


def test_files_that_are_no_text_hide_no_other_fault(tmp_path: Path) -> None:
    """Latin-1 and UTF-16 are told with their place, beside the errors of the files that can be read."""
    (tmp_path / "a.yaml").write_bytes(GOOD.format(model="gr\xfcn").encode("latin-1"))
    (tmp_path / "b.yaml").write_bytes(GOOD.format(model="b").encode("utf-16"))
    (tmp_path / "c.yaml").write_text("version: 2\n" + GOOD.format(model="c").partition("\n")[2])
    with pytest.raises(PolicyError) as caught:
        read_policies(read_files(tmp_path), PATHS)
    assert [str(p).removeprefix(f"{tmp_path}/") for p in caught.value.problems] == [
        "a.yaml:2:10: byte 0xfc is not UTF-8 text (save the file as UTF-8)",
        "b.yaml:1:1: this file is UTF-16 (save it as UTF-8)",
        "c.yaml:1:10: this version of the format is not known here (write version: 1)",
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_windows_ends_its_lines_and_begins_its_files_as_it_likes(tmp_path: Path, mark: bytes, end: str) -> None:
    """A byte order mark and carriage returns are no part of a policy."""
    (tmp_path / "p.yml").write_bytes(mark + GOOD.format(model="fraud").replace("\n", end).encode())
    (policy,) = read_policies(read_files(tmp_path), PATHS)
    assert (policy.model, policy.targets[0].place.line) == ("fraud", 4)


def test_a_place_without_a_policy_is_a_usage_error(tmp_path: Path) -> None:
    """Nothing there, nothing in it, or nothing that the system can look up."""
    for place, said in (
        (tmp_path / "policies", "there is no policy at"),
        (tmp_path, "holds no .yaml file"),
        (tmp_path / ("x" * 5000), "cannot be read: File name too long"),
    ):
        with pytest.raises(UsageError, match=said):
            read_files(place)
