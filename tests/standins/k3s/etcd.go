package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	local   = "http://127.0.0.1:2379"
	etcd    = data + "server/db/etcd"
	nameOf  = etcd + "-name"
	patient = 120 // seconds until a member has to be up, or a majority be there
)

type member struct {
	ID        string
	Name      string
	PeerURLs  []string
	IsLearner bool
}

// startEtcd makes a member of one, or joins those of another server: as a learner, until it has caught up. Plain HTTP,
// unlike k3s's: only the firewall keeps others out.
func startEtcd(c *config, ended chan error) error {
	name, err := memberName(c)
	if err != nil {
		return err
	}
	peer := "http://" + c.nodeIP + ":2380"
	cluster, state := name+"="+peer, "new"
	if _, err := os.Stat(etcd + "/member"); err != nil && c.server != "" {
		if cluster, err = join(etcdOf(c.server), name, peer); err != nil {
			return err
		}
		state = "existing"
	}
	start(ended, "etcd", "--name="+name, "--data-dir="+etcd, "--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
		"--listen-client-urls="+local+",http://"+c.nodeIP+":2379", "--advertise-client-urls=http://"+c.nodeIP+":2379",
		"--initial-cluster="+cluster, "--initial-cluster-state="+state, "--unsafe-no-fsync", "--log-level=error")
	for range patient {
		if err = promote(c, name); err == nil {
			members, err := listMembers(local)
			c.isMany = c.isMany || len(members) > 1
			return err
		}
		time.Sleep(time.Second)
	}
	return fmt.Errorf("etcd: %v", err)
}

// promote makes this member a voter, which it is told by asking for a key: a learner answers no such question.
func promote(c *config, name string) error {
	_, err := bootstrapKeys(local)
	if err == nil || c.server == "" {
		return err
	}
	members, asked := listMembers(etcdOf(c.server))
	for _, one := range members {
		if one.Name == name && one.IsLearner {
			asked = call(etcdOf(c.server), "cluster/member/promote", map[string]any{"ID": one.ID}, nil)
		}
	}
	if asked != nil {
		return asked
	}
	return err
}

func join(there, name, peer string) (string, error) {
	members, err := listMembers(there)
	if err != nil {
		return "", err
	}
	cluster := []string{name + "=" + peer}
	known := false
	for _, one := range members {
		if one.PeerURLs[0] == peer && one.Name != "" { // of an earlier host with this address
			if err := removeMember(there, one); err != nil {
				return "", err
			}
		} else if one.PeerURLs[0] == peer {
			known = true
		} else {
			cluster = append(cluster, one.Name+"="+one.PeerURLs[0])
		}
	}
	if !known {
		err = call(there, "cluster/member/add", map[string]any{"peerURLs": []string{peer}, "isLearner": true}, nil)
	}
	return strings.Join(cluster, ","), err
}

// forgetServers removes the members of servers whose nodes are being deleted, which wait for it.
func forgetServers(c *config, all nodes) {
	for _, node := range all.Items {
		if node.Metadata.DeletionTimestamp == "" || len(node.Metadata.Finalizers) == 0 {
			continue
		}
		members, err := listMembers(local)
		if err != nil || node.Metadata.Name == c.nodeName {
			continue
		}
		for _, one := range members {
			if one.Name[:max(0, len(one.Name)-9)] == node.Metadata.Name && removeMember(local, one) != nil {
				return
			}
		}
		kubectl(admin, "", "patch", "node", node.Metadata.Name, "--type=merge", `--patch={"metadata":{"finalizers":null}}`)
	}
}

func listMembers(there string) ([]member, error) {
	var found struct{ Members []member }
	return found.Members, call(there, "cluster/member/list", map[string]any{"linearizable": true}, &found)
}

func removeMember(there string, one member) error {
	return call(there, "cluster/member/remove", map[string]any{"ID": one.ID}, nil)
}

// memberName is a node's name and eight digits, so that a host that comes again is another member.
func memberName(c *config) (string, error) {
	if known, err := os.ReadFile(nameOf); err == nil {
		return string(known), nil
	}
	random := make([]byte, 4)
	rand.Read(random)
	name := c.nodeName + "-" + hex.EncodeToString(random)
	return name, write(nameOf, []byte(name))
}

func etcdOf(server string) string {
	address, _ := url.Parse(server)
	return "http://" + address.Hostname() + ":2379"
}

// call asks etcd by its JSON gateway.
func call(there, what string, question any, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 10 * time.Second}
	said, err := client.Post(there+"/v3/"+what, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	return answered(said, "etcd "+what, answer)
}
