"""Masking inside other harnesses: lmms-eval by an entry point (lmms.py), VLMEvalKit by a launcher (vlmevalkit.py)."""
