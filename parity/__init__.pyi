from parity.api import check as check
from parity.api import compare as compare
from parity.catalogue.networks import UnknownNetworkError as UnknownNetworkError
from parity.catalogue.targets import TargetError as TargetError
from parity.migration.specs import MatchError as MatchError
from parity.records.migrations import Migration as Migration
from parity.records.records import Diagnosis as Diagnosis
from parity.records.records import Proof as Proof
from parity.workers.errors import WorkerError as WorkerError

__version__: str
__all__: list[str]
