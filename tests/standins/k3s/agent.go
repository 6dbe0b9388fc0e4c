package main

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	agent      = data + "agent/"
	containerd = "/run/k3s/containerd/containerd.sock"
)

// nvidiaRuntime is looked for at each start, as k3s does, and offered to pods when it is there.
const nvidiaRuntime = "/usr/bin/nvidia-container-runtime"

func startAgent(c *config, isServer bool, ended chan error) (*apiServer, error) {
	server, token := c.server, c.token
	if isServer {
		server = "https://" + c.nodeIP + ":6443"
	}
	var root []byte
	for tries := 0; ; tries++ {
		var err error
		if root, err = fetchAuthority(server, token); err == nil {
			break
		}
		fmt.Fprintf(os.Stderr, "level=error msg=%q\n", fmt.Sprintf("failed to validate connection to cluster at %s: %v", server, err))
		if tries > 100 || strings.Contains(err.Error(), "hash") {
			return nil, err
		}
		time.Sleep(time.Second)
	}
	if err := write(agent+"server-ca.crt", root); err != nil {
		return nil, err
	}
	text, err := kubeconfigOf(server, agent+"server-ca.crt", "", secretOf(token))
	if err != nil {
		return nil, err
	}
	bootstrap := agent + "bootstrap.kubeconfig"
	if err := write(bootstrap, text); err != nil {
		return nil, err
	}
	cluster, err := reach(server, agent+"server-ca.crt", secretOf(token))
	if err != nil {
		return nil, err
	}
	if err := cluster.get("/api", nil); err != nil {
		return nil, fmt.Errorf("failed to get CA certs: %s/cacerts: 401 Unauthorized", server)
	}
	for {
		err := passNodePassword(c, cluster, bootstrap)
		if err == nil {
			break
		}
		fmt.Fprintf(os.Stderr, "level=error msg=%q\n", err.Error())
		time.Sleep(2 * time.Second)
	}
	if err := writeRuntime(); err != nil {
		return nil, err
	}
	start(ended, "containerd", "--config", agent+"etc/containerd/config.toml", "--root", agent+"containerd",
		"--state", "/run/k3s/containerd", "--address", containerd, "--log-level", "warn")
	// A kubelet that finds nobody there ends, and a socket may be left from before.
	if err := patiently(func() error { return taken(containerd) }); err != nil {
		return nil, err
	}
	if err := write(agent+"kubelet.yaml", []byte(kubelet)); err != nil {
		return nil, err
	}
	labels := append([]string{"node.kubernetes.io/instance-type=k3s"}, c.labels...)
	start(ended, "kubelet", "--config="+agent+"kubelet.yaml", "--kubeconfig="+agent+"kubelet.kubeconfig",
		"--bootstrap-kubeconfig="+bootstrap, "--cert-dir="+agent+"pki", "--hostname-override="+c.nodeName, "--node-ip="+c.nodeIP,
		"--node-labels="+strings.Join(labels, ","), "--register-with-taints="+strings.Join(c.taints, ","))
	start(ended, "kube-proxy", "--kubeconfig="+bootstrap, "--hostname-override="+c.nodeName, "--proxy-mode=iptables",
		"--cluster-cidr=10.42.0.0/16", "--conntrack-max-per-core=0", "--conntrack-min=0",
		"--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0")
	go keepRoutes(c, cluster, isServer)
	return cluster, nil
}

// taken is an error unless somebody listens there.
func taken(socket string) error {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	return connection.Close()
}

// writeRuntime configures containerd: mirrors from registries.yaml, as k3s does, and what a host in a container needs.
func writeRuntime() error {
	certificates := agent + "etc/containerd/certs.d/"
	os.RemoveAll(certificates)
	text, _ := os.ReadFile("/etc/rancher/k3s/registries.yaml")
	registry := ""
	for _, line := range strings.Split(string(text), "\n") {
		word := strings.TrimSpace(line)
		if strings.HasSuffix(word, ":") && strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "   ") {
			registry = unquoted(strings.TrimSuffix(word, ":"))
		}
		if address, found := strings.CutPrefix(word, "- "); found && registry != "" {
			directory := registry
			if registry == "*" {
				directory = "_default"
			}
			hosts := fmt.Sprintf("[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", unquoted(address))
			if err := write(filepath.Join(certificates, directory, "hosts.toml"), []byte(hosts)); err != nil {
				return err
			}
		}
	}
	text = []byte(strings.ReplaceAll(runtime, "CERTIFICATES", certificates))
	if _, err := os.Stat(nvidiaRuntime); err == nil {
		text = append(text, strings.ReplaceAll(otherRuntime, "PROGRAM", nvidiaRuntime)...)
	}
	return write(agent+"etc/containerd/config.toml", text)
}

func writeNetwork(cidr string) {
	const path = "/etc/cni/net.d/10-k3s.conflist"
	if _, err := os.Stat(path); err == nil {
		return
	}
	write(path, []byte(strings.ReplaceAll(network, "SUBNET", cidr)))
}

func prepareHost() error {
	said, err := exec.Command("/bin/sh", "-c", preparation).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %s", err, said)
	}
	return nil
}

func decoded(text string) (string, error) {
	plain, err := base64.StdEncoding.DecodeString(text)
	return string(plain), err
}
