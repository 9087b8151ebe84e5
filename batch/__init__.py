"""temflux.batch: the command line, the plan of a directory, the runner and its ledger."""
