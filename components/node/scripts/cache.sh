#!/usr/bin/env bash
# The directory of a host that engines share their models in; pods run as one user on every host.
# Knows from its variables: DIRECTORY OWNER, the latter the number of that user.

STEP=${STEP:-cache}
# shellcheck source=SCRIPTDIR/host.sh
. "$(dirname "${BASH_SOURCE[0]}")/host.sh"

: "${DIRECTORY:?}" "${OWNER:?}"

state() {
    state_that cache "$DIRECTORY"
    recorded cache "$DIRECTORY" && [ -d "$DIRECTORY" ] && return
    if [ -e "$DIRECTORY" ] && ! recorded cache "$DIRECTORY"; then
        fail "$DIRECTORY is there already, and not ours: choose another cache.path, or remove it"
    fi
    change "make $DIRECTORY for user $OWNER" || return 0
    record cache "$DIRECTORY"
    (umask 022 && mkdir -p "${DIRECTORY%/*}")
    install -d --owner="$OWNER" --group="$OWNER" --mode=750 "$DIRECTORY"
}

# All that is in it can be had again from the object store.
undo_cache() { rm -rf "${1:?}"; }

main "$@"
