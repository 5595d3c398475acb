"""What a command says when it ends: it is done, something failed, or it was used wrongly."""

DONE, FAILED, WRONG_USAGE = 0, 1, 2
