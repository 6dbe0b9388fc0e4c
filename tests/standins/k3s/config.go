package main

import (
	"fmt"
	"net"
	"os"
	"strings"
)

// config is what of config.yaml the stand-in understands. Any other key is an error, so that no test passes by neglect.
type config struct {
	server, token, agentToken, nodeName, nodeIP string
	names, labels, taints, resolver             []string
	isMany                                      bool // one of several servers
}

// Keys that real k3s acts on and that mean nothing here.
var ignored = map[string]bool{
	"disable": true, "secrets-encryption": true, "write-kubeconfig-mode": true,
	"kubelet-arg": true, "default-runtime": true, "docker": true, "protect-kernel-defaults": true,
	"flannel-backend": true, "default-local-storage-path": true, "kube-apiserver-arg": true,
}

func readConfig() (*config, error) {
	text, err := os.ReadFile(settings)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	made := &config{token: os.Getenv("K3S_TOKEN"), server: os.Getenv("K3S_URL")}
	// Only as `--flag value`, which is how installers write them.
	for number := 2; number+1 < len(os.Args); number += 2 {
		if err := made.set(strings.TrimPrefix(os.Args[number], "--"), os.Args[number+1]); err != nil {
			return nil, err
		}
	}
	made.nodeName, _ = os.Hostname()
	key := ""
	for number, line := range strings.Split(string(text), "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if item, found := strings.CutPrefix(line, "- "); found {
			if err := made.set(key, unquoted(item)); err != nil {
				return nil, err
			}
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if !found {
			return nil, fmt.Errorf("%s:%d: not understood", settings, number+1)
		}
		key = name
		if value = unquoted(strings.TrimSpace(value)); value != "" {
			if err := made.set(key, value); err != nil {
				return nil, err
			}
		}
	}
	if made.nodeIP != "" {
		return made, nil
	}
	made.nodeIP, err = ownAddress()
	return made, err
}

func (c *config) set(key, value string) error {
	switch key {
	case "server":
		c.server = value
		c.isMany = true
	case "cluster-init":
		c.isMany = value == "true"
	case "token":
		c.token = value
	case "agent-token":
		c.agentToken = value
	case "node-name":
		c.nodeName = value
	case "node-ip":
		c.nodeIP = value
	case "tls-san":
		c.names = append(c.names, value)
	case "node-label":
		c.labels = append(c.labels, value)
	case "node-taint":
		c.taints = append(c.taints, value)
	default:
		if !ignored[key] {
			return fmt.Errorf("flag provided but not defined: -%s", key)
		}
	}
	return nil
}

func unquoted(value string) string {
	for _, quote := range []string{"'", `"`} {
		if len(value) > 1 && strings.HasPrefix(value, quote) && strings.HasSuffix(value, quote) {
			return value[1 : len(value)-1]
		}
	}
	return value
}

// ownAddress is the address of the interface that the default route leaves by; without one, k3s does not start.
func ownAddress() (string, error) {
	connection, err := net.Dial("udp", "192.0.2.1:9")
	if err != nil {
		return "", fmt.Errorf("unable to select an IP from default routes: %v", err)
	}
	defer connection.Close()
	return connection.LocalAddr().(*net.UDPAddr).IP.String(), nil
}
