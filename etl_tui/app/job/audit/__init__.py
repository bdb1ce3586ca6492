"""What was done to the job, and by whom."""
