"""The runs of a job: list and comparison, the screen of one, its log."""
