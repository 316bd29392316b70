"""Models of a user: built, traced, given canonical names, and run under these.

`network` is the name of the pair under which a model is loaded. Names of layers and arrays are those that `adopt` gave;
arrays are canonical, without the batch's order or layout of either framework. Targets that do not build or run, and
weights that do not fit, fail with a message for the user.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypedDict, cast

from parity.workers.client.requests import Requests

if TYPE_CHECKING:  # workers begin before numpy and the like are imported, and this is imported before them
    from parity.catalogue.user_models import Adoption, ModelSpec
    from parity.numerics.arrays import Arrays
    from parity.numerics.tolerance import Roundings
    from parity.weights.state import Entry, State


class TracedModel(TypedDict):
    """A traced model as plain JSON values; `parity.kinds.graph.Graph.from_dict` reads them."""

    steps: list[dict[str, Any]]
    output: int
    parameters: int
    trainable: int
    stray: list[str]
    opaque: list[str]


@dataclass(frozen=True)
class DrawnState:
    """sha256 of every array of a state, by name: as it was drawn, and as it was read back from the model."""

    drawn: dict[str, str]
    read: dict[str, str]


class UserModelRequests(Requests):
    """Requests about a user's model; `dtype` is "float32" or "float64"."""

    def load_model(self, network: str, spec: ModelSpec) -> TracedModel:
        """Build and trace the model; an earlier one of the same name is dropped.

        Args:
            network: the pair's name.
            spec: what to build.
        """
        return cast(TracedModel, self.call("load_model", network=network, spec=asdict(spec)).result)

    def adopt(self, network: str, names: Mapping[str, Adoption]) -> list[Entry]:
        """Give steps their canonical names.

        Args:
            network: the pair's name.
            names: the step and its arrays by canonical name.

        Returns:
            The entries of their state, in float32.
        """
        from parity.weights.state import entry_of

        given = {name: asdict(adoption) for name, adoption in names.items()}
        return list(map(entry_of, self.call("adopt", network=network, names=given).result["entries"]))

    def fix_model(self, network: str, code: str) -> TracedModel:
        """Build the model again and change it by code. Canonical names are dropped.

        Args:
            network: the pair's name.
            code: Python source of the form `def fix(model): ...`.
        """
        return cast(TracedModel, self.call("fix_model", network=network, code=code).result)

    def draw_state(self, network: str, seed: int) -> DrawnState:
        """Draw a random float32 state, keep it for later runs, load it and read it back.

        Args:
            network: the pair's name.
            seed: of the numbers.
        """
        return DrawnState(**self.call("draw_state", network=network, seed=seed).result)

    def keep_state(self, network: str, arrays: State) -> None:
        """Keep a state for later runs.

        Args:
            network: the pair's name.
            arrays: float32, by canonical name.
        """
        self.call("keep_state", network=network, arrays=arrays)

    def own_state(self, network: str) -> State:
        """The weights that the model itself was built with: the adopted ones, in float32."""
        return self.call("own_state", network=network).arrays

    def model_stages(self, network: str, dtype: str, arrays: Arrays, roundings: Roundings | None = None) -> Arrays:
        """The model in inference with the kept state: every adopted step's output, by name.

        Args:
            network: the pair's name.
            dtype: of the model.
            arrays: `inputs` [n, *input].
            roundings: move the state and the inputs by these before the run.
        """
        reply = self.call("model_stages", network=network, dtype=dtype, arrays=arrays, roundings=_sent(roundings))
        return reply.arrays

    def model_inputs(self, network: str, arrays: Arrays, names: Sequence[str]) -> Arrays:
        """The inputs of adopted steps in a forward pass.

        Args:
            network: the pair's name.
            arrays: `inputs` [n, *input] of the model.
            names: of the steps.

        Returns:
            Arrays `name/0` for the first input of a step, `name/1` for the second, and so on.
        """
        return self.call("model_inputs", network=network, arrays=arrays, names=list(names)).arrays

    def model_layers(self, network: str, arrays: Arrays) -> Arrays:
        """The outputs of single adopted steps, by name.

        Args:
            network: the pair's name.
            arrays: the inputs `name/0`, `name/1`, ... of each step, as `model_inputs` gives them.
        """
        return self.call("model_layers", network=network, arrays=arrays).arrays

    def read_weights(self, network: str, path: str) -> State:
        """The adopted arrays of a file of the model's weights.

        Args:
            network: the pair's name.
            path: of the file. Fails for one whose arrays are not float32 or do not fit.
        """
        return self.call("read_weights", network=network, path=path).arrays

    def write_weights(self, network: str, path: str) -> int:
        """Write the kept state as a file of the model's weights.

        Args:
            network: the pair's name.
            path: of the file.

        Returns:
            Its size in bytes.
        """
        return int(self.call("write_weights", network=network, path=path).result["bytes"])


def _sent(roundings: Roundings | None) -> dict[str, Any] | None:
    return asdict(roundings) if roundings else None
