"""What: the stages, the connectors, the loader. Any number of processes; each may be killed at any moment."""
