package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// rotateCertificates removes all but what the cluster shares; the next start makes new ones.
func rotateCertificates() error {
	kept := map[string]bool{}
	for _, path := range shared {
		kept[path] = true
	}
	found, err := filepath.Glob(data + "server/tls/*")
	if err != nil {
		return err
	}
	for _, path := range found {
		if !kept[path] && os.Remove(path) != nil {
			return fmt.Errorf("%s cannot be removed", path)
		}
	}
	for _, path := range []string{agent + "pki", agent + "kubelet.kubeconfig"} {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	fmt.Println("level=info msg=\"please restart k3s server or agent to rotate certificates\"")
	return nil
}

func writeToken(name, kind, secret string) error {
	full, err := fullToken(kind, secret)
	if err != nil {
		return err
	}
	return write(data+"server/"+name, []byte(full+"\n"))
}

// writeTokens leaves the tokens where k3s leaves them, and tells the API server who may join with which.
func writeTokens(c *config) error {
	agents := c.agentToken
	if agents == "" {
		agents = c.token
	}
	users := []string{agents + `,k3s-agent,k3s-agent,"system:bootstrappers,k3s:agents"`}
	if agents != c.token {
		users = append(users, c.token+`,k3s-server,k3s-server,"system:bootstrappers,k3s:agents"`)
	}
	if err := write(data+"server/users.csv", []byte(strings.Join(users, "\n")+"\n")); err != nil {
		return err
	}
	for _, one := range [][3]string{{"token", "server", c.token}, {"node-token", "server", c.token}, {"agent-token", "node", agents}} {
		if err := writeToken(one[0], one[1], one[2]); err != nil {
			return err
		}
	}
	return nil
}
