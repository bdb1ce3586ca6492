"""One periodic duty a file, each with a `run_once` that tests call. All may run in any number of schedulers."""
