package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const authority = data + "server/tls/server-ca"

// ensureAuthority makes the cluster's certificate authority, once.
func ensureAuthority() error {
	if _, err := os.Stat(authority + ".crt"); err == nil {
		return nil
	}
	return issue(authority, &x509.Certificate{
		Subject: pkix.Name{CommonName: "k3s-standin-ca"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, "")
}

// client writes a certificate for one identity of the control plane, unless there is one, as k3s does until its last days.
func client(name, commonName, organisation string) (string, error) {
	subject := pkix.Name{CommonName: commonName}
	if organisation != "" {
		subject.Organization = []string{organisation}
	}
	path := data + "server/tls/" + name
	if _, err := os.Stat(path + ".crt"); err == nil {
		return path, nil
	}
	return path, issue(path, &x509.Certificate{
		Subject: subject, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, authority)
}

// serving writes the API server's certificate, followed by the authority's, by which an agent knows it.
func serving(c *config) (string, error) {
	path := data + "server/tls/serving"
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "k3s"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	hosts := []string{"127.0.0.1", "10.43.0.1", c.nodeIP, "localhost", c.nodeName, "kubernetes",
		"kubernetes.default", "kubernetes.default.svc"}
	for _, host := range append(hosts, c.names...) {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if known, err := tls.LoadX509KeyPair(path+".crt", path+".key"); err == nil && covers(known.Leaf, template) {
		return path, nil
	}
	if err := issue(path, template, authority); err != nil {
		return "", err
	}
	root, err := os.ReadFile(authority + ".crt")
	if err != nil {
		return "", err
	}
	file, err := os.OpenFile(path+".crt", os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer file.Close()
	_, err = file.Write(root)
	return path, err
}

// covers tells whether a certificate is good for all names and addresses that it is wanted for.
func covers(known, wanted *x509.Certificate) bool {
	for _, address := range wanted.IPAddresses {
		if known.VerifyHostname(address.String()) != nil {
			return false
		}
	}
	for _, name := range wanted.DNSNames {
		if known.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

func issue(path string, template *x509.Certificate, by string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().AddDate(1, 0, 0)
	parent, signer := template, key
	if by != "" {
		pair, err := tls.LoadX509KeyPair(by+".crt", by+".key")
		if err != nil {
			return err
		}
		parent, signer = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := write(path+".key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})); err != nil {
		return err
	}
	return write(path+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// kubeconfigOf is a kubeconfig for a certificate, or for a token when there is one.
func kubeconfigOf(server, root, certificate, token string) ([]byte, error) {
	user := fmt.Sprintf("{token: %q}", token)
	if token == "" {
		user = fmt.Sprintf("{client-certificate-data: %s, client-key-data: %s}", encoded(certificate+".crt"), encoded(certificate+".key"))
	}
	return []byte(fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority-data: %s
    server: %s
  name: default
contexts:
- context: {cluster: default, user: default}
  name: default
current-context: default
users:
- name: default
  user: %s
`, encoded(root), server, user)), nil
}

func encoded(path string) string {
	content, _ := os.ReadFile(path)
	return base64.StdEncoding.EncodeToString(content)
}

// fullToken is a token as k3s writes it into server/token: with the hash of the authority, so that who joins checks it.
func fullToken(kind, secret string) (string, error) {
	root, err := os.ReadFile(authority + ".crt")
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256(root)
	return "K10" + hex.EncodeToString(hash[:]) + "::" + kind + ":" + secret, nil
}

// fetchAuthority is what an agent knows a server by: the last certificate it shows, checked against the token's hash.
func fetchAuthority(server, token string) ([]byte, error) {
	address := strings.TrimPrefix(server, "https://")
	connection, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	chain := connection.ConnectionState().PeerCertificates
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[len(chain)-1].Raw})
	if rest, found := strings.CutPrefix(token, "K10"); found {
		hash := sha256.Sum256(root)
		if want, _, _ := strings.Cut(rest, "::"); want != hex.EncodeToString(hash[:]) {
			return nil, fmt.Errorf("token CA hash does not match the Cluster CA certificate hash: %s != %x", want, hash)
		}
	}
	return root, nil
}

// secretOf is the part of a token that is not the hash.
func secretOf(token string) string {
	if _, rest, found := strings.Cut(token, "::"); found {
		token = rest
		_, token, _ = strings.Cut(token, ":")
	}
	return token
}

func write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".part", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}
