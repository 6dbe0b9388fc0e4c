"""Bring models to their home in the object store, whole and verified, and tell what is there.

Runs on anybody's machine (`python -m components.storage.sync --help`) and in a cluster, mounted into an image that has
Python, botocore and urllib3, and nothing of ours: its modules import each other relatively, and nothing else here.
"""
