"""What a worker can be asked for, by name: the whole interface of this package to the suite."""

from __future__ import annotations

from tf_impl import device, faults, optimizers, steps, timing, training
from tf_impl.kinds import registry
from tf_impl.user_models import user_models

VERBS = {
    verb.__name__: verb
    for verb in (
        device.setup,
        device.environment,
        device.settings,
        device.supports,
        steps.describe,
        steps.round_trip,
        steps.probe_layers,
        steps.probe_batch_norms,
        steps.probe_gradients,
        steps.stages,
        steps.layer_inputs,
        steps.predict,
        *training.loop.verbs,
        optimizers.repeated_updates,
        timing.subjects.start_timing,
        timing.subjects.time_steps,
        timing.time_transfer,
        faults.inject,
        faults.heal,
        *user_models.host.verbs,
        user_models.training_pass,
        registry.write_script,
        registry.write_repair,
        user_models.read_weights,
        user_models.write_weights,
    )
}
