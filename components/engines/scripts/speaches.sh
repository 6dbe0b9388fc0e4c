#!/bin/sh
# Link models into a cache as Hugging Face's client keeps them, in $HF_HUB_CACHE, and run a command.
# Usage: speaches.sh [ORG/NAME DIRECTORY]... -- COMMAND... Each directory is named after the model's revision.
set -eu
rm -rf "$HF_HUB_CACHE" # of a container that ended before, in the same pod
mkdir -p "$HOME" "$HF_HUB_CACHE"
while [ "$1" != -- ]; do
    revision=$(basename "$2")
    repository=$HF_HUB_CACHE/models--$(printf %s "$1" | sed 's|/|--|g')
    mkdir -p "$repository/refs" "$repository/snapshots/$revision"
    # Files one by one: Speaches looks for them with a glob that follows no link to a directory.
    cp -rs "$2/." "$repository/snapshots/$revision"
    printf %s "$revision" >"$repository/refs/main"
    shift 2
done
shift
exec "$@"
