"""`python -m ivm` is the command `ivm`."""

from ivm.cli.main import main

if __name__ == "__main__":
    main()
