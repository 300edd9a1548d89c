"""Benchmarks of large multimodal models, read from the files as their authors publish them."""
