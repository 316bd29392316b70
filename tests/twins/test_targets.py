"""What a target gives, where its module belongs to the other framework's worker."""

import sys
from pathlib import Path

import pytest

from parity.catalogue.targets import TargetError, parse
from parity.runtime.targets import call
from parity.workers.serve import ForeignImportBlocker


@pytest.mark.parametrize("module", ["import wave\n\ndef net():\n    return 1\n", "def net():\n    import wave\n"])
def test_a_target_of_the_other_framework_is_told_from_a_broken_one(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "foreign_models.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "foreign_models", raising=False)
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    monkeypatch.setattr(sys, "meta_path", [ForeignImportBlocker("paddle", ["wave"]), *sys.meta_path])
    with pytest.raises(TargetError, match=r"imports wave, and both frameworks .* exchange them"):
        call(parse("foreign_models:net()"), {})
    monkeypatch.undo()
    sys.modules.pop("foreign_models", None)
