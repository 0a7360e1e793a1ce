"""Recording one run of a module: which function ran on what, with which shapes."""
