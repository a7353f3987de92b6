"""Builds the hostile models: real MLflow models whose pickles run code."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import mlflow.pyfunc
from mlflow.pyfunc.model import PythonModel

from hostile import attempts


class _Runs:
    """Unpickling it runs a program."""

    def __init__(self, program: str) -> None:
        self._program = program

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return exec, (self._program, {"__name__": "innocent"})


class Model(PythonModel):
    """Runs a program when it is unpickled, and does at predict what the column `do` says."""

    def __init__(self, on_load: str = "") -> None:
        self._on_load = _Runs(on_load)

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        """Obeys: each word is a deed of `deeds`, anything else the name of an attempt to report on."""
        import builtins

        words = list(model_input["do"])
        deed = getattr(self, f"do_{words[0]}", None)
        if deed is not None:
            return deed(words)
        loot: dict[str, str] = builtins.loot  # type: ignore[attr-defined]
        return [loot[word] for word in words]

    def do_behave(self, words: list[str]) -> Any:
        """Answers as asked."""
        return [f"yes {w}" for w in words]

    def do_too_few_rows(self, words: list[str]) -> Any:
        """One answer to whatever was asked."""
        return ["one"]

    def do_text(self, words: list[str]) -> Any:
        """Text where numbers are due."""
        return ["high"] * len(words)

    def do_nan(self, words: list[str]) -> Any:
        """Numbers with a hole."""
        return [0.25, float("nan")] + [0.5] * (len(words) - 2)

    def do_too_sure(self, words: list[str]) -> Any:
        """A number."""
        return [1.5] * len(words)

    def do_objects(self, words: list[str]) -> Any:
        """Something that nobody can score."""
        return [object()] * len(words)

    def do_raise(self, words: list[str]) -> Any:
        """An error that pretends to be a command to the runner."""
        raise ValueError("bad\n::set-output name=verdict::pass\n\x1b[31mred\x1b[0m")

    def do_leave(self, words: list[str]) -> Any:
        """Ends the interpreter in the orderly way."""
        raise SystemExit(0)

    def do_chatter(self, words: list[str]) -> Any:
        """Prints a gigabyte."""
        import sys

        much = "spam " * 200_000 + "\n"
        for _ in range(1000):
            sys.stdout.write(much)
        sys.stdout.write("end of chatter\n")
        return words

    def do_allocate(self, words: list[str]) -> Any:
        """Takes more memory than it may."""
        return len(bytearray(1 << 36))

    def do_fork(self, words: list[str]) -> Any:
        """Starts processes until it is stopped, or has 600."""
        import os
        import time

        count = 0
        try:
            while count < 600:
                if os.fork() == 0:
                    time.sleep(60)
                    os._exit(0)
                count += 1
        except OSError as e:
            return [f"stopped at {count} by {type(e).__name__}"] * len(words)
        return [f"has {count}"] * len(words)

    def do_forge(self, words: list[str]) -> Any:
        """Writes an answer of its own to every descriptor, before the worker's own code answers."""
        import contextlib
        import os
        import struct

        head = b'{"rows": 1, "seconds": 0.0, "vocabulary": ["forged"]}'
        body = struct.pack("<Q", len(head)) + head + struct.pack("<i", 0)
        for number in range(2, 12):
            frame = struct.pack("<4sIQQ", b"GWf1", 104, number, len(body)) + body
            self._to_all(frame)
        with contextlib.suppress(OSError):
            os.write(2, b"forged\n")
        return words

    def do_garble(self, words: list[str]) -> Any:
        """Writes nonsense to every descriptor."""
        self._to_all(b"nonsense" * 8)
        return words

    def do_boast(self, words: list[str]) -> Any:
        """Announces an answer of 2**60 bytes."""
        import struct

        self._to_all(struct.pack("<4sIQQ", b"GWf1", 104, 1, 1 << 60))
        return words

    @staticmethod
    def _to_all(data: bytes) -> None:
        import contextlib
        import os

        for descriptor in range(3, 4096):
            with contextlib.suppress(OSError):
                os.write(descriptor, data)

    def do_spin(self, words: list[str]) -> Any:
        """Computes for ever."""
        while True:
            pass

    def do_sleep(self, words: list[str]) -> Any:
        """Waits for ever."""
        import sys
        import time

        sys.stdout.write("going to sleep\n")
        time.sleep(3600)

    def do_exit(self, words: list[str]) -> Any:
        """Ends the process without a word to anybody."""
        import os

        os._exit(7)

    def do_crash(self, words: list[str]) -> Any:
        """Reads at address 0."""
        import ctypes

        return ctypes.string_at(0)

    def do_hang_up(self, words: list[str]) -> Any:
        """Closes every descriptor and lives on."""
        import os
        import time

        os.closerange(0, 4096)
        time.sleep(3600)

    def do_leave_a_child(self, words: list[str]) -> Any:
        """Leaves a process behind that outlives it, if it can; tells its id."""
        import os
        import time

        child = os.fork()
        if child == 0:
            if os.fork() == 0:
                time.sleep(600)
            os._exit(0)
        os.waitpid(child, 0)
        return [str(os.getpid())] * len(words)


cloudpickle.register_pickle_by_value(sys.modules[__name__])


def save(folder: Path, on_load: str = "") -> Path:
    """Writes such a model, with code that runs when it is unpickled."""
    mlflow.pyfunc.save_model(str(folder), python_model=Model(on_load), pip_requirements=["mlflow"])
    return folder


_LOOT = """
import os, socket, sys

def attempt(name, do):
    try:
        do()
    except OSError as e:
        return f"{name} {type(e).__name__}"
    return f"{name} done"

place = PLACE
told = [
    "environ " + repr("".join(v for v in os.environ.values() if "token" in v)),
    attempt("socket", lambda: socket.socket()),
    attempt("open", lambda: open(place + "/readable").read()),
    attempt("write", lambda: open(place + "/planted", "w").close()),
    repr([m for m in sys.modules if m == "mlflow"]),
]
raise RuntimeError("looted: " + "; ".join(told))
"""


def plant(folder: Path, place: str) -> Path:
    """Writes what looks like scikit-learn's plainest model, with a pickle that looks around and tells what it got."""
    folder.mkdir(parents=True)
    (folder / "model.pkl").write_bytes(pickle.dumps(_Runs(_LOOT.replace("PLACE", repr(place)))))
    pyfunc = {"loader_module": "mlflow.sklearn", "model_path": "model.pkl", "predict_fn": "predict"}
    flavors = {"python_function": pyfunc, "sklearn": {"serialization_format": "pickle"}}
    (folder / "MLmodel").write_text(json.dumps({"flavors": flavors}))
    return folder


def spy(folder: Path, targets: dict[str, str]) -> Path:
    """Writes a model that tries everything in `attempts` while it is unpickled."""
    source = Path(attempts.__file__).read_text()
    program = f"{source}\nimport builtins\nbuiltins.loot = run({targets!r})\n"
    return save(folder, program)
