"""Programs of other people that a run starts: allowed by the worker, bounded, and gone with the run.

`allowed` says what may run, `run_folder` makes a private folder for it, `program` starts it and reads its
output. Between the worker and the program stands a small process (`watcher`) that ends the whole tree of
processes when it is told to, when time or memory are used up, and when the worker dies.
"""
