"""Robots: a tabletop environment, masks as a switch in front of a policy, and an experiment that compares them."""
