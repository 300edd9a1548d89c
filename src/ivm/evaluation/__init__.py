"""How good a mask model is: metrics, intervals, and its answers about labelled objects in real pictures."""
