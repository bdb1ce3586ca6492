"""What asks or tells over a screen."""
