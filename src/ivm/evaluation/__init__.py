"""How good a mask model is, and what its masks do for an LMM: questions with known answers, scores, intervals."""
