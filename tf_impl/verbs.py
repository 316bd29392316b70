"""The verbs of this package's workers, by name: its whole interface to the suite."""

from __future__ import annotations

from tf_impl import device, faults, optimizers, probes, timing, training
from tf_impl.kinds import registry
from tf_impl.user_models import recorded_model

VERBS = {
    verb.__name__: verb
    for verb in (
        *device.device.verbs,
        *probes.probes.verbs,
        *training.loop.verbs,
        optimizers.repeated_updates,
        *timing.timed_models.verbs,
        *faults.session.verbs,
        *recorded_model.models.verbs,
        registry.write_script,
    )
}
