"""Stacks that live as long as a question: a stack's own settings and program, with a backend that is thrown away."""
