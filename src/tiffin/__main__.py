"""`python -m tiffin`."""

from tiffin.cli import main

main()
