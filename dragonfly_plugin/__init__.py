"""Menu items inside a host application: host-neutral, with one thin adapter a host."""
