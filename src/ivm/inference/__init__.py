"""Models at work: `load()` finds one, a `Masker` asks it about pictures, one by one, in batches or as a stream."""
