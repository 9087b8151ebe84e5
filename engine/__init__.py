"""temflux.engine: the headless engine; no window, no cluster, no command line."""
