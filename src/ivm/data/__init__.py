"""Data: the synthetic tabletop that the embedded model learns from."""
