package kafka

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/bus/kafka/kafkatest"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := new(authority)
	a.cert, a.key, a.pem, _ = a.issue(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue makes a certificate and its key, in PEM, too.
func (a *authority) issue(t *testing.T, c *x509.Certificate) (cert *x509.Certificate, key *ecdsa.PrivateKey, certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "x400flow test"}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// TestSecurity speaks TLS with client certificates and every SASL mechanism.
func TestSecurity(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts a broker of its own")
	}
	a := newAuthority(t)
	dir := t.TempDir()
	write := func(name string, octets ...[]byte) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, bytes.Join(octets, nil), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	_, _, cert, key := a.issue(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	const module = "org.apache.kafka.common.security."
	k := kafkatest.New(t, kafkatest.Options{
		Security: "SASL_SSL",
		Scram:    []string{"SCRAM-SHA-256=[name=alice,password=geheim-256]", "SCRAM-SHA-512=[name=bob,password=geheim-512]"},
		Properties: map[string]string{
			"sasl.enabled.mechanisms":                             "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
			"listener.name.client.plain.sasl.jaas.config":         module + `plain.PlainLoginModule required user_carol="geheim-plain";`,
			"listener.name.client.scram-sha-256.sasl.jaas.config": module + "scram.ScramLoginModule required;",
			"listener.name.client.scram-sha-512.sasl.jaas.config": module + "scram.ScramLoginModule required;",
			"listener.name.client.ssl.keystore.type":              "PEM",
			"listener.name.client.ssl.keystore.location":          write("broker.pem", key, cert),
			"listener.name.client.ssl.truststore.type":            "PEM",
			"listener.name.client.ssl.truststore.location":        write("ca.pem", a.pem),
			"listener.name.client.ssl.client.auth":                "required",
		},
	})
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	_, _, cert, key = a.issue(t, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	good := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}
	for _, tt := range []struct {
		name, mechanism, user, password string
		tls                             *tls.Config
		refused                         bool
	}{
		{"plain", "plain", "carol", "geheim-plain", good, false},
		{"scram-256", "SCRAM-SHA-256", "alice", "geheim-256", good, false},
		{"scram-512", "scram-sha-512", "bob", "geheim-512", good, false},
		{"wrong password", "PLAIN", "carol", "geheim-wrong", good, true},
		{"wrong password, scram", "SCRAM-SHA-512", "bob", "geheim-wrong", good, true},
		{"unknown authority", "PLAIN", "carol", "geheim-plain", &tls.Config{Certificates: good.Certificates}, true},
		{"no client certificate", "PLAIN", "carol", "geheim-plain", &tls.Config{RootCAs: roots}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var logged bytes.Buffer
			c := Config{
				Brokers: k.Addrs(), Topic: "secure", SASL: tt.mechanism, User: tt.user, Password: tt.password, TLS: tt.tls,
				Timeout: 5 * time.Second, Log: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, err := Prepare(ctx, c, &Create{Partitions: 1, Replication: 1})
			if tt.refused {
				if err == nil || errors.Is(err, ErrUnreachable) {
					t.Errorf("got %v, want a refusal", err)
				} else if t.Log(err); strings.Contains(err.Error(), "geheim") {
					t.Error("the error shows the password")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p := producer(t, ProducerConfig{Config: c})
			p.sendAll(t, []bus.Message{numbered(1, 1), numbered(1, 2)})
			r := consumer(t, c, tt.name)
			for _, d := range receive(t, r, 2) {
				d.Ack()
			}
			end(t, r)
			if strings.Contains(logged.String(), "geheim") {
				t.Errorf("the log shows the password: %s", &logged)
			}
		})
	}
}
