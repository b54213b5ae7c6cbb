"""Chinese names of the scenario's parameters and the policies' numbers: (label, help)."""

from __future__ import annotations

PARAMETERS: dict[str, tuple[str, str]] = {}
TOUCHPOINT: dict[str, tuple[str, str]] = {}
SETTINGS: dict[str, tuple[str, str]] = {}
POLICIES: dict[str, str] = {}
