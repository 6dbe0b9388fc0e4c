#!/usr/bin/env bash
# Waits until every node advertises to pods the GPUs that settings promise; says what is in the way if one does not.
# Knows from its variables: WANTED (lines of: node resource count), NAMESPACE of the device plugins, SELECTOR among its pods

set -euo pipefail

: "${SECONDS_TO_WAIT:=300}" "${SELECTOR:=}"

kubectl() { /usr/local/bin/k3s kubectl --request-timeout=20s "$@"; }

main() {
    local waited=0
    until compare; do
        [ $waited -lt "$SECONDS_TO_WAIT" ] || explain
        [ $((waited % 20)) = 0 ] && echo "waits for GPUs: $MISSING"
        sleep 2
        waited=$((waited + 2))
    done
    while read -r node resource count; do echo "$node advertises $count x $resource"; done <<<"$WANTED"
}

# What is there now, against what is wanted: MISSING is about the first node that differs, LACKS its name. One that has
# more is waited for too: it may be about to have less.
compare() {
    local node resource count there nodes
    nodes=$(kubectl get nodes --output=jsonpath='{range .items[*]}{.metadata.name}{"\t"}{.status.allocatable}{"\n"}{end}') || nodes=
    MISSING='' LACKS=''
    while read -r node resource count; do
        there=$(sed -n "s|^$node	.*\"$resource\":\"\([0-9]*\)\".*|\1|p" <<<"$nodes")
        if [ "${there:-0}" != "$count" ]; then
            SURPLUS=$((${there:-0} > count))
            LACKS=$node MISSING="node $node advertises ${there:-0} x $resource, settings promise $count"
            return 1
        fi
    done <<<"$WANTED"
}

explain() {
    local pod said
    echo "$MISSING" >&2
    if [ "$SURPLUS" = 1 ]; then
        echo "Correct accelerator.count or accelerator.sharing of $LACKS in the settings" >&2
        exit 1
    fi
    pod=$(kubectl get pods --namespace="$NAMESPACE" --selector="$SELECTOR" --field-selector="spec.nodeName=$LACKS" \
        --output=name | head -n 1)
    if [ -z "$pod" ]; then
        echo "No device plugin runs there. Next: kubectl get nodes; kubectl -n $NAMESPACE get daemonsets" >&2
        exit 1
    fi
    said=$(
        kubectl get events --namespace="$NAMESPACE" --field-selector="involvedObject.name=${pod#pod/},type=Warning" \
            --output=jsonpath='{range .items[*]}{.message}{"\n"}{end}' | tail -n 3
        kubectl logs --namespace="$NAMESPACE" "$pod" --tail=10 2>&1 || true
    )
    printf '%s\n' "Its device plugin, $pod:" "$said" >&2
    case $said in
    *'no runtime for "nvidia"'*)
        echo "k3s finds nvidia-container-runtime only when it starts. Next: on $LACKS, see that nvidia-container-toolkit is" \
            "installed (drivers.install does), and systemctl restart k3s or k3s-agent" >&2
        ;;
    *'initialize NVML'* | *'ERROR_LIBRARY_NOT_FOUND'*)
        echo "The NVIDIA runtime gave it no driver. Next: on $LACKS, nvidia-smi and nvidia-container-cli info" >&2
        ;;
    *) echo "Next: kubectl -n $NAMESPACE describe $pod; on $LACKS: dmesg | grep -iE 'nvidia|amdgpu'" >&2 ;;
    esac
    exit 1
}

main
