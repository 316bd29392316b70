"""A user's two models, one in each framework, with shared names for their layers: what all proofs of them need."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from parity.catalogue.user_models import Adoption, ModelSpec
from parity.data.dataset import Dataset
from parity.data.proof_inputs import affordable
from parity.kinds.activation import Softmax
from parity.kinds.graph import Graph, Step
from parity.migration.inputs import drawn_input
from parity.migration.matching import Match, Matching, match
from parity.migration.specs import FIRST, SECOND
from parity.migration.user_errors import user_errors
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import Comparison
from parity.numerics.tolerance import Roundings
from parity.weights.initializers import proof_state
from parity.weights.state import Entry, State
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers
from parity.workers.worker import Worker

Result = TypeVar("Result")

MOST_INPUTS = 4  # of a proof's forward pass


@dataclass
class ModelPair:
    """A TensorFlow model and a Paddle model: loaded, matched, and given the same weights.

    Call `load`, then `match`; the other methods need both. The workers keep the models under the pair's `name`.

    Attributes:
        workers: one for each framework.
        specs: by framework, the model to build and its input.
        dataset: real images for inputs [h, w, 1 or 3]; None draws random inputs instead.
        seed: of the weights and inputs of the proofs.
        fixed: names of layers of the TensorFlow model to names of the Paddle model; the matching follows them.
        graphs: by framework, the traced model.
        matching: which step of one graph corresponds to which of the other.
        entries: by framework, the arrays of the matched layers, under the shared names.
        outputs: by framework, every matched layer's output in the last forward proof.
        comparison: of these outputs.
    """

    workers: Workers
    specs: dict[str, ModelSpec]
    dataset: Dataset | None = None
    seed: int = 0
    fixed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = " / ".join(self.specs[framework].target for framework in (FIRST, SECOND))
        self.graphs: dict[str, Graph] = {}
        self.matching = Matching([], [], [])
        self.entries: dict[str, list[Entry]] = {}
        # results of the proofs, which later proofs and the diagnosis read
        self.outputs: dict[str, Arrays] = {}
        self.comparison = Comparison((), ())

    def load(self) -> None:
        """Build and trace both models.

        Raises:
            TargetError: a model cannot be imported, built or run; the message says which and why.
            WorkerError: a worker fails.
        """
        traced = self.run_on_both(lambda worker: worker.load_model(self.name, self.specs[worker.framework]))
        self.graphs = {framework: Graph.from_dict(values) for framework, values in traced.items()}

    def fix(self, code: str) -> None:
        """Build the Paddle model again and let `code` change it; then `match` again.

        Args:
            code: Python source of a function `fix(model)`, as `parity.migration.proven_fix` gives it.

        Raises:
            TargetError: the code fails, or the changed model cannot be traced.
            WorkerError: the worker fails.
        """
        self.graphs[SECOND] = Graph.from_dict(self.run_on(SECOND, lambda worker: worker.fix_model(self.name, code)))

    def match(self) -> Matching:
        """Match the two models and give the matched layers their shared names, which are the TensorFlow model's.

        Returns:
            The matching, which `matching` keeps; `entries` then has the arrays of the matched layers.

        Raises:
            MatchError: nothing corresponds, or `fixed` does not fit.
            WorkerError: a worker fails.
        """
        self.matching = match(self.graphs[FIRST], self.graphs[SECOND], self.fixed)
        self.entries = self.workers.map(lambda worker: worker.adopt(self.name, self.adoptions(worker.framework)))
        return self.matching

    def adoptions(self, framework: str) -> dict[str, Adoption]:
        """How the matched steps of one model take part in the comparison.

        Args:
            framework: of the model.

        Returns:
            By shared name.
        """
        side = (FIRST, SECOND).index(framework)
        return {
            step.name: Adoption(
                (layer_match.first, layer_match.second)[side], layer_match.as_dense, list(layer_match.neutral[side])
            )
            for layer_match, step, _ in self.matched()
        }

    def matched(self) -> Iterator[tuple[Match, Step, Step]]:
        """The matched layers and functions.

        Yields:
            Each match with its TensorFlow step and its Paddle step, in the order of the TensorFlow model.
        """
        first_steps, second_steps = self.graphs[FIRST].steps, self.graphs[SECOND].steps
        for layer_match in self.matching.matches:
            yield layer_match, first_steps[layer_match.first], second_steps[layer_match.second]

    def unmatched(self) -> dict[str, dict[int, Step]]:
        """The steps that only one model has.

        Returns:
            By framework, the steps by their index in its graph.
        """
        indices = {FIRST: self.matching.only_first, SECOND: self.matching.only_second}
        return {
            framework: {index: self.graphs[framework].steps[index] for index in only}
            for framework, only in indices.items()
        }

    def arrays(self, name: str) -> Arrays:
        """One matched layer's arrays of the random state that the proofs use, in float64.

        Args:
            name: the layer's shared name.

        Returns:
            By kind ("kernel", "bias", ...), in canonical layout.
        """
        drawn = proof_state(
            [entry for entry in self.entries[FIRST] if entry.name.rpartition("/")[0] == name], self.seed
        )
        return {full.rpartition("/")[2]: array.astype("float64") for full, array in drawn.items()}

    def own_state(self, framework: str) -> State:
        """The weights with which one of the models was built.

        Args:
            framework: of the model.

        Returns:
            float32 arrays of the matched layers by shared name, in canonical layout.

        Raises:
            WorkerError: the worker fails.
        """
        return self.run_on(framework, lambda worker: worker.own_state(self.name))

    def inputs(self, count: int | None = None) -> np.ndarray:
        """Inputs for both models, the same at each call.

        Args:
            count: how many; without it as many as the proofs take at once.

        Returns:
            float32 [count, *input]: real images in -2..2, cropped or enlarged to the input's size. Without images,
            random numbers in -2..2; for tokens, random int64 numbers below `tokens`.
        """
        images = None if self.dataset is None else self.dataset.test_images
        count = count or affordable(MOST_INPUTS, self.flops)
        return drawn_input(self.specs[FIRST].input, count, np.random.default_rng(self.seed), images)

    @property
    def images(self) -> bool:
        """Whether the inputs are real images."""
        return self.dataset is not None and self.specs[FIRST].takes_images

    @property
    def dtype(self) -> str:
        """The precision in which the models are compared: "float64", or "float32" where they support no other."""
        return self.specs[FIRST].dtype

    @property
    def title(self) -> str:
        """What the inputs are: the title of the data set, or "drawn inputs"."""
        return self.dataset.title if self.images and self.dataset is not None else "drawn inputs"

    @property
    def flops(self) -> float:
        """FLOPs of one input's forward pass: two for each multiply-add of convolutions and fully connected layers."""
        return float(sum(_flops(step) for step in self.graphs[FIRST].steps))

    def stages(self, dtype: str, inputs: np.ndarray, roundings: Roundings | None = None) -> dict[str, Arrays]:
        """The output of every matched layer of both models, in inference, with the kept state.

        Args:
            dtype: "float64" or "float32".
            inputs: [n, *input].
            roundings: perturb the state and the inputs by these before the run.

        Returns:
            By framework, each layer's output by its shared name, channels last.

        Raises:
            TargetError: a model does not run.
            WorkerError: a worker fails.
        """
        return self.run_on_both(lambda worker: worker.model_stages(self.name, dtype, {"inputs": inputs}, roundings))

    def keep_state(self, state: State) -> None:
        """Have both models use a state in all runs to come.

        Args:
            state: float32 arrays of the matched layers by shared name; what does not fit fails in the next run.

        Raises:
            WorkerError: a worker fails.
        """
        self.run_on_both(lambda worker: worker.keep_state(self.name, state))

    def run_on_both(self, job: Callable[[Worker], Result]) -> dict[str, Result]:
        """Run one job on both workers at the same time.

        Args:
            job: is called with each worker, in a thread of its own.

        Returns:
            By framework, what the job returned.

        Raises:
            TargetError: the user's model is at fault; the message names it.
            WorkerError: a worker fails.
        """
        with user_errors():
            return self.workers.map(job)

    def run_on(self, framework: str, job: Callable[[Worker], Result]) -> Result:
        """Run a job on one framework's worker.

        Args:
            framework: its name.
            job: is called with the worker.

        Returns:
            What the job returned.

        Raises:
            TargetError: the user's model is at fault; the message names it.
            WorkerError: the worker fails.
        """
        with user_errors():
            return job(self.workers[framework])

    def steps(self, name: str) -> tuple[Step, Step]:
        """The TensorFlow step and the Paddle step of a shared name.

        Args:
            name: of a matched layer.

        Returns:
            Of the two graphs, each with its own name, numbers and shapes.

        Raises:
            KeyError: a name that no matched layer has.
        """
        return {first_step.name: (first_step, second_step) for _, first_step, second_step in self.matched()}[name]

    def ends(self) -> tuple[str, list[str]]:
        """Where the two models end.

        Returns:
            The shared name of the last layer that both models have, empty where their ends do not correspond; and one
            line for each step that only one model has after it, such as a softmax.
        """
        partners = {match.first: match.second for match in self.matching.matches}
        unmatched = self.unmatched()
        end_indices, notes = {}, []
        for framework, graph in self.graphs.items():
            index = graph.output
            while index >= 0 and index in unmatched[framework] and _may_end(graph.steps[index]):
                if not graph.steps[index].what.identity_in_inference:
                    function = graph.steps[index].numbers["function"]
                    title = FRAMEWORKS[framework].title
                    notes.append(f"{graph.steps[index].name!r} ({function}) ends the {title} model only")
                index = graph.steps[index].inputs[0]
            while index >= 0 and graph.steps[index].what.identity_in_inference and partners.get(index) is None:
                index = graph.steps[index].inputs[0]
            end_indices[framework] = index
        if partners.get(end_indices[FIRST]) != end_indices[SECOND]:
            return "", notes
        return self.graphs[FIRST].steps[end_indices[FIRST]].name, notes


def _may_end(step: Step) -> bool:
    return step.what.identity_in_inference or isinstance(step.what, Softmax)


def _flops(step: Step) -> int:
    kernel = step.shapes.get("kernel", ())
    if step.kind == "conv":
        return 2 * math.prod(kernel) * math.prod(step.output[:-1])
    return 2 * math.prod(kernel) if step.kind == "dense" else 0


def arrays_by_stage(names: Sequence[str], arrays: Mapping[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    """Collect the arrays of each stage.

    Args:
        names: of the stages.
        arrays: under `name/0`, `name/1`, ..., in order.

    Returns:
        By name, its arrays in order.

    Example:
        >>> arrays_by_stage(["add", "relu"], {"add/0": np.zeros(1), "add/1": np.ones(1)})
        {'add': [array([0.]), array([1.])], 'relu': []}
    """
    by_stage: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for key, array in arrays.items():
        by_stage[key.rpartition("/")[0]].append(array)
    return by_stage
