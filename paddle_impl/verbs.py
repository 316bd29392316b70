"""What a worker can be asked for, by name: the whole interface of this package to the suite."""

from __future__ import annotations

from paddle_impl import device, steps, timing, training

VERBS = {
    verb.__name__: verb
    for verb in (
        device.setup,
        device.environment,
        device.settings,
        steps.describe,
        steps.round_trip,
        steps.probe_layers,
        steps.stages,
        training.start_training,
        training.warm_up,
        training.train_epoch,
        training.evaluate,
        training.digest_batches,
        training.export_training,
        timing.start_timing,
        timing.time_steps,
        timing.time_transfer,
    )
}
