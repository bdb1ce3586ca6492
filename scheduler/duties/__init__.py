"""One periodic duty a file, each with a `run_once` that tests call; any number of schedulers may run each."""
