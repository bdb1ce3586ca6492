"""The job screen: everything of one job, a tab for each thing one asks, and its repair."""
