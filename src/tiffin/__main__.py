"""`python -m tiffin`."""

from tiffin.cli import main

if __name__ == "__main__":  # supervised processes load this module, too
    main()
