#!/usr/bin/env bash
# Restarts the host if a step before said that it must. The next connection waits until it is back.
# Knows from its variables: NODE

set -euo pipefail

readonly REASON=/run/inference/reboot # not there after a reboot

if [ ! -e $REASON ]; then
    echo "no reboot needed"
    exit
fi
if systemctl is-active --quiet k3s.service || systemctl is-active --quiet k3s-agent.service; then
    echo "$NODE must reboot ($(cat $REASON)), but it is a node at work, whose pods would be cut off." >&2
    echo "Next: kubectl drain $NODE --ignore-daemonsets --delete-emptydir-data; reboot it; kubectl uncordon $NODE;" \
        "then run pulumi up again" >&2
    exit 1
fi
echo "reboots: $(cat $REASON)"
# From here on nobody gets in until the host is back, so that the next connection is to the new boot.
for unit in ssh.socket ssh.service; do
    if systemctl is-active --quiet $unit; then systemctl stop $unit; fi
done
# Unless something holds the reboot up: then one must be able to look.
systemd-run --quiet --collect --on-active=180 systemctl start ssh.service
systemd-run --quiet --collect --on-active=1 systemctl reboot
