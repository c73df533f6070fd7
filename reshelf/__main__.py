"""`python -m reshelf` is `reshelf`: child processes are started so."""

from reshelf.command import main

main()
