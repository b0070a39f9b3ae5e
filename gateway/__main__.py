"""``python -m gateway``: the command line, where the ``gateway`` script is not on the path."""

from gateway.cli.main import main

main()
