"""What a hostile model can get and do, on this machine, through the real worker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gatewright.measure.holdout.scorer import LAYERS, Limits, Scorer
from gatewright.problem import Undetermined
from hostile import models
from hostile.conftest import SECRETS, TOKEN, Spying, batch
from real.process import absent

ROOT = os.getuid() == 0


@pytest.fixture(autouse=True, scope="module")
def walls(spying: Spying) -> None:
    """These tests are about all layers: a machine without one of them tests something else."""
    missing = [layer.name for layer in spying.scorer.layers if not layer.active]
    if missing:
        absent("sandbox", f"here is no {', '.join(missing)}: run as root on Linux with seccomp and Landlock")


def _denied(spying: Spying, attempt: str) -> bool:
    return spying.reports[attempt].startswith("denied: ") and TOKEN not in spying.reports[attempt]


def test_no_token_is_anywhere_in_what_a_spy_reports(spying: Spying) -> None:
    """Whatever it tried, at unpickling, no report holds the token that the gate had in its variables."""
    assert not [name for name, report in spying.reports.items() if TOKEN in report]


def test_its_environment_holds_only_what_is_on_the_list(spying: Spying) -> None:
    """A list of what is allowed, not of what is forbidden."""
    told = spying.reports["own_environment"].removeprefix("done: ").split()
    allowed = {"PATH", "LANG", "TZ", "HOME", "TMPDIR", "USER", "LOGNAME", "LD_LIBRARY_PATH"}
    others = {item.partition("=")[0] for item in told} - allowed
    assert others <= {
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS"),
        *(
            "LOKY_MAX_CPU_COUNT",
            "OMP_WAIT_POLICY",
            "MLFLOW_DISABLE_TELEMETRY",
            "MALLOC_ARENA_MAX",
            "ARROW_DEFAULT_MEMORY_POOL",
        ),
    }


@pytest.mark.parametrize(
    "attempt",
    [
        "first_environment",
        "parents_environment",
        "parents_memory",
        "parents_descriptors",
        "trace_the_parent",
        "read_the_parents_memory_directly",
    ],
)
def test_it_cannot_look_into_the_gate(spying: Spying, attempt: str) -> None:
    """Environment, memory and open files of the gate are closed, by name and by system call."""
    assert _denied(spying, attempt)


def test_no_open_file_of_the_gate_is_inherited(spying: Spying) -> None:
    """Not even one that was marked to be inherited: the only file it has open is its own pickle."""
    assert "secret" not in spying.reports["inherited_descriptors"]
    assert (
        spying.reports["inherited_descriptors"].count("/")
        == len(Path(spying.reports["inherited_descriptors"].split("'")[1]).parts) - 1
    )


@pytest.mark.parametrize(
    "attempt",
    [
        "internet",
        "internet_version_6",
        "datagrams",
        "netlink",
        "unix_socket_like_dockers",
        "redirect_a_pair",
        "redirect_a_raw_pair",
    ],
)
def test_it_cannot_speak_to_anybody(spying: Spying, attempt: str) -> None:
    """No socket at all, so not even the container engine's, which a runner mounts for everybody to see."""
    assert _denied(spying, attempt)
    assert spying.connections == 0


def test_a_connected_pair_of_sockets_is_allowed(spying: Spying) -> None:
    """Event loops need one, and it leads nowhere."""
    assert spying.reports["pair_of_sockets"] == "done: allowed"


@pytest.mark.parametrize(
    "attempt",
    [
        "write_into_the_workspace",
        "write_into_the_model",
        "write_into_the_libraries",
        "read_an_open_file_of_the_workspace",
        "read_a_private_file",
        "read_the_system",
        "leave_through_an_open_folder",
    ],
)
def test_it_sees_no_file_but_libraries_and_its_model(spying: Spying, attempt: str, workspace: Path) -> None:
    """Not even what every user of the machine may read or write."""
    assert _denied(spying, attempt)
    assert not (workspace / "planted").exists()


def test_it_may_write_into_its_scratch_folder(spying: Spying) -> None:
    """Libraries want a place for their caches; it is gone afterwards."""
    assert spying.reports["write_into_the_scratch_folder"].startswith("done")


@pytest.mark.parametrize("attempt", ["signal_the_parent", "signal_the_other_worker", "enter_the_other_workers_scratch"])
def test_it_cannot_disturb_the_gate_or_the_champion(spying: Spying, attempt: str) -> None:
    """Candidate and champion are different users: neither can stop the other or touch its files."""
    assert _denied(spying, attempt)


def test_it_has_no_power_and_cannot_gain_any(spying: Spying) -> None:
    """No capability, no group, and programs it starts have none either."""
    told = spying.reports["capabilities"]
    assert told == "done: CapEff=0000000000000000 CapPrm=0000000000000000 NoNewPrivs=1 Seccomp=2 Groups="
    assert spying.reports["user_of_a_program"] not in ("done: 0", f"done: {os.getuid()}")


@pytest.mark.parametrize(
    "attempt",
    [
        "become_root",
        "lift_a_limit",
        "limit_the_parent",
        "a_file_too_large",
        "user_namespace",
        "namespace_by_clone",
        "io_uring",
        "keyring",
        "bpf",
        "mount",
        "leave_the_process_group",
        "message_queue",
    ],
)
def test_the_kernel_refuses_the_ways_out(spying: Spying, attempt: str) -> None:
    """Interfaces that have been the beginning of many escapes are closed."""
    assert _denied(spying, attempt)


def test_the_layers_are_told_for_the_verdict(spying: Spying) -> None:
    """All of them by name, in one order; a reader sees which were active."""
    assert [layer.name for layer in spying.scorer.layers] == list(LAYERS)


def test_it_can_still_lie_about_its_own_predictions(puppet: Scorer) -> None:
    """What no sandbox prevents: the model answers what it likes, and is measured by it."""
    assert list(puppet.predict(batch("behave", "well")).labels) == ["yes behave", "yes well"]


@pytest.mark.parametrize(
    ("deed", "because"),
    [
        ("too_few_rows", "it predicted 1 rows for 3"),
        ("objects", "type object"),
        ("raise", "its own code raised ValueError: bad; : :set-output name=verdict: :pass; red"),
        ("leave", "its own code raised SystemExit"),
        ("allocate", "it ran out of the memory that it may use"),
    ],
)
def test_a_useless_answer_is_undetermined_with_the_reason(puppet: Scorer, deed: str, because: str) -> None:
    """The worker survives it and can be asked again."""
    with pytest.raises(Undetermined, match="fraud/3 could not be scored") as caught:
        puppet.predict(batch(deed, "b", "c"))
    assert because in caught.value.why
    assert puppet.predict(batch("behave")).labels[0] == "yes behave"


def test_printing_a_gigabyte_neither_blocks_nor_fills(puppet: Scorer) -> None:
    """Only the end is kept."""
    before = puppet._worker.printed
    assert list(puppet.predict(batch("chatter")).labels) == ["chatter"]
    assert puppet._worker.printed - before > 1_000_000_000
    assert len(puppet._worker.last_words) <= 600
    assert puppet._worker.last_words.endswith("end of chatter")


def test_a_fork_bomb_stops_at_its_limit(puppet: Scorer) -> None:
    """A hundred processes and threads were allowed; the machine's other users do not notice."""
    told = str(puppet.predict(batch("fork")).labels[0])
    assert told.startswith("stopped at ")
    assert int(told.split()[2]) < 100


def test_silence_ends_with_the_time_limit(deeds: dict[str, Any]) -> None:
    """The gate does not wait longer than it was told, and passes on what was said last."""
    error = deeds["sleep"][1]
    assert "it gave no answer within 6 s and was ended" in error.why
    assert "going to sleep" in error.why
    assert "timeout" in error.fix


def test_spinning_ends_with_the_processor_time(deeds: dict[str, Any]) -> None:
    """Where the clock is patient, processor time is not."""
    assert "it used up its 9 s of processor time" in deeds["spin"][1].why


def test_leaving_without_a_word_is_told_by_its_exit_code(deeds: dict[str, Any]) -> None:
    """os._exit in the middle of a batch."""
    assert "it ended itself with exit code 7" in deeds["exit"][1].why


def test_a_crash_is_told_with_the_place(deeds: dict[str, Any]) -> None:
    """A segmentation fault leaves the interpreter's traceback as last words."""
    assert "it crashed (SIGSEGV)" in deeds["crash"][1].why
    assert "Segmentation fault" in deeds["crash"][1].why


def test_hanging_up_is_noticed_at_once(deeds: dict[str, Any]) -> None:
    """A model that closes all descriptors and sleeps on is ended, not waited for."""
    assert "it closed its line to the gate" in deeds["hang_up"][1].why


def test_who_is_at_rest_computes_nothing(hostile: Path) -> None:
    """Nor does what it started: a child that spins while the champion is timed would make the champion look slow."""
    with Scorer.open(hostile, label="fraud/3", wants="label") as scorer:
        group = int(scorer.predict(batch("leave_a_child")).labels[0])
        assert len(_members(group)) == 2
        with scorer.at_rest():
            _until(lambda: {_state(pid) for pid in _members(group)} == {"T"})
        _until(lambda: "T" not in {_state(pid) for pid in _members(group)})
        assert scorer.predict(batch("behave")).labels[0] == "yes behave"


def test_who_is_at_rest_can_be_ended(hostile: Path) -> None:
    """Whatever goes wrong meanwhile, nobody is left behind."""
    with Scorer.open(hostile, label="fraud/3", wants="label") as scorer:
        pid = scorer._worker.pid
        with scorer.at_rest():
            scorer.close()
        assert not _alive([pid])


def test_nothing_that_it_started_outlives_it(deeds: dict[str, Any]) -> None:
    """A grandchild whose parent is gone is in the worker's group still, and ends with it."""
    scorer, answer = deeds["leave_a_child"]
    group = int(answer.labels[0])
    assert len(_members(group)) == 2
    scorer.close()
    assert not _alive(_members(group))


def test_nonsense_on_the_line_is_no_answer(deeds: dict[str, Any]) -> None:
    """The number of the line's descriptor is no secret: whoever writes to it is found out."""
    assert "what came back is not an answer of the worker" in deeds["garble"][1].why


def test_an_answer_too_large_is_not_waited_for(deeds: dict[str, Any]) -> None:
    """The parent knows how long an answer can be, and takes no memory for a longer one."""
    assert "an answer of 1152921504606846976 bytes" in deeds["boast"][1].why


def test_a_forged_answer_is_out_of_turn(deeds: dict[str, Any]) -> None:
    """A guessed number is refused; with the right one a model could only forge its own predictions."""
    assert "an answer to a question that was not asked" in deeds["forge"][1].why


@pytest.mark.parametrize(
    ("program", "because"),
    [
        ("import os; os._exit(3)", "it ended itself with exit code 3"),
        ("print('loading'); import time; time.sleep(600)", "it gave no answer within 8 s"),
        ("raise RuntimeError('no licence')", "its own code raised RuntimeError: no licence"),
    ],
)
def test_failing_while_it_loads_is_undetermined(tmp_path: Path, program: str, because: str) -> None:
    """Loading runs the model's code too, and is watched in the same way."""
    folder = models.save(tmp_path / "model", program)
    with pytest.raises(Undetermined, match="fraud/3 could not be loaded") as caught:
        Scorer.open(folder, label="fraud/3", wants="label", limits=Limits(timeout_seconds=8))
    assert because in caught.value.why


def test_a_pickle_that_needs_no_mlflow_is_opened_behind_the_same_walls(
    tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second way of loading has the sandbox around it before the first byte of the model is read."""
    for name in SECRETS:
        monkeypatch.setenv(name, TOKEN)
    folder = models.plant(tmp_path / "model", str(workspace))
    with pytest.raises(Undetermined) as caught:
        Scorer.open(folder, label="fraud/3", wants="label", bare=True).close()
    assert (
        "RuntimeError: looted: environ ''; socket PermissionError; open PermissionError; write PermissionError; []"
        in (caught.value.why)
    )


def test_the_scratch_folder_is_gone_afterwards(hostile: Path) -> None:
    """Also if the worker is ended before its model was loaded."""
    with Scorer.start(hostile, label="fraud/3", wants="label") as scorer:
        scratch = os.readlink(f"/proc/{scorer._worker.pid}/cwd")
        assert Path(scratch).exists()
    assert not Path(scratch).parent.exists()


def test_nothing_is_left_in_shared_memory(hostile: Path, tmp_path: Path) -> None:
    """Folders too: on a machine that runs for months they would fill its memory."""
    program = (
        "import os; os.mkdir(f'/dev/shm/left-{os.getuid()}'); open(f'/dev/shm/left-{os.getuid()}/x', 'w').write('x')"
    )
    with Scorer.open(models.save(tmp_path / "model", program), label="fraud/3", wants="label") as scorer:
        uid = os.stat(f"/proc/{scorer._worker.pid}/cwd/").st_uid
        assert Path(f"/dev/shm/left-{uid}").is_dir()
    assert not Path(f"/dev/shm/left-{uid}").exists()


_DIES = """
import os, signal, sys
from pathlib import Path
from gatewright.measure.holdout.scorer import Scorer
scorer = Scorer.start(Path(sys.argv[1]), label="m", wants="label")
scorer.wait()
scorer.submit(__import__("pyarrow").RecordBatch.from_pydict({"do": ["sleep"]}))
print(scorer._worker.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_does_not_outlive_a_killed_gate(hostile: Path) -> None:
    """Even a worker that sleeps in its model's code: nobody is left to end it but itself."""
    done = subprocess.run(
        [sys.executable, "-c", _DIES, str(hostile)], capture_output=True, env={**os.environ, **_path()}, check=False
    )
    worker = int(done.stdout)
    deadline = time.monotonic() + 20
    while _alive([worker]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive([worker])


def _path() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def _until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _members(group: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and os.getpgid(int(name)) == group:
                found.append(int(name))
    return found


def _alive(pids: list[int]) -> list[int]:
    """Those that still run; one that ended and was not yet buried does not."""
    found = []
    for pid in pids:
        with suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state not in "ZX":
                found.append(pid)
    return found
