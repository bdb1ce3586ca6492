"""The demo: a database of its own, the real scheduler and workers, and jobs over real input."""
