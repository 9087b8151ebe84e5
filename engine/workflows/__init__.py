"""One file per thing a user asks for, told in the verbs of the other rooms."""
