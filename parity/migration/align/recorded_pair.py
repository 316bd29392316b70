"""A user's two models: opened, recorded, put together by their values, and run on the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from parity.catalogue.targets import TargetError
from parity.catalogue.user_models import ModelSpec
from parity.data.dataset import Dataset
from parity.migration.align.array_maps import own_pieces
from parity.migration.align.closeness import Closeness, coarsest
from parity.migration.align.found import Alignment
from parity.migration.align.laws import law_for
from parity.migration.align.recorded_graph import RecordedGraph
from parity.migration.align.walk import Walk
from parity.migration.prove.inputs import InputSet
from parity.migration.specs import FIRST, SECOND, unknown_names
from parity.numerics.arrays import Arrays
from parity.numerics.signature import Signature
from parity.numerics.tolerance import Roundings
from parity.weights.parts import Pieces
from parity.weights.random_arrays import Law, enlarged
from parity.workers.client.recorded_models import OpenModel
from parity.workers.errors import WorkerError, WorkersError
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers
from parity.workers.worker import Worker

Outputs = list[tuple[str, np.ndarray]]  # of a model: path ("" for a single one) and numbers of each


@dataclass
class RecordedPair:
    """Two models under a name that both workers know.

    Attributes:
        workers: one for each framework.
        specs: by framework, the model to build and its inputs; of float32 where `open` found that they need it.
        dataset: real images for inputs [h, w, 1 or 3]; None draws random inputs instead.
        seed: of the weights.
        layers: names of TensorFlow layers to names of the Paddle layers that correspond to them; the others are found.
        opened: by framework, its arrays and the order of axes of its inputs.
        graphs: by framework, the recorded run on which they were put together last.
        signatures: of the TensorFlow values of that run.
        alignment: how the two were put together.
        calling: how many ways to call the Paddle model were given up before the one that fits.
        fixes: by framework, code of the form `def fix(model): ...`, by which its model is changed after it was built.
        title_suffix: of `name`.
        precision: what they are compared in: "float64", "float32", "float16" or "bfloat16".
        enlarged: how far the weights that both models have now reach beyond the usual ones, see `use_weights`.
        forced: why not in float64, a line for each model that cannot be; empty where float32 was asked for.
        on_progress: is called with a line that says how far a long step is.
        user_inputs: the user's own inputs, where there are some.
        held: by framework, arrays that keep the numbers that they were built with, see `own_weights`.
        own_map: by Paddle array what it is made of, where that is known and not looked for, see `own_map`.
        compared: numbers that one of the models looks for in its inputs, such as that of padding.
    """

    workers: Workers
    specs: dict[str, ModelSpec]
    dataset: Dataset | None = None
    seed: int = 0
    layers: Mapping[str, str] = field(default_factory=dict)
    opened: dict[str, OpenModel] = field(default_factory=dict)
    graphs: dict[str, RecordedGraph] = field(default_factory=dict)
    signatures: dict[int, Signature] = field(default_factory=dict)
    alignment: Alignment = field(default_factory=Alignment)
    calling: int = 0
    fixes: dict[str, str] = field(default_factory=dict)
    title_suffix: str = ""
    precision: str = "float64"
    enlarged: float = 1.0
    forced: list[str] = field(default_factory=list)
    on_progress: Callable[[str], None] = lambda line: None
    user_inputs: InputSet | None = None
    held: Mapping[str, Collection[str]] = field(default_factory=dict)
    own_map: Pieces | None = None
    compared: tuple[float, ...] = ()
    _walked: tuple[Arrays, bool] | None = None

    @property
    def close(self) -> Closeness:
        """What is near in the pair's precision."""
        return Closeness(self.precision)

    @property
    def name(self) -> str:
        """Under which the workers keep the models."""
        return " / ".join(self.specs[framework].target for framework in (FIRST, SECOND)) + self.title_suffix

    @property
    def images(self) -> np.ndarray | None:
        """Real images for the inputs, uint8; None where the models take none."""
        takes = self.dataset is not None and self.specs[FIRST].takes_images
        return self.dataset.test_images if takes and self.dataset is not None else None

    @property
    def title(self) -> str:
        """What the inputs are: the title of the data set, or "drawn inputs"."""
        return self.dataset.title if self.images is not None and self.dataset is not None else "drawn inputs"

    def open(self, *, draw: bool = True) -> None:
        """Build both models and draw the TensorFlow model's weights; both in float32 where one has no float64.

        Args:
            draw: False leaves the weights with which it was built.

        Raises:
            WorkerError: a model cannot be built.
            TargetError: an input has a name that neither model knows.
        """
        try:
            self.opened = self._built()
        except WorkerError as error:
            self.forced = _precision_errors(error)
            if not self.forced:
                raise
            self.specs = {framework: replace(spec, dtype="float32") for framework, spec in self.specs.items()}
            self.opened = self._built()
        if unknown := unknown_names(self.specs[FIRST].inputs, {name: one.inputs for name, one in self.opened.items()}):
            has = [f"{', '.join(self.opened[name].inputs)} ({FRAMEWORKS[name].title})" for name in (FIRST, SECOND)]
            option = f"--input {unknown[0]}=..."
            if self.user_inputs is not None and unknown[0] in self.user_inputs.arrays:
                option += f" or {unknown[0]!r} in --inputs"
            raise TargetError(f"{option}: expected an input's name: {', '.join(has)}")
        asked = [self.specs[framework].dtype for framework in (FIRST, SECOND)]
        own = [model.precision for model in self.opened.values()]
        # a model without arrays has no precision of its own
        self.precision = "float64" if asked == ["float64"] * 2 else coarsest([*asked, *own])
        self.enlarged = 1.0
        if draw:
            self.draw()

    def forget(self) -> None:
        """Let the workers forget both models."""
        self.workers.map(lambda worker: worker.close_model(self.name))

    def _built(self) -> dict[str, OpenModel]:
        def opened(worker: Worker) -> OpenModel:
            code = self.fixes.get(worker.framework, "")
            return worker.open_model(self.name, self.specs[worker.framework], [code] if code else [])

        return dict(self.workers.map(opened))

    def drawn(self, framework: str) -> list[str]:
        """The arrays of a model that are drawn: those of floating-point numbers that are not held."""
        held = self.held.get(framework, ())
        return [
            name
            for name, fact in self.opened[framework].arrays.items()
            if "float" in fact["dtype"] and name not in held
        ]

    def draw(self, roundings: Roundings | None = None) -> None:
        """Give the TensorFlow model its random weights.

        Args:
            roundings: move them by these.
        """
        self.workers[FIRST].assign_arrays(self.name, *self._weights(FIRST), self.seed, roundings)

    def move(self, roundings: Roundings | None = None) -> None:
        """Give the Paddle model the weights of the TensorFlow model, as the alignment says.

        Args:
            roundings: move them by these.
        """
        self.workers[SECOND].assign_arrays(self.name, *self._weights(SECOND), self.seed, roundings)

    def use_arrays(self, arrays: Arrays) -> None:
        """Give both models numbers instead of drawn ones, from now on.

        Args:
            arrays: float32, by the names that the alignment's pieces name; those that are missing stay drawn.

        Raises:
            WorkerError: a worker fails.
        """
        self.workers.map(lambda worker: worker.give_arrays(self.name, arrays))
        self.enlarged = 1.0
        self._give_both()

    def changed(self) -> dict[str, list[str]]:
        """By framework, the arrays that do not hold the numbers which `draw` and `move` gave them, bit for bit.

        Raises:
            WorkerError: a worker fails.
        """
        return self.workers.map(
            lambda worker: worker.changed_arrays(self.name, *self._weights(worker.framework), self.seed)
        )

    def _weights(self, framework: str) -> tuple[Pieces, dict[str, Law]]:
        """What a model's arrays are made of, and the laws of that."""
        if framework == FIRST:
            facts = self.opened[FIRST].arrays
            pieces, laws = {name: own_pieces(name, facts[name]["shape"]) for name in self.drawn(FIRST)}, self.laws()
        else:
            pieces, laws = self.alignment.pieces, self.alignment.laws
        return pieces, {name: enlarged(law, self.enlarged) for name, law in laws.items()}

    def use_weights(self, enlarged: float = 1.0) -> None:
        """Give both models their weights, unless they have them.

        Args:
            enlarged: how far they reach beyond the usual ones: large ones reach clips and saturations.
        """
        if enlarged != self.enlarged:
            self.enlarged = enlarged
            self._give_both()

    def use_seed(self, seed: int) -> None:
        """Give both models the weights that another seed draws.

        Args:
            seed: of the weights.
        """
        self.seed = seed
        self._give_both()

    def walk_again(self, inputs: Arrays, *, traced: bool = False) -> Alignment:
        """Walk through both models on other inputs, with the weights as they are.

        Args:
            inputs: by `input_keys`, [n, *shape], channels last.
            traced: whether to find out what layers and functions run, too.

        Returns:
            The matches and partings of that walk; the pair's own alignment stays.

        Raises:
            WorkerError: a model does not run.
        """
        self._walked = inputs, traced
        self.record_first(inputs, traced=traced)
        return self.walk(inputs, {}, self.alignment, traced=traced)

    def recover(self) -> None:
        """Build both models anew after a worker died, and walk through them as `walk_again` last did.

        Raises:
            WorkerError: a worker dies again.
        """
        assert self._walked is not None
        axes = self.opened[SECOND].axes
        self.opened = self._built()
        for _ in range(self.calling):
            self.workers[SECOND].try_next_calling(self.name)
        self.opened[SECOND] = replace(self.opened[SECOND], axes=axes)
        self._give_both()
        inputs, traced = self._walked
        self.walk_again(inputs, traced=traced)

    def record_first(self, inputs: Arrays, *, traced: bool = False) -> None:
        """Run and record the TensorFlow model.

        Args:
            inputs: by `input_keys`, [n, *shape], channels last.
            traced: whether to find out what layers and functions run, too.

        Raises:
            WorkerError: it does not run.
        """
        run = self.workers[FIRST].record_run(self.name, inputs, traced)
        graph = self.graphs[FIRST] = RecordedGraph(run, set(self.drawn(FIRST)))
        numbers = [
            number
            for number, value in enumerate(graph.values)
            if graph.data[number] and (value.floating or value.source == "input")
        ]
        found = self.workers[FIRST].value_signatures(self.name, numbers)
        self.signatures = dict(zip(numbers, found, strict=True))

    def walk(
        self,
        inputs: Arrays,
        forced: Mapping[int, tuple[int, ...]],
        known: Alignment | None = None,
        *,
        traced: bool = False,
    ) -> Alignment:
        """Run and record the Paddle model, and walk through both; the TensorFlow model was recorded before.

        Args:
            inputs: by `input_keys`, [n, *shape], channels last.
            forced: by index of a Paddle unit, the TensorFlow units that it must be put together with.
            known: an earlier alignment, whose pairs and pieces are taken as they are.
            traced: whether to find out what layers and functions run, too.

        Raises:
            WorkerError: a model does not run.
        """
        run = self.workers[SECOND].record_run(self.name, inputs, traced)
        graph = self.graphs[SECOND] = RecordedGraph(run, set(self.drawn(SECOND)))
        facts = self.opened[FIRST].arrays, self.opened[SECOND].arrays
        workers = self.workers[FIRST], self.workers[SECOND]
        graphs = self.graphs[FIRST], graph
        walk = Walk(
            self.name,
            *graphs,
            self.signatures,
            facts,
            workers,
            self.seed,
            forced,
            known,
            self.close,
            enlarged=self.enlarged,
        )
        return walk.run()

    @property
    def sequences_turned(self) -> bool:
        """Whether Paddle takes a sequence [n, c, t] where TensorFlow takes [n, t, c]."""
        return (0, 2, 1) in self.opened[SECOND].axes

    def outputs(self, inputs: Arrays) -> dict[str, Outputs]:
        """What both models give for the same inputs, by framework.

        Args:
            inputs: by `input_keys`, channels last.

        Raises:
            WorkerError: a model does not run.
        """
        return self.workers.map(lambda worker: worker.run_model(self.name, inputs))

    def perturbed_outputs(self, many: Sequence[Arrays], run: int) -> list[dict[str, Outputs]]:
        """As `outputs`, with weights and inputs moved by rounding, differently in each framework.

        Args:
            many: inputs, each by `input_keys`, channels last.
            run: a number; each gives other roundings.

        Returns:
            Of each of the inputs what both models give.

        Raises:
            WorkerError: a model does not run.
        """

        def outputs(worker: Worker) -> list[Outputs]:
            roundings = self.roundings(worker.framework, run)
            self.give(worker.framework, roundings)
            try:
                return [worker.run_model(self.name, inputs, roundings) for inputs in many]
            finally:
                self.give(worker.framework)

        made = self.workers.map(outputs)
        return [{framework: made[framework][index] for framework in made} for index in range(len(many))]

    def rounded_outputs(self, inputs: Arrays, run: int) -> Outputs:
        """The Paddle model's outputs with one more rounding of what each operation makes.

        This shows what no change of weights and inputs does: a difference of nearly equal numbers, such as one less a
        sigmoid that is nearly one, holds the rounding of these numbers alone.

        Args:
            inputs: by `input_keys`, channels last.
            run: a number; each gives other roundings.
        """
        worker = self.workers[SECOND]
        graph = RecordedGraph(worker.record_run(self.name, inputs), set(self.drawn(SECOND)))
        moving = [index for index in range(len(graph.operations)) if graph.on_data(index)]
        worker.evaluate_operations(self.name, moving, [], self.roundings(SECOND, run))
        values = worker.read_values(self.name, [number for _, number in graph.outputs])
        return [(path, values[str(number)]) for path, number in graph.outputs]

    def roundings(self, framework: str, run: int) -> Roundings:
        """Rounding in the pair's precision, other errors for each framework and run."""
        return Roundings([self.seed, run, *framework.encode()], self.close.rounding, self.close.sums, self.compared)

    def give(self, framework: str, roundings: Roundings | None = None) -> None:
        """Give a model its weights: `draw` or `move`.

        Args:
            framework: its name.
            roundings: move them by these.
        """
        (self.draw if framework == FIRST else self.move)(roundings)

    def _give_both(self) -> None:
        self.workers.map(lambda worker: self.give(worker.framework))

    def laws(self) -> dict[str, Law]:
        """Of the TensorFlow arrays."""
        return {name: law_for(name, self.opened[FIRST].arrays[name]) for name in self.drawn(FIRST)}


def _precision_errors(error: WorkerError) -> list[str]:
    """Of each model that has no float64, framework and why; empty where a model cannot be built at all."""
    errors = error.errors if isinstance(error, WorkersError) else [error]
    lines = []
    for one in sorted(errors, key=lambda error: (FIRST, SECOND).index(error.framework)):
        kind, _, words = one.detail.partition(": ")
        if kind != "PrecisionError":
            return []
        lines.append(f"{FRAMEWORKS[one.framework].title}: {words.splitlines()[0]}")
    return lines
