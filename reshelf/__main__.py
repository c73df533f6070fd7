"""`python -m reshelf` is `reshelf`: child processes are started so."""

from reshelf.cli.main import main

main()
