"""A policy pack over everything that the program registers; docs/policy.md lists the rules."""
