from parity.api import check as check
from parity.api import compare as compare
from parity.records.records import Diagnosis as Diagnosis
from parity.records.records import Migration as Migration
from parity.records.records import Proof as Proof

__version__: str
__all__: list[str]
