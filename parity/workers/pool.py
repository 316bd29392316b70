"""One process per framework; the only place that maps a framework's name to its package.

The parent imports neither framework. A worker that is killed, hangs or raises causes one WorkerError that names the
framework, the network and the step; the next call starts a new one.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from parity.catalogue.versions import REFUSED, too_old
from parity.printable import printable
from parity.system import ROOT, is_amd_with_avx2
from parity.workers.client import Client
from parity.workers.frameworks import FRAMEWORKS
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

Result = TypeVar("Result")

OWN_ENVIRONMENTS = "frameworks"  # a folder of this environment; in it one environment for each framework that has one


class WorkerError(Exception):
    """A worker that did not answer; the message names the framework, the network and the step.

    Attributes:
        framework: its name.
        network: what the request was about; None where there was none.
        step: the verb, or "start".
        cause: "missing" (framework not installed), "killed", "hang" or "raised".
        detail: what happened, without the names.
    """

    def __init__(self, framework: str, network: str | None, step: str, cause: str, detail: str) -> None:
        prefix = f"{FRAMEWORKS[framework].title}, network {network}" if network else FRAMEWORKS[framework].title
        detail = printable(detail)
        super().__init__(printable(f"{prefix}, step {step!r}: ") + detail)
        self.framework, self.network, self.step, self.cause, self.detail = framework, network, step, cause, detail


class WorkersError(WorkerError):
    """Several workers that did not answer; the attributes are those of the first error, the message names all."""

    def __init__(self, errors: Sequence[WorkerError]) -> None:
        Exception.__init__(self, "\n".join(str(error) for error in errors))
        self.errors = errors
        first = errors[0]
        self.framework, self.network, self.step = first.framework, first.network, first.step
        self.cause, self.detail = first.cause, str(self)


def interpreter_of(framework: str) -> str:
    """The path of the Python of a framework's worker.

    The one that the framework's environment variable names; else that of its own environment inside this one (made by
    `make setup EXTRA=gpu`); else the Python of this process.

    Args:
        framework: of `parity.workers.frameworks.FRAMEWORKS`.

    Returns:
        The path, which need not exist where the variable names it.
    """
    if named := os.environ.get(FRAMEWORKS[framework].interpreter_variable):
        return named
    own = Path(sys.prefix) / OWN_ENVIRONMENTS / framework / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def default_threads() -> int:
    """The number of CPUs that this process may use: the threads of each framework unless another number is given."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shared_threads(pairs: int = 1) -> int:
    """The threads of each framework where several work at the same time.

    Args:
        pairs: how many pairs of both frameworks.

    Returns:
        1 or more.
    """
    return max(1, default_threads() // (len(FRAMEWORKS) * pairs))


class Worker(Client):
    """One framework's process, started by the first call and again by the call after it died."""

    def __init__(self, framework: str, *, device: str = "cpu", threads: int | None = None) -> None:
        self.framework = framework
        self.device = device
        self.threads = threads or default_threads()
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
        timeout: float = CALL_TIMEOUT,
        longest: float = LONGEST_SILENCE,
        on_progress: Callable[[dict[str, Any]], None] | None = None,
        **arguments: Any,
    ) -> Reply:
        """Call a verb of the framework's package and wait for its reply: for the methods of `Client` alone.

        Args:
            verb: the function's name.
            network: what the call is about: given to verbs that take it, and named in errors.
            arrays: named arrays, for verbs that take some; None for others.
            timeout: seconds in which the worker sends nothing and uses no processor.
            longest: seconds in which the worker sends nothing, however busy it is.
            on_progress: called with each message on the way, for verbs that send some; None for others.
            arguments: all else, as plain JSON values.

        Raises:
            WorkerError: the worker did not answer.
        """
        header = {
            "verb": verb,
            "network": network,
            "arguments": arguments,
            "wants": "arrays" if arrays is not None else "",
            "progress": on_progress is not None,
        }
        with self._call_lock:  # other threads wait: replies do not say to which call they belong
            try:
                if not self._ready:
                    self._start(network, verb)
                assert self._process is not None
                liveness = Liveness(self._process.pid, timeout, longest)
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
                [interpreter, "-m", "parity.workers.serve", self.framework],
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
            root = _packages_folder(self._scratch.path)
        path = os.environ.get("PYTHONPATH")
        return (
            os.environ
            | self.variables
            | {
                "PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root,
                "OMP_NUM_THREADS": str(self.threads),
                "MKL_NUM_THREADS": str(self.threads),
                "NVIDIA_TF32_OVERRIDE": "0",  # float32 means float32 on both sides
                "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
                "PYTHONUNBUFFERED": "1",
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
        self._log.seek(self._startup_log_bytes)
        tail = self._log.read()[-4000:].decode(errors="replace").strip().splitlines()[-lines:]
        return "; it last printed:\n    " + "\n    ".join(tail) if tail else ""


class Workers:
    """The workers of both frameworks, by name, as a context manager that stops them.

    Args:
        frameworks: names, of `parity.workers.frameworks.FRAMEWORKS`.
        device: "cpu" or "gpu".
        threads: CPU threads of each; None: all cores.

    Example::

        with Workers(threads=1) as workers:
            logits = workers.map(lambda worker: worker.predict("lenet5", "float32", arrays))
    """

    def __init__(
        self, frameworks: Sequence[str] = tuple(FRAMEWORKS), *, device: str = "cpu", threads: int | None = None
    ) -> None:
        self._workers = {name: Worker(name, device=device, threads=threads) for name in frameworks}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __getitem__(self, framework: str) -> Worker:
        return self._workers[framework]

    def __iter__(self) -> Iterator[str]:
        return iter(self._workers)

    def begin(self) -> None:
        """Start every process without waiting, see `Worker.begin`.

        Raises:
            KeyboardInterrupt: Ctrl-C; no process is left then. A worker that cannot start raises with its next call.
        """
        try:
            for worker in self._workers.values():
                worker.begin()
        except BaseException:  # Ctrl-C
            self.stop()
            raise

    def stop(self) -> None:
        """End all processes at the same time, because the system needs a while to free the memory of a framework."""
        for worker in self._workers.values():
            worker.kill()
        for worker in self._workers.values():
            worker.stop()

    def map(self, job: Callable[[Worker], Result]) -> dict[str, Result]:
        """Run one job with every framework's worker at the same time, and wait for all before an error is raised.

        Args:
            job: called once with each worker, in threads.

        Returns:
            The results by framework.

        Raises:
            WorkerError: of one worker, or WorkersError of several.
            Exception: what else a job raises.

        Example::

            stages = workers.map(lambda worker: worker.stages("lenet5", "float64", arrays))
        """
        with ThreadPoolExecutor(len(self._workers)) as pool:
            futures = {name: pool.submit(job, worker) for name, worker in self._workers.items()}
            try:
                errors = [error for future in futures.values() if (error := future.exception()) is not None]
            except BaseException:  # Ctrl-C: end the workers, which ends the threads that wait for them
                self.stop()
                raise
        if len(errors) > 1 and all(isinstance(error, WorkerError) for error in errors):
            raise WorkersError([error for error in errors if isinstance(error, WorkerError)])
        if errors:
            raise errors[0]
        return {name: future.result() for name, future in futures.items()}


def _packages_folder(scratch: Path) -> str:
    """Make a folder with links to the packages that a worker imports, for a worker with another Python.

    Other packages that are installed beside the suite belong to the suite's Python, and a worker must not import them.
    """
    folder = scratch / "packages"
    folder.mkdir()
    for package in ("parity", *(framework.package for framework in FRAMEWORKS.values())):
        (folder / package).symlink_to(ROOT / package, target_is_directory=True)
    return str(folder)


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
