#!/bin/sh
# What k3s's own installer leaves on a host, for the stand-in beside it: a unit, its variables, links and uninstaller.
# Takes INSTALL_K3S_EXEC, INSTALL_K3S_SKIP_DOWNLOAD, INSTALL_K3S_SKIP_START and INSTALL_K3S_SKIP_ENABLE.
set -eu

[ "${INSTALL_K3S_SKIP_DOWNLOAD:-}" = true ] || { echo "[ERROR]  the stand-in downloads nothing" >&2; exit 1; }
[ -x /usr/local/bin/k3s ] || { echo "[ERROR]  Executable k3s binary not found at /usr/local/bin/k3s" >&2; exit 1; }
what=${INSTALL_K3S_EXEC:-server}
case $what in server) name=k3s ;; *) name=k3s-agent ;; esac
unit=/etc/systemd/system/$name.service

echo "[INFO]  systemd: Creating service file $unit"
for link in kubectl crictl ctr; do
    [ -n "$(command -v $link)" ] || ln -sf k3s /usr/local/bin/$link
done
install -m 600 /dev/null "$unit.env"
cat >"$unit" <<END
[Unit]
Description=Lightweight Kubernetes (stand-in)
After=network-online.target
[Install]
WantedBy=multi-user.target
[Service]
Type=notify
EnvironmentFile=-$unit.env
KillMode=process
Delegate=yes
TimeoutStartSec=0
TimeoutStopSec=5
Restart=always
RestartSec=2s
ExecStart=/usr/local/bin/k3s $what
END

cat >/usr/local/bin/k3s-killall.sh <<'END'
#!/bin/sh
for service in /etc/systemd/system/k3s*.service; do
    [ -s "$service" ] && systemctl stop "${service##*/}"
done
pkill -KILL -f containerd-shim
sleep 0.2
awk '$2 ~ "^/run/k3s|^/var/lib/kubelet/pods|^/var/lib/rancher/k3s|^/run/netns/cni-|^/run/containerd" { print $2 }' /proc/mounts |
    sort -r | xargs -r umount -l
ip -br link show master cni0 2>/dev/null | sed 's/[@ ].*//' | xargs -r -n 1 ip link delete
ip link delete cni0 2>/dev/null
rm -rf /var/lib/cni /etc/cni
iptables-save | grep -v -e KUBE- -e CNI- | grep -iv flannel | iptables-restore
ip route show | grep '^10\.42\.' | while read -r route; do ip route delete ${route%% *}; done
for file in vm/overcommit_memory kernel/panic kernel/panic_on_oops; do umount /proc/sys/$file 2>/dev/null; done
exit 0
END
cat >"/usr/local/bin/$name-uninstall.sh" <<END
#!/bin/sh
/usr/local/bin/k3s-killall.sh
systemctl disable $name 2>/dev/null
rm -f $unit $unit.env
systemctl daemon-reload
systemctl reset-failed $name 2>/dev/null
for link in kubectl crictl ctr; do [ -L /usr/local/bin/\$link ] && rm -f /usr/local/bin/\$link; done
rm -rf /etc/rancher/k3s /run/k3s /run/flannel /var/lib/rancher/k3s /var/lib/kubelet /opt/containerd
rm -f /usr/local/bin/k3s /usr/local/bin/k3s-killall.sh /usr/local/bin/$name-uninstall.sh
END
chmod 755 /usr/local/bin/k3s-killall.sh "/usr/local/bin/$name-uninstall.sh"

systemctl daemon-reload
[ "${INSTALL_K3S_SKIP_ENABLE:-}" = true ] || systemctl enable --quiet "$name"
[ "${INSTALL_K3S_SKIP_START:-}" = true ] || [ "${INSTALL_K3S_SKIP_ENABLE:-}" = true ] || {
    echo "[INFO]  systemd: Starting $name"
    systemctl restart "$name"
}
