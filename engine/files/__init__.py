"""One door in, any microscope file or folder to a Stack; one door out."""
