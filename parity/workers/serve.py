"""The inside of a worker process: `python -m parity.workers.serve FRAMEWORK MODULE`, called by `parity.workers.worker`.

MODULE is that of the framework's package whose `VERBS` it offers.
Reads a request from standard input, calls that verb, and writes the reply to standard
output; anything else that prints is turned to standard error. Ends when its input ends, in the middle of a verb too.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.abc
import importlib.util
import inspect
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any, BinaryIO

from parity.catalogue.versions import REFUSED, python_problem, version_problem

if __name__ == "__main__" and (problem := python_problem(sys.argv[1])):
    print(problem, file=sys.stderr)  # not even the protocol's needs may be there
    sys.exit(REFUSED)

from parity.error_causes import DEBUG, ForeignImportError, cause, frames
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.protocol import Arrays, read_message, write_message

Request = tuple[dict[str, Any], Arrays]


class ForeignImportBlocker(importlib.abc.MetaPathFinder):
    """Refuses the other framework's packages: both in one process end in a segmentation fault.

    A package that looks first whether the other framework is there finds that it is not installed, see `hide_foreign`.
    """

    def __init__(self, framework: str, foreign: Sequence[str]) -> None:
        self.framework, self.foreign = framework, foreign

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ForeignImportError for a foreign package, leave all others to the usual finders."""
        if fullname.partition(".")[0] in self.foreign:
            raise ForeignImportError(f"{fullname} must not be imported in the {self.framework} worker", name=fullname)
        return None


def hide_foreign(foreign: Sequence[str]) -> None:
    """Let the questions that a package asks before it imports a framework have the answer "not installed".

    Args:
        foreign: the other framework's packages.
    """
    import importlib.metadata  # which takes a while, and which the framework has imported by now

    find_spec, distribution = importlib.util.find_spec, importlib.metadata.distribution

    def find_other_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name.partition(".")[0] in foreign else find_spec(name, package)

    def other_distribution(distribution_name: str) -> importlib.metadata.Distribution:
        if distribution_name.lower().startswith(tuple(foreign)):
            raise importlib.metadata.PackageNotFoundError(distribution_name)
        return distribution(distribution_name)

    importlib.util.find_spec, importlib.metadata.distribution = find_other_spec, other_distribution


class ExtrasHider(importlib.abc.MetaPathFinder):
    """Hides libraries that a framework would import and does not need here, as if they were not installed."""

    def __init__(self, extras: Sequence[str]) -> None:
        self.extras = extras

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ModuleNotFoundError for such a library, leave all others to the usual finders."""
        if fullname.partition(".")[0] in self.extras:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


@contextlib.contextmanager
def quick_imports(extras: Sequence[str]) -> Iterator[None]:
    """Import a framework in half the time: without `extras`, and without garbage collection.

    A framework has some hundred thousand objects, none of which is garbage; the collector would visit all of them again
    and again. At the end they are frozen (`gc.freeze`), so that it never does. A user's own modules are imported later
    and find every library.
    """
    hider = ExtrasHider(extras)
    sys.meta_path.insert(0, hider)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        sys.meta_path.remove(hider)


def with_large_frame(function: Callable[[], None]) -> Callable[[], None]:
    """The function, with a frame so large that all frames of the calls below it fit in one piece of memory.

    CPython keeps frames in pieces of 16 KiB, and gives a piece back at each return from its first frame: a loop that
    calls at such a place maps and unmaps memory at each call. Importing TensorFlow did so 32,000 times, for a tenth of
    the time that it took. A piece is as large as its first frame needs, rounded up to a power of two: here 1 MiB.
    """
    code = function.__code__.replace(co_stacksize=2**16 + 1)  # in words of 8 bytes
    return FunctionType(code, function.__globals__, function.__name__)


def main() -> None:
    """Serve requests until the input ends."""
    framework, module = sys.argv[1:3]
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)  # what a framework prints must not end up between the messages

    foreign = [module for name, other in FRAMEWORKS.items() if name != framework for module in other.modules]
    sys.meta_path.insert(0, ForeignImportBlocker(framework, foreign))
    # numpy 2.3 and newer load this at its first use; after Paddle 2.6.2 that ends in a segmentation fault
    importlib.import_module("numpy.random")
    try:
        with quick_imports(FRAMEWORKS[framework].extras):
            if problem := version_problem(framework):
                write_message(replies, {"error": problem})
                return
            verbs = importlib.import_module(f"{FRAMEWORKS[framework].package}.{module}").VERBS
        hide_foreign(foreign)
    except ImportError as error:
        write_message(replies, {"error": cause(error), "missing": error.name, "frames": frames(error)})
        return
    except Exception as error:  # a framework that does not work with the installed numpy fails in many ways
        write_message(replies, {"error": cause(error), "frames": frames(error)})
        return
    waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests, waiting), daemon=True).start()
    write_message(replies, {"result": {"ready": True}})
    while True:
        serve(verbs, waiting.get(), replies)


def _receive(requests: BinaryIO, waiting: queue.SimpleQueue[Request]) -> None:
    """Read requests into a queue, so that the end of the input is noticed at once: then the parent has ended."""
    while (request := read_message(requests)) is not None:
        waiting.put(request)
    os._exit(0)  # an epoch may take hours, and its result is not needed any more


def serve(verbs: dict[str, Callable[..., Any]], request: Request, replies: BinaryIO) -> None:
    """Answer one request.

    Args:
        verbs: the functions of the framework, by name.
        request: a header with "verb", "network", "arguments", "arrays" (whether the verb takes some) and "progress";
            and the arrays.
        replies: where progress and the reply are written: {"result"} and arrays, or {"error", "frames"}.
    """
    header, arrays = request
    arguments = dict(header["arguments"])
    verb = verbs.get(header["verb"])
    if verb is None:
        write_message(replies, {"error": f"unknown verb {header['verb']!r}; known: {', '.join(verbs)}"})
        return
    if "network" in inspect.signature(verb).parameters:
        arguments["network"] = header["network"]
    if header["arrays"]:
        arguments["arrays"] = arrays
    if header["progress"]:
        arguments["progress"] = lambda **progress: write_message(replies, {"progress": progress})
    try:
        answer = verb(**arguments)
        result, out = answer if isinstance(answer, tuple) else (answer, {})
        write_message(replies, {"result": result}, out)
    except Exception as error:
        write_message(replies, explained(error))


def explained(error: Exception) -> dict[str, Any]:
    """An error as a message: of the suite's own errors the whole text, of others the cause and the last frames.

    With PARITY_DEBUG, the suite's own errors have frames too.
    """
    own = type(error).__module__.partition(".")[0] == "parity"
    text = f"{type(error).__name__}: {error}" if own else cause(error)
    return {"error": text, "frames": frames(error) if not own or DEBUG in os.environ else []}


if __name__ == "__main__":
    with_large_frame(main)()
