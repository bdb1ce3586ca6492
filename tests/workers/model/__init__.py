"""A model test of the workers: whatever befalls source and workers, the destination ends as the source is.

`world` is the source, `source` its connector, `gates` let workers go on one transaction at a time, `crew` are
the workers, `books` check the database after each step, `machine` has the rules.
"""
