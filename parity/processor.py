"""The processor of this machine, as far as the system tells."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path


@lru_cache
def _facts() -> dict[str, str]:
    """What Linux says of the first processor, by its own names; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    first = text.split("\n\n")[0]
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}


def cpu_model() -> str | None:
    """The processor's model name; its architecture where the system does not tell the name."""
    return _facts().get("model name") or platform.processor() or platform.machine() or None


def is_amd_with_avx2() -> bool:
    """Whether this is a processor of AMD's with AVX2; False where the system does not tell."""
    return _facts().get("vendor_id") == "AuthenticAMD" and "avx2" in _facts().get("flags", "").split()
