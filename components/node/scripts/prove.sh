#!/usr/bin/env bash
# Shows that the driver works with all GPUs that settings promise, before anything is built on it.
# Knows from its variables: NODE KIND GPUS VRAM_MIB ROCM_GROUPS

set -euo pipefail

: "${SYSFS:=/sys}" "${KFD:=/dev/kfd}" "${ROCM_GROUPS:=}" "${VRAM_MIB:=}"

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

if [ -e /run/inference/reboot ]; then
    fail "$NODE did not reboot within 3 minutes, though it must: $(cat /run/inference/reboot)" \
        "See what holds it up: systemctl list-jobs; then reboot it by hand, and run pulumi up again"
fi

case $KIND in
cuda)
    said=$(nvidia-smi --list-gpus 2>&1) || fail "nvidia-smi fails: $said" "See: dmesg | grep -i nvidia; dkms status"
    found=$(grep -c '^GPU ' <<<"$said") || true
    # A Jetson says [N/A]: its memory is the machine's.
    memory=$(nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2>/dev/null | grep -x '[0-9]*' | sort -n | head -n 1) || true
    ;;
rocm)
    [ -e "$KFD" ] || fail "there is no $KFD: the kernel driver has no GPU to serve" "See: dmesg | grep -i amdgpu; dkms status"
    # CPUs are nodes of this topology too; they have no SIMD units.
    found=$(grep -lE '^simd_count [1-9]' "$SYSFS"/class/kfd/kfd/topology/nodes/*/properties 2>/dev/null | wc -l) || true
    # What the GPU has, or what the kernel lets it take of the machine's.
    memory=$(for card in "$SYSFS"/class/drm/card*/device; do
        cat "$card/mem_info_vram_total" "$card/mem_info_gtt_total" 2>/dev/null | sort -n | tail -n 1
    done | sort -n | head -n 1) || true
    memory=${memory:+$((memory / 1048576))}
    said=$(lspci -nn 2>/dev/null | grep -E 'VGA|Display|Processing' || true)
    for group in $ROCM_GROUPS; do
        getent group "$group" >/dev/null || fail "no group of $NODE has the number $group, which settings give to pods" \
            "Set accelerator.groups: [$(getent group render video | cut -d: -f3 | paste -sd, | sed 's/,/, /')]"
    done
    ;;
esac
[ "$found" -ge "$GPUS" ] || fail "settings promise $GPUS x $KIND on $NODE, the driver finds $found:" "$said" \
    "Set accelerator.count, or look for the card that is missing: lspci -nn"
# Firmware keeps a little of what is printed on the box.
if [ -n "$VRAM_MIB" ] && [ -n "$memory" ] && [ "$memory" -lt $((VRAM_MIB * 95 / 100)) ]; then
    fail "settings promise $VRAM_MIB MiB of memory on each GPU of $NODE, the driver finds $memory MiB" \
        "Correct accelerator.memory"
fi
echo "$NODE: the driver works, $found x $KIND"
