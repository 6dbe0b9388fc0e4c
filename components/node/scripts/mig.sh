#!/usr/bin/env bash
# Cuts every NVIDIA GPU of this host into like instances, which do not survive a reboot and are made again by each.
# Knows from its variables: PROFILE PARTS

STEP=${STEP:-mig}
# shellcheck source=SCRIPTDIR/host.sh
. "$(dirname "${BASH_SOURCE[0]}")/host.sh"

readonly PROGRAM=/usr/local/sbin/inference-mig

# Options as in `nvidia-smi mig --help`.
state() {
    file $PROGRAM 755 <<'END'
#!/bin/sh
# PROFILE PARTS: every GPU in so many instances. off: whole GPUs.
set -eu
instances() { nvidia-smi --list-gpus | grep -c "^ *MIG ${1-}" || true; }
clear() {
    [ "$(instances)" != 0 ] || return 0
    nvidia-smi mig --destroy-compute-instance && nvidia-smi mig --destroy-gpu-instance && return
    echo "Pods use the instances there are. Next: kubectl drain $(hostname) --ignore-daemonsets, and again" >&2
    exit 1
}
if [ "$1" = off ]; then
    clear
    nvidia-smi --multi-instance-gpu=0
    exit
fi
wanted=$(($(nvidia-smi --list-gpus | grep -c '^GPU ') * $2))
[ "$(instances "$1 ") $(instances)" != "$wanted $wanted" ] || exit 0
clear
disabled() { nvidia-smi --query-gpu=mig.mode.current --format=csv,noheader | grep -qvx Enabled; }
! disabled || nvidia-smi --multi-instance-gpu=1
# Cards before Hopper change their mode with a reset only.
if disabled && ! nvidia-smi --gpu-reset; then
    echo "MIG begins with a reset, which something that uses the GPUs prevents. Next: reboot, and again" >&2
    exit 1
fi
profiles=$1
for _ in $(seq 2 "$2"); do profiles=$profiles,$1; done
nvidia-smi mig --create-gpu-instance "$profiles" --default-compute-instance
END
    file /etc/systemd/system/inference-mig.service 644 partition <<END
[Unit]
Description=MIG instances of this inference node
After=nvidia-persistenced.service
Before=k3s.service k3s-agent.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$PROGRAM $PROFILE $PARTS

[Install]
WantedBy=multi-user.target
END
    state_that mig on
    [ -n "$CHECK" ] || record mig on
    settle
    unit inference-mig.service
}

partition() {
    systemctl daemon-reload
    [ -e /etc/systemd/system/inference-mig.service ] || return 0
    systemctl restart inference-mig.service && return
    journalctl --unit=inference-mig --no-pager --lines=10 --output=cat >&2
    fail "the GPUs could not be cut into $PARTS x $PROFILE each; profiles that they have: nvidia-smi mig -lgip"
}

undo_mig() { $PROGRAM off; }

main "$@"
