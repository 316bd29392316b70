"""One framework's process; the parent imports neither framework.

A worker that is killed, hangs or raises causes one WorkerError that names the framework, the network and the step; the
next call starts a new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from parity.catalogue.versions import REFUSED, too_old
from parity.system import ROOT, is_amd_with_avx2
from parity.workers.client import Client
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.interpreter import default_threads, interpreter_of, packages_folder
from parity.workers.liveness import Liveness
from parity.workers.reply import Reply
from parity.workers.scratch import Scratch

if TYPE_CHECKING:  # numpy is imported while the workers already start
    import numpy as np

    from parity.numerics.arrays import Arrays

PIPE_BYTES = 2**20  # the most that an ordinary user may set

LONGEST_START = 3600.0  # seconds of work before the first message

START_TIMEOUT = 180.0  # seconds; a first import of a framework from a slow disk may take a minute

CALL_TIMEOUT = 900.0  # seconds without a message and without use of a processor

LONGEST_SILENCE = 24 * 3600.0  # seconds of work without a message: more than any call needs


class Worker(Client):
    """One framework's process, started by the first call and again by the call after it died.

    Attributes:
        timeout: seconds without a message and without use of a processor, after which a call is given up.
        longest_silence: seconds without a message, however busy the worker is, after which a call is given up.
        verbs_module: of the framework's package, whose `VERBS` the process offers.
    """

    timeout = CALL_TIMEOUT
    longest_silence = LONGEST_SILENCE
    verbs_module = "verbs"
    replicas = 1  # processes that share a batch
    synchronised = False  # whether batch norm computes its statistics over all of them

    def __init__(self, framework: str, *, device: str = "cpu", threads: int | None = None, tf32: bool = False) -> None:
        self.framework = framework
        self.device = device
        self.threads = threads or default_threads()
        self._tf32 = tf32
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False  # whether the process has started and was set up
        self._replies: queue.SimpleQueue[tuple[dict[str, Any], Arrays] | None] = queue.SimpleQueue()
        self._log: Any = None
        self._call_lock = threading.RLock()  # held during a call; re-entrant, because a start makes a call of its own
        self._startup_log_bytes = 0  # printed by a successful start: left out of error messages
        self._scratch: Scratch | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that make the framework fastest on this processor; a user's own values are kept."""
        best = FRAMEWORKS[self.framework].amd_variables
        default = best if is_amd_with_avx2() else {}
        values = {name: os.environ.get(name) or default.get(name) for name in best}
        return {name: value for name, value in values.items() if value}

    @property
    def pid(self) -> int | None:
        """The process id while the worker lives."""
        return self._process.pid if self._process else None

    def call(
        self,
        verb: str,
        *,
        network: str | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
        on_progress: Callable[[dict[str, Any]], None] | None = None,
        **arguments: Any,
    ) -> Reply:
        """As the base class says; a process that died or was never started is started first."""
        header = {
            "verb": verb,
            "network": network,
            "arguments": arguments,
            "arrays": arrays is not None,
            "progress": on_progress is not None,
        }
        with self._call_lock:  # other threads wait: replies do not say to which call they belong
            try:
                if not self._ready:
                    self._start(network, verb)
                assert self._process is not None
                liveness = Liveness(self._process.pid, self.timeout, self.longest_silence)
                self._send(header, arrays, network, verb, liveness)
                while True:
                    message, out = self._next(network, verb, liveness)
                    if "progress" in message:
                        if on_progress is not None:
                            on_progress(message["progress"])
                    elif "error" in message:
                        raise WorkerError(self.framework, network, verb, "raised", _indented(message))
                    else:
                        return Reply(message["result"], out)
            except WorkerError:
                raise
            except BaseException:  # Ctrl-C, or `on_progress` raised: the next call must not read this one's reply
                self.stop()
                raise

    def begin(self) -> None:
        """Start the process without waiting: it imports its framework while the caller does something else.

        Never fails: the next call waits until the process is ready, and raises the error if there is one.
        """
        with self._call_lock:
            if self._process is None:
                try:
                    self._launch(None)
                except (OSError, WorkerError):  # the next call tries again, and raises
                    self.stop()

    def kill(self) -> None:
        """Kill the process without waiting for its end; `stop` waits."""
        process = self._process  # read once: another thread may be in `stop`
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the process; a later call starts a new one."""
        self.kill()
        process, self._process, self._ready = self._process, None, False
        if process is not None:
            process.wait()
            for stream in (process.stdin, self._log):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        scratch, self._scratch = self._scratch, None
        if scratch is not None:  # of a process that could not be started, too
            scratch.remove()

    def _launch(self, network: str | None) -> None:
        """Start the process, and do not wait for its first message. Raises WorkerError."""
        interpreter = interpreter_of(self.framework)
        self._log, self._startup_log_bytes = tempfile.TemporaryFile(), 0  # noqa: SIM115 (closed by stop)
        # A worker is killed, so it cannot remove the files that TensorFlow writes for every traced function.
        self._scratch = Scratch()
        self._replies = queue.SimpleQueue()
        try:
            self._process = subprocess.Popen(
                [interpreter, "-m", "parity.workers.serve", self.framework, self.verbs_module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=self._environment(interpreter),
                start_new_session=True,  # Ctrl-C is the parent's to handle
            )
        except OSError as error:
            self.stop()
            variable = FRAMEWORKS[self.framework].interpreter_variable
            install = FRAMEWORKS[self.framework].install
            detail = f"cannot start {interpreter}: {error}; correct or unset ${variable}, and there: {install}"
            raise WorkerError(self.framework, network, "start", "missing", detail) from None
        _enlarge_pipes(self._process.stdin, self._process.stdout)

    def _start(self, network: str | None, verb: str) -> None:
        """Wait until the process is ready; start it unless `begin` has. Raises WorkerError."""
        if self._process is None:
            self._launch(network)
        assert self._process is not None
        interpreter = interpreter_of(self.framework)
        threading.Thread(target=_forward_messages, args=(self._process.stdout, self._replies), daemon=True).start()
        message, _ = self._next(network, "start", Liveness(self._process.pid, START_TIMEOUT, LONGEST_START))
        if "error" in message:
            self.stop()
            missing = message.get("missing")
            if missing and missing.partition(".")[0] in FRAMEWORKS[self.framework].modules:
                detail = f"not installed for {interpreter}; install it with: {FRAMEWORKS[self.framework].install}"
            else:
                detail = _indented(message)
            raise WorkerError(self.framework, network, "start", "missing", detail)
        self._ready = True
        if verb != "setup":
            try:
                self.setup(self.device, self.threads)
            except WorkerError:
                self.stop()  # the next call must not find a worker that was never set up
                raise
            self._startup_log_bytes = os.fstat(self._log.fileno()).st_size

    def _environment(self, interpreter: str) -> dict[str, str]:
        assert self._scratch is not None
        root = str(ROOT)
        if interpreter != sys.executable:
            root = packages_folder(self._scratch.path)
        path = os.environ.get("PYTHONPATH")
        return (
            os.environ
            | self.variables
            | ({} if self._tf32 else {"NVIDIA_TF32_OVERRIDE": "0"})  # float32 means float32 on both sides
            | {
                "PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root,
                "OMP_NUM_THREADS": str(self.threads),
                "MKL_NUM_THREADS": str(self.threads),
                "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
                "PYTHONUNBUFFERED": "1",
                "PYTHONSAFEPATH": "1",  # no file of the working directory takes the place of one of Python's own
                "TMPDIR": str(self._scratch.path),
            }
        )

    def _send(
        self,
        header: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray] | None,
        network: str | None,
        step: str,
        liveness: Liveness,
    ) -> None:
        """Write a request; a worker that hangs before it has read it all is killed, which ends the write."""
        from parity.workers.protocol import write_message

        assert self._process is not None
        assert self._process.stdin is not None
        written, hung = threading.Event(), list[str]()

        def watch(pid: int) -> None:
            while not written.wait(liveness.interval):
                if why := liveness.check():
                    hung.append(why)
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)
                    return

        threading.Thread(target=watch, args=(self._process.pid,), daemon=True).start()
        try:
            write_message(self._process.stdin, header, arrays)  # type: ignore[arg-type]
        except OSError:
            raise (self._hung(network, step, hung[0]) if hung else self._died(network, step)) from None
        finally:
            written.set()

    def _next(self, network: str | None, step: str, liveness: Liveness) -> tuple[dict[str, Any], Arrays]:
        liveness.message_received()
        while True:
            try:
                message = self._replies.get(timeout=liveness.interval)
                break
            except queue.Empty:
                if why := liveness.check():
                    raise self._hung(network, step, why) from None
        if message is None:
            raise self._died(network, step)
        return message

    def _hung(self, network: str | None, step: str, why: str) -> WorkerError:
        log = self._log_tail()
        self.stop()
        detail = f"{why}; the worker was stopped{log}"
        return WorkerError(self.framework, network, step, "hang", detail)

    def _died(self, network: str | None, step: str) -> WorkerError:
        assert self._process is not None
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = None
        log = self._log_tail()
        if code == REFUSED and step == "start":
            detail = self._log_tail(lines=1).rpartition("\n")[2].strip()
            self.stop()
            return WorkerError(self.framework, network, step, "missing", detail)
        self.stop()
        # a Python too old to parse the code that checks its version
        if step == "start" and "SyntaxError" in log and (detail := too_old(interpreter_of(self.framework))):
            return WorkerError(self.framework, network, step, "missing", detail)
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = " (by the kernel, if memory is short)" if name == "SIGKILL" else ""
            detail = f"the worker was killed by {name}{hint}{log}"
        else:
            detail = f"the worker ended with exit code {code}{log}"
        return WorkerError(self.framework, network, step, "killed", detail)

    def _log_tail(self, lines: int = 8) -> str:
        """The last lines that the worker printed, indented for a message."""
        self._log.seek(max(self._startup_log_bytes, self._log.seek(0, os.SEEK_END) - 4000))
        tail = self._log.read().decode(errors="replace").strip().splitlines()[-lines:]
        return "; it last printed:\n    " + "\n    ".join(tail) if tail else ""


def _enlarge_pipes(*pipes: Any) -> None:
    """Make the buffers of pipes as large as the system allows: states of hundreds of megabytes go through them."""
    for pipe in pipes:
        with contextlib.suppress(AttributeError, OSError):  # the constant is Linux's, and a user's pipes are limited
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _forward_messages(stream: Any, replies: queue.SimpleQueue[tuple[dict[str, Any], Arrays] | None]) -> None:
    """Move messages from a worker's pipe to a queue, which can be waited on with a timeout; None marks the end."""
    from parity.workers.protocol import read_message

    with stream:
        while True:
            try:
                message = read_message(stream)
            except (OSError, ValueError):
                message = None
            replies.put(message)
            if message is None:
                return


def _indented(message: Mapping[str, Any]) -> str:
    """The error and the last frames of its traceback, indented for a message."""
    return "\n    ".join([message["error"], *message.get("frames", ())])
