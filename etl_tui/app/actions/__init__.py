"""What is done to jobs, one or many: what it does, why it cannot, how it is taken back."""
