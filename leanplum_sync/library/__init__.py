"""Project, plan, apply and verify, for Python programs and for the command line. Nothing here prints or asks."""
