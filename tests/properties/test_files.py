"""Laws of the digest of a model's files: what it depends on, and what not."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatewright.measure.holdout.files import digest

NAMES = st.text("abß .~", min_size=1, max_size=3).filter(lambda n: n not in (".", ".."))
FOLDERS = st.dictionaries(
    st.tuples(st.sampled_from(["", "data", "data/deep"]), NAMES), st.binary(max_size=4), max_size=4
)
Files = Mapping[tuple[str, str], bytes]


def digest_of(files: Files, chance: random.Random) -> str:
    """The digest of files that were written in any order, at any time, anywhere."""
    order = list(files.items())
    chance.shuffle(order)
    with tempfile.TemporaryDirectory() as folder:
        for (above, name), content in order:
            (Path(folder) / above).mkdir(parents=True, exist_ok=True)
            path = Path(folder) / above / name
            path.write_bytes(content)
            path.chmod(chance.choice((0o600, 0o644)))
            os.utime(path, (chance.randrange(10**9),) * 2)
        return digest(Path(folder))


@settings(max_examples=50, deadline=None)
@given(FOLDERS, FOLDERS, st.randoms())
def test_a_digest_stands_for_paths_and_contents_and_nothing_else(
    files: Files, others: Files, chance: random.Random
) -> None:
    """Fetched again it is the same; with a byte, a name or a file more or less it is another."""
    assert digest_of(files, chance) == digest_of(files, chance)
    assume(files != others)
    assert digest_of(files, chance) != digest_of(others, chance)


@settings(max_examples=50, deadline=None)
@given(FOLDERS.filter(bool), st.randoms(), st.integers(1, 255))
def test_one_byte_of_one_file_makes_another_digest(files: Files, chance: random.Random, by: int) -> None:
    """A weight is a few bytes."""
    key = chance.choice(sorted(files))
    content = bytearray(files[key] or b"\0")
    content[chance.randrange(len(content))] ^= by
    assert digest_of(files, chance) != digest_of({**files, key: bytes(content)}, chance)


def test_a_link_counts_as_what_it_says(tmp_path: Path) -> None:
    """Not as what it leads to, which lies outside of what was fetched."""
    (tmp_path / "model").mkdir()
    (tmp_path / "outside").write_bytes(b"1")
    link = tmp_path / "model" / "weights"
    link.symlink_to("../outside")
    before = digest(tmp_path / "model")
    (tmp_path / "outside").write_bytes(b"2")
    assert digest(tmp_path / "model") == before
    link.unlink()
    link.write_bytes(b"2")
    assert digest(tmp_path / "model") != before
