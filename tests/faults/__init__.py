"""Faults made on purpose: kills, damaged checkpoints, malformed settings, misbehaving environments, full disks.

`python -m tests.faults` runs the long form and prints its counts; `test_faults.py` the short one.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Count:
    """How often a fault was made, and every case in which the project did not take it as it should."""

    what: str
    made: int = 0
    failures: list[str] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)

    def note(self, kind: str) -> None:
        self.notes[kind] = self.notes.get(kind, 0) + 1

    def __str__(self) -> str:
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(self.notes.items()))
        good = self.made - len(self.failures)
        return f"{self.what}: {good} of {self.made} as promised" + (f" ({kinds})" if kinds else "")


def paragraph(text: str) -> str | None:
    """What keeps a message from being one readable paragraph; None where it is one."""
    if "Traceback" in text:
        return "a traceback"
    if "\n" in text.strip():
        return "more than one paragraph"
    if not 20 <= len(text) <= 4000:
        return f"{len(text)} characters"
    return None
