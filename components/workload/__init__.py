"""Anything long-running or one-off that we put into a cluster: one way to harden it, probe it and close it off."""
