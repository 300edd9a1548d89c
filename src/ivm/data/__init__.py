"""Data: records with their readers and writers, streams of them, and the synthetic tabletop."""
