"""What every surface says of a live split: until when to wait, and when nobody knows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatewright.decision import Decision, Reason
from gatewright.report.live import next_step, remarks
from gatewright.report.model import Split
from unit.report.examples import tried

RUNNING = tried()


@pytest.mark.parametrize(
    ("split", "says"),
    [
        (tried(rates=(0.71, 0.75)), "As it goes, it is decided about 2026-11-"),
        (RUNNING, "As it goes, it is not decided before it ends on 2026-11-28."),
        (
            replace(RUNNING, forecast=None),
            "It is too early to say when it is decided; it ends on 2026-11-28 at the latest.",
        ),
    ],
)
def test_a_split_that_runs_says_until_when_to_wait(split: Split, says: str) -> None:
    """Once, as the next step; not a second time among the remarks."""
    assert next_step(split).startswith(f"Wait. {says}")
    assert says not in " ".join(remarks(split))


def test_who_wanted_to_end_it_in_vain_is_told_too() -> None:
    """Among the remarks: the next step is another one."""
    refused = replace(RUNNING, decision=Decision("refused", Reason.LIVE_RUNNING))
    assert not next_step(refused).startswith("Wait. As")
    assert "As it goes, it is not decided before it ends on 2026-11-28." in list(remarks(refused))


def test_what_is_over_is_not_waited_for() -> None:
    """However it ended."""
    stopped = replace(RUNNING, decision=Decision("stopped", Reason.LIVE_KEPT))
    over = replace(RUNNING, decision=Decision("noop", Reason.NO_LIVE), forecast=None)
    for split in (stopped, over, tried(rates=(0.71, 0.6)), tried(share=0.13)):
        assert not any("As it goes" in line or "too early" in line for line in (next_step(split), *remarks(split)))
