"""Serving: one engine that batches for many callers, and in front of it the HTTP API, the page and the proxy."""
