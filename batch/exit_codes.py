"""What the command says to the shell when it ends."""

GOOD = 0
SOME_FAILED = 1
BAD_ARGUMENTS = 2
INTERRUPTED = 130
