"""How well masks fit, by one protocol for all data sets (docs/evaluation.md)."""
