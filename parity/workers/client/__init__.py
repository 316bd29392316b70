"""All requests to a worker, each a method with typed parameters and a typed result.

A worker's verbs are the functions that `paddle_impl/verbs.py` and `tf_impl/verbs.py` list; a method is named as its
verb, and so are its parameters. `tests/workers/test_client.py` holds both to that.
"""

from __future__ import annotations

from parity.workers.client.device import DeviceRequests
from parity.workers.client.faults import FaultRequests
from parity.workers.client.kinds import KindRequests
from parity.workers.client.models import ModelRequests
from parity.workers.client.recorded_models import RecordedModelRequests
from parity.workers.client.timing import TimingRequests
from parity.workers.client.training import TrainingRequests


class Client(
    DeviceRequests,
    ModelRequests,
    TrainingRequests,
    TimingRequests,
    RecordedModelRequests,
    KindRequests,
    FaultRequests,
):
    """The methods of every topic. A subclass defines how a request is sent: `Worker` sends it to its process.

    Every method raises WorkerError when the worker cannot be started, dies, hangs or raises. The error names the
    network; therefore methods take it even where the verb does not.

    Example::

        with Workers() as workers:
            description = workers["paddle"].describe("lenet5")
            states = workers.map(lambda worker: worker.round_trip("lenet5", state))
    """
