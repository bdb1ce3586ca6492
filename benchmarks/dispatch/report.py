"""What a run of the benchmark says: medians with their goals, and under which load they were taken."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median


@dataclass
class Report:
    """Figures by name; several of one name are rounds, of which the median counts."""

    figures: dict[str, list[float]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str) -> None:
        """One round of a figure, printed at once."""
        self.note(name, value, unit)
        print(f"  {name}: {_shown(value)} {unit} (load {self.loads[-1]:.1f})", flush=True)

    def note(self, name: str, value: float, unit: str) -> None:
        """One of many values of a figure."""
        self.figures.setdefault(name, []).append(value)
        self.units[name] = unit
        self.loads.append(os.getloadavg()[0])

    def median(self, name: str) -> float | None:
        """None: not measured."""
        values = self.figures.get(name)
        return median(values) if values else None

    def ratio(self, name: str, over: str) -> str:
        """`name` as a multiple of `over`."""
        ours, theirs = self.median(name), self.median(over)
        return f"{ours / theirs:.2f} x {over}" if ours is not None and theirs else ""

    def text(self, comparisons: list[tuple[str, str, str]]) -> str:
        """A table of medians, then each (name, over, goal) as a ratio."""
        load = f"{min(self.loads):.1f} to {max(self.loads):.1f}" if self.loads else "-"
        lines = [
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, "
            f"load during the run {load}",
            "",
            "| figure | median | lowest to highest | rounds |",
            "| --- | --- | --- | --- |",
        ]
        for name, values in self.figures.items():
            unit = self.units[name]
            spread = f"{_shown(min(values))} to {_shown(max(values))}"
            lines.append(f"| {name} | {_shown(median(values))} {unit} | {spread} | {len(values)} |")
        lines.append("")
        for name, over, goal in comparisons:
            if found := self.ratio(name, over):
                lines.append(f"- {name}: {found} (goal: {goal})")
        return "\n".join(lines)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
