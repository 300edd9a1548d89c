"""`ivm-nano`: the small network that ships with the package."""
