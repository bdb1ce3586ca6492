"""The views beside the jobs: queues, workers, the schedule, what happened."""
