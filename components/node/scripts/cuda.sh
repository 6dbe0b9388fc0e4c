#!/usr/bin/env bash
# NVIDIA's driver with its open kernel modules, persistence daemon and container toolkit, from NVIDIA's repositories.
# Knows from its variables: DRIVER TOOLKIT DRIVER_SOURCE DRIVER_KEY TOOLKIT_SOURCE TOOLKIT_KEY
# DRIVER and TOOLKIT are versions; where empty, the newest is installed once, and held.

STEP=${STEP:-driver}
# shellcheck source=SCRIPTDIR/host.sh
. "$(dirname "${BASH_SOURCE[0]}")/host.sh"

: "${SYSFS:=/sys}" "${DRIVER:=}" "${TOOLKIT:=}"

state() {
    apt_source nvidia-driver "$DRIVER_SOURCE" "$DRIVER_KEY"
    apt_source nvidia-toolkit "$TOOLKIT_SOURCE" "$TOOLKIT_KEY"
    settle
    kernel_headers
    packages "nvidia-open${DRIVER:+=$DRIVER}"
    packages "nvidia-container-toolkit${TOOLKIT:+=$TOOLKIT}"
    hold_matching '^(lib)?nvidia|^cuda'
    file /etc/modprobe.d/inference-nouveau.conf 644 rebuild_initramfs <<'END'
blacklist nouveau
options nouveau modeset=0
END
    settle
    [ -n "$CHECK" ] || load
    unit nvidia-persistenced.service
}

# A driver that is in use cannot be exchanged, nor can one take a card that nouveau holds: both need a reboot.
load() {
    if [ -d "$SYSFS/module/nouveau" ]; then
        needs_reboot "nouveau holds the cards"
    elif ! modprobe nvidia; then
        needs_reboot "the new kernel module is not loaded"
    elif [ "$(cat "$SYSFS/module/nvidia/version" 2>/dev/null)" != "$(modinfo --field=version nvidia 2>/dev/null)" ]; then
        needs_reboot "the kernel module that is loaded is an older one"
    fi
}

main "$@"
