"""`python -m core` is the command `vibes`."""

from core.cli import main

main()
