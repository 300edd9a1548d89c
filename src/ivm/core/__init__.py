"""What every room stands on: pictures, instructions, the `MaskModel` protocol, errors, optional packages, files.

Nothing is imported here, so that a command that only prints help does not wait for numpy.
"""
