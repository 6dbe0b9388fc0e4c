"""Tests, and the stand-ins that they and the dev stack run on."""
