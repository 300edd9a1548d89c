"""The paper's claim, measured: does weighting labels by a discriminator beat using all of them, or dropping some?"""
