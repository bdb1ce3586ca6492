"""The first screen: all jobs, and what is done to them."""
