"""The APIs of the shipped manifests, and one of our own, as their documentation says they behave."""
