"""What CI says about stacks: a comment on a pull request, a summary of a run, an issue about drift."""
