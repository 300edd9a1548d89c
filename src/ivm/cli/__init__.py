"""The command line: arguments in, one sentence and an exit code out; each command imports its room when called."""
