#!/usr/bin/env bash
# Docker as Debian and Ubuntu package it, for k3s to run containers with in place of its own containerd.
# Knows from its variables: NVIDIA (empty on a host without CUDA GPUs)

STEP=${STEP:-docker}
# shellcheck source=SCRIPTDIR/host.sh
. "$(dirname "${BASH_SOURCE[0]}")/host.sh"

: "${NVIDIA:=}"
readonly SETTINGS=/etc/docker/daemon.json
RUNTIMES=''
[ -z "$NVIDIA" ] || RUNTIMES='"nvidia": {"path": "nvidia-container-runtime", "runtimeArgs": []}'

# In an order that is right backwards too: containers end before docker, that before its data, packages last.
state() {
    no_other_docker
    will_make directory /var/lib/containerd
    will_make directory /opt/containerd
    will_make directory /var/lib/docker
    will_make directory /etc/cni
    packages containerd
    unit containerd.service
    # k3s's logs of pods are docker's to bound, and pods outlive a restart of docker.
    file $SETTINGS 644 restart_docker <<END
{
  "live-restore": true,
  "log-driver": "json-file",
  "log-opts": {"max-file": "3", "max-size": "50m"},
  "runtimes": {$RUNTIMES}
}
END
    will_make file /etc/docker/key.json
    state_that docker docker.io
    [ -n "$CHECK" ] || has docker.io || record docker docker.io
    # A kernel with AppArmor has docker load a profile, for which it needs a program that it only recommends.
    if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then packages apparmor; fi
    packages docker.io
    hold docker.io containerd runc
    settle
    unit docker.service
    [ -n "$CHECK" ] || docker info >/dev/null || fail "docker does not answer (see above); next: journalctl -u docker"
}

no_other_docker() {
    local instead="or set k3s.containerRuntime to containerd"
    if ! has docker.io && command -v dockerd >/dev/null; then
        fail "$(command -v dockerd) is not of the distribution's package docker.io, which would replace it: remove it, $instead"
    fi
    if [ -e $SETTINGS ] && ! recorded file $SETTINGS; then
        fail "$SETTINGS is there already, and not ours: move it away, $instead"
    fi
}

# will_make KIND PATH: what docker or containerd makes; what is there before is not ours to remove
will_make() {
    state_that "$1" "$2"
    [ -n "$CHECK" ] || [ -e "$2" ] || record "$1" "$2"
}
undo_directory() { # what others have configured meanwhile stays
    case $1 in /etc/*) find "$1" -depth -type d -empty -delete ;; *) rm -rf "${1:?}" ;; esac
}

restart_docker() { ! systemctl is-active --quiet docker.service || systemctl restart docker.service; }

undo_docker() {
    local tables
    docker ps --all --quiet 2>/dev/null | xargs --no-run-if-empty docker rm --force >/dev/null || true
    systemctl stop docker.socket docker.service 2>/dev/null || true
    ! recorded package containerd || systemctl stop containerd.service
    for tables in iptables ip6tables; do
        $tables-save 2>/dev/null | grep -vE 'DOCKER|docker0' | $tables-restore || true
    done
    ip link delete docker0 2>/dev/null || true
    umount /run/docker/netns/default 2>/dev/null || true
    rm -rf /run/docker /run/docker.sock
}

main "$@"
