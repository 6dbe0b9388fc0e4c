#!/usr/bin/env bash
# A Jetson brings its driver with JetPack, which is flashed, not installed: only the container toolkit is added.
# Knows from its variables: LOWEST, the lowest release of Jetson Linux that will do

STEP=${STEP:-driver}
# shellcheck source=SCRIPTDIR/host.sh
. "$(dirname "${BASH_SOURCE[0]}")/host.sh"

: "${TEGRA:=/etc/nv_tegra_release}"

state() {
    [ -r "$TEGRA" ] || fail "$TEGRA is missing: flash this Jetson with JetPack, https://developer.nvidia.com/embedded/jetpack"
    local release
    release=$(sed -n 's/^# R\([0-9]*\).*/\1/p' "$TEGRA")
    [ "${release:-0}" -ge "$LOWEST" ] ||
        fail "this Jetson runs Jetson Linux R${release:-?}, R$LOWEST or later is needed: flash a newer JetPack"
    packages nvidia-container-toolkit
    hold_matching '^(lib)?nvidia'
}

main "$@"
