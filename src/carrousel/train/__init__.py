"""Training: the loop, and what surrounds it in a run."""
