"""`python -m tandem_client` is the command `tandem`."""

from .cli import main

main()
