#!/usr/bin/env bash
# Looks whether this host can become the node that settings describe. Changes nothing, and tells all it finds at once.
# Knows from its variables: NODE ROLE ARCH CPUS MEMORY_MIB DISK_GIB KIND GPUS LOOKUPS PORTS

set -euo pipefail

: "${SYSFS:=/sys}" "${RELEASE:=/etc/os-release}"
readonly OURS=/var/lib/inference/k3s
readonly DISPLAY=0x03 PROCESSING=0x12 # PCI classes, https://pci-ids.ucw.cz/read/PD
FATAL=0

# cannot WHAT REMEDY
cannot() {
    FATAL=$((FATAL + 1))
    printf 'problem: %s\n    what to do: %s\n' "$1" "$2"
}
beware() { printf 'note: %s\n' "$*"; }

system() {
    local ID='' VERSION_ID=''
    # shellcheck source=/dev/null
    [ -r "$RELEASE" ] && . "$RELEASE"
    case "$ID $VERSION_ID" in
    "debian 12" | "debian 13" | "ubuntu 22.04" | "ubuntu 24.04") ;;
    *) cannot "the system is ${ID:-unknown} ${VERSION_ID-}" "install Debian 12 or 13, or Ubuntu 22.04 or 24.04" ;;
    esac
    [ -d /run/systemd/system ] || cannot "systemd does not run here" "boot this host with systemd as its first process"
    case $(systemd-detect-virt --container 2>/dev/null || true) in
    none | '') ;;
    *) beware "this host is a container ($(systemd-detect-virt --container)): drivers and kernel are those of its host" ;;
    esac
}

architecture() {
    local machine
    machine=$(uname -m)
    case $machine in x86_64) machine=amd64 ;; aarch64) machine=arm64 ;; esac
    [ "$machine" = "$ARCH" ] ||
        cannot "this host is $machine, settings say $ARCH" "set arch: $machine for node $NODE, or put the right host there"
}

# Display controllers and accelerators of one vendor.
gpus_of() {
    local device class found=0
    for device in "$SYSFS"/bus/pci/devices/*; do
        [ "$(cat "$device/vendor" 2>/dev/null)" = "$1" ] || continue
        class=$(cat "$device/class")
        case ${class:0:4} in "$DISPLAY" | "$PROCESSING") found=$((found + 1)) ;; esac
    done
    echo "$found"
}

accelerators() {
    local vendor found
    case $KIND in cuda) vendor=0x10de ;; rocm) vendor=0x1002 ;; *) return 0 ;; esac
    if [ "$KIND" = cuda ] && [ -e /etc/nv_tegra_release ]; then return 0; fi # a Jetson's GPU is not on the PCI bus
    found=$(gpus_of $vendor)
    [ "$found" -ge "$GPUS" ] ||
        cannot "settings say $GPUS x $KIND, the PCI bus shows $found" \
            "set accelerator.count for node $NODE, or look whether the cards are seated: lspci -nn"
    if secure_boot; then
        cannot "Secure Boot is on, and would refuse kernel modules that are built here" \
            "turn it off in the firmware, or enrol a key: mokutil --import /var/lib/dkms/mok.pub, reboot, confirm; see https://wiki.debian.org/SecureBoot"
    fi
}
secure_boot() {
    local variable
    for variable in "$SYSFS"/firmware/efi/efivars/SecureBoot-*; do
        [ -r "$variable" ] && [ "$(od --address-radix=n --format=u1 --skip-bytes=4 "$variable" | tr -d ' ')" = 1 ] && return
    done
    return 1
}

# Rehearsals place by what settings say, so it has to be true; a tenth of the memory is the kernel's and firmware's.
capacity() {
    local have memory disk
    have=$(nproc)
    memory=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
    disk=$(($(df --output=avail --block-size=1M /var/lib | tail -1) / 1024))
    [ "$have" -ge "$CPUS" ] ||
        cannot "settings say $CPUS CPUs, this host has $have" "set cpu: $have for node $NODE"
    [ "$memory" -ge $((MEMORY_MIB * 9 / 10)) ] ||
        cannot "settings say $MEMORY_MIB MiB of memory, this host has $memory" "set memory: ${memory}Mi for node $NODE"
    [ "$disk" -ge "$DISK_GIB" ] ||
        cannot "settings say $DISK_GIB GiB of disk, /var/lib has $disk free" "free some, or set disk: ${disk}Gi for node $NODE"
}

network() {
    local name
    [ -n "$(ip route show default)$(ip -6 route show default)" ] ||
        cannot "there is no default route, without which k3s does not start" "add one: ip route add default via GATEWAY"
    for name in $LOOKUPS; do
        getent hosts "$name" >/dev/null ||
            cannot "$name cannot be resolved" "set nameservers in /etc/resolv.conf, or mirror.* in settings"
    done
}

# Certificates of a cluster are valid from the moment they are made, so clocks must agree. Package servers tell the time.
clock() {
    local uri host port there
    uri=$(grep -rhoE 'http://[^ /]+' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -1)
    uri=${uri#http://}
    host=${uri%%:*} port=80
    [ "$host" = "$uri" ] || port=${uri##*:}
    # shellcheck disable=SC2016  # the inner shell's
    there=$(timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"; printf "HEAD / HTTP/1.0\r\nHost: $0\r\n\r\n" >&3; cat <&3' \
        "$host" "$port" 2>/dev/null | tr -d '\r' | sed -n 's/^[Dd]ate: //p') || true
    if [ -z "$there" ]; then
        [ "$(timedatectl show --property=NTPSynchronized --value 2>/dev/null)" = yes ] ||
            beware "the clock is not known to be right: no time server has been reached"
        return
    fi
    local off=$(($(date +%s) - $(date --date="$there" +%s)))
    if [ "${off#-}" -gt 60 ]; then
        cannot "the clock is ${off#-} seconds off by what $host says" "set it: timedatectl set-ntp true, or date --set='$there'"
    fi
}

earlier_cluster() {
    local port
    [ -e "$OURS" ] && return # what follows is then our own
    if [ -e /usr/local/bin/k3s ] || [ -e /etc/rancher/k3s ]; then
        cannot "there is a k3s already that this program did not install" \
            "take it away with k3s-uninstall.sh or k3s-agent-uninstall.sh; it erases the cluster's data"
    elif [ -n "$(ls -A /var/lib/rancher/k3s 2>/dev/null)" ]; then
        cannot "/var/lib/rancher/k3s holds the data of an earlier k3s, which a new one cannot join with" \
            "move it away: mv /var/lib/rancher/k3s /var/lib/rancher/k3s.old"
    fi
    for port in $PORTS; do
        [ -z "$(ss --no-header --listening --tcp --numeric "sport = :$port")" ] ||
            cannot "port $port is taken" "see by whom, and stop it: ss --listening --tcp --processes 'sport = :$port'"
    done
}

main() {
    system
    architecture
    accelerators
    capacity
    network
    clock
    earlier_cluster
    if [ "$FATAL" -gt 0 ]; then
        printf '%s: %d problems; nothing was changed\n' "$NODE" "$FATAL" >&2
        exit 1
    fi
    printf '%s: fit to become a node\n' "$NODE"
}

main
