"""Worker processes, one for each framework; the protocol between them and the suite, and the client of their verbs."""
