package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// What all servers of a cluster share. It lies in etcd, encrypted with the server token and below a hash of it.
var shared = []string{authority + ".crt", authority + ".key", serviceKey}

const prefix = "/bootstrap/"

var errToken = fmt.Errorf("bootstrap data already found and encrypted with different token")

type pair struct{ Key, Value string }

// reconcile leaves the shared files in the datastore, or finds that they are there under the same token.
func reconcile(token string) error {
	keys, err := bootstrapKeys(local)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return seal(token, "")
	}
	_, err = unseal(keys, token)
	return err
}

// fetchBootstrap writes the files that another server has left.
func fetchBootstrap(server, token string) error {
	if _, err := os.Stat(authority + ".crt"); err == nil {
		return nil
	}
	keys, err := bootstrapKeys(etcdOf(server))
	if err != nil {
		return err
	}
	files, err := unseal(keys, token)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := write(data+"server/tls/"+name, content); err != nil {
			return err
		}
	}
	return nil
}

// seal encrypts the shared files with a token, and only then forgets them under an earlier one.
func seal(token, earlier string) error {
	files := map[string][]byte{}
	for _, path := range shared {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files[filepath.Base(path)] = content
	}
	plain, err := json.Marshal(files)
	if err != nil {
		return err
	}
	lock, err := cipherOf(token)
	if err != nil {
		return err
	}
	nonce := make([]byte, lock.NonceSize())
	rand.Read(nonce)
	value := base64.StdEncoding.EncodeToString(lock.Seal(nonce, nonce, plain, nil))
	if err := call(local, "kv/put", pair{Key: keyOf(token), Value: value}.question(), nil); err != nil {
		return err
	}
	if earlier == "" || earlier == token {
		return nil
	}
	return call(local, "kv/deleterange", map[string]any{"key": keyOf(earlier)}, nil)
}

func unseal(keys []pair, token string) (map[string][]byte, error) {
	for _, one := range keys {
		if one.Key != keyOf(token) {
			continue
		}
		lock, err := cipherOf(token)
		if err != nil {
			return nil, err
		}
		sealed, err := base64.StdEncoding.DecodeString(one.Value)
		if err != nil {
			return nil, err
		}
		plain, err := lock.Open(nil, sealed[:lock.NonceSize()], sealed[lock.NonceSize():], nil)
		if err != nil {
			return nil, errToken
		}
		var files map[string][]byte
		return files, json.Unmarshal(plain, &files)
	}
	return nil, errToken
}

func bootstrapKeys(there string) ([]pair, error) {
	var found struct{ Kvs []pair }
	from, to := []byte(prefix), []byte("/bootstrap0") // all that begins with the prefix
	return found.Kvs, call(there, "kv/range", map[string]any{"key": from, "range_end": to}, &found)
}

func (p pair) question() map[string]any { return map[string]any{"key": p.Key, "value": p.Value} }

func keyOf(token string) string {
	hash := sha256.Sum256([]byte(token))
	return base64.StdEncoding.EncodeToString([]byte(prefix + hex.EncodeToString(hash[:6])))
}

func cipherOf(token string) (cipher.AEAD, error) {
	key := sha256.Sum256([]byte("bootstrap" + token))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
