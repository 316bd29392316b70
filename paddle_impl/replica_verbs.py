"""The verbs of a replica, by name: those of any worker, and a training that is shared with other replicas."""

from __future__ import annotations

from paddle_impl import data_parallel, faults, verbs
from paddle_impl.replica_faults import REPLICA_FAULTS
from parity.runtime.fault_session import FaultSession

session = FaultSession(
    data_parallel.ReplicaTrainer, data_parallel.loop, faults.LAYER_FAULTS, faults.TRAINING_FAULTS | REPLICA_FAULTS
)

VERBS = verbs.VERBS | {verb.__name__: verb for verb in (*data_parallel.loop.verbs, *session.verbs)}
