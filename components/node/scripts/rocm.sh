#!/usr/bin/env bash
# AMD's kernel driver: from AMD's repository, or the kernel's own where it is newer, as for Strix Halo.
# Knows from its variables: SOURCE KEY (empty: the kernel's own driver), and for GPUs that share the host's memory GTT_MIB.
# Containers carry ROCm themselves: a host needs the driver alone.

STEP=${STEP:-driver}
# shellcheck source=SCRIPTDIR/host.sh
. "$(dirname "${BASH_SOURCE[0]}")/host.sh"

: "${SYSFS:=/sys}" "${SOURCE:=}" "${KEY:=}" "${GTT_MIB:=}"

state() {
    if [ -n "$SOURCE" ]; then
        apt_source amdgpu "$SOURCE" "$KEY"
        settle
        kernel_headers
        packages amdgpu-dkms
        hold_matching '^amdgpu'
    fi
    [ -z "$GTT_MIB" ] || shared_memory
    settle
    [ -n "$CHECK" ] || load
}

# What the GPU may take of the host's memory, in pages of 4 KiB for the one and MiB for the other.
shared_memory() {
    PAGES=$((GTT_MIB * 256))
    file /etc/modprobe.d/inference-amdgpu.conf 644 rebuild_initramfs <<END
options ttm pages_limit=$PAGES page_pool_size=$PAGES
options amdgpu gttsize=$GTT_MIB
END
}

load() {
    if ! modprobe amdgpu; then
        needs_reboot "the kernel module amdgpu is not loaded"
    elif [ -n "$GTT_MIB" ] && [ "$(cat "$SYSFS/module/ttm/parameters/pages_limit" 2>/dev/null)" != "$PAGES" ]; then
        needs_reboot "the GPU's share of memory changes only when the driver is loaded"
    elif [ -n "$SOURCE" ] &&
        [ "$(cat "$SYSFS/module/amdgpu/version" 2>/dev/null)" != "$(modinfo --field=version amdgpu 2>/dev/null)" ]; then
        needs_reboot "the kernel module that is loaded is an older one"
    fi
}

main "$@"
