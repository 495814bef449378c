package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// validity of everything made here: a run lasts minutes, what leaks from it is worth nothing soon.
const validity = 6 * time.Hour

// Files of a PKI directory. ca.crt signs both the server and its clients, as kubeadm's does.
const (
	caFile             = "ca.crt"
	serverCertFile     = "server.crt"
	serverKeyFile      = "server.key"
	adminCertFile      = "admin.crt"
	adminKeyFile       = "admin.key"
	expiredCertFile    = "expired.crt"
	expiredKeyFile     = "expired.key"
	serviceAccountFile = "service-account.key"
)

// authority signs the certificates of one run. Its key is never written.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func runPKI(arguments []string) error {
	flags := flag.NewFlagSet("pki", flag.ExitOnError)
	dir := flags.String("dir", "", "where the files are written")
	_ = flags.Parse(arguments)
	if *dir == "" {
		return errors.New("pki needs --dir")
	}
	return writePKI(*dir)
}

// writePKI makes a new CA and all that it signs. The service accounts' key is kept where there is
// one, so that their tokens stay good. Each file is replaced by renaming: a reader sees the old one
// or the new one.
func writePKI(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	if err := replace(filepath.Join(dir, caFile), certPEM(ca.cert.Raw)); err != nil {
		return err
	}
	server := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default.svc"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if err := ca.issue(dir, serverCertFile, serverKeyFile, server); err != nil {
		return err
	}
	admin := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if err := ca.issue(dir, adminCertFile, adminKeyFile, admin); err != nil {
		return err
	}
	// What was the admin until a day ago.
	expired := *admin
	expired.NotAfter = time.Now().Add(-24 * time.Hour)
	if err := ca.issue(dir, expiredCertFile, expiredKeyFile, &expired); err != nil {
		return err
	}
	keyPath := filepath.Join(dir, serviceAccountFile)
	if _, err := os.Stat(keyPath); err == nil {
		return nil
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	return writeKey(keyPath, key)
}

func newAuthority() (*authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "kubeapi " + time.Now().UTC().Format(time.RFC3339Nano)},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	ca := &authority{cert: template, key: key}
	der, err := ca.sign(template, key.Public())
	if err != nil {
		return nil, err
	}
	ca.cert, err = x509.ParseCertificate(der)
	return ca, err
}

// issue writes a new key and its certificate.
func (ca *authority) issue(dir, certName, keyName string, template *x509.Certificate) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := ca.sign(template, key.Public())
	if err != nil {
		return fmt.Errorf("%s: %w", certName, err)
	}
	if err := writeKey(filepath.Join(dir, keyName), key); err != nil {
		return err
	}
	return replace(filepath.Join(dir, certName), certPEM(der))
}

func (ca *authority) sign(template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	// Clocks of one machine agree; the minute is for a clock that steps back.
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(validity)
	}
	template.NotBefore = template.NotAfter.Add(-validity - time.Minute)
	return x509.CreateCertificate(rand.Reader, template, ca.cert, public, ca.key)
}

func newKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return replace(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func replace(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
