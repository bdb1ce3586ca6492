"""Made-up records, the same for the same seed: for trying out, tests and benchmarks."""

from workers.connectors.synthetic.connector import SyntheticConnector

__all__ = ["SyntheticConnector"]
