"""What a worker can be asked for, by name: the whole interface of this package to the suite."""

from __future__ import annotations

from paddle_impl import device, steps

VERBS = {
    verb.__name__: verb
    for verb in (
        device.setup,
        device.environment,
        steps.describe,
        steps.round_trip,
        steps.probe_layers,
        steps.stages,
    )
}
