"""The paper's chain from nothing to one page, in about a quarter of an hour: `make story`."""
