"""`python -m carrousel` is the command `carrousel`."""

from carrousel.cli import main

main()
