package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"x400flow/pipeline/bus/kafka"
)

func TestBus(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := file("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	private := file("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	password := file("password", []byte("hunter2\n"))
	parse := func(args string) (kafka.Config, *kafka.Create, error) {
		var b Bus
		flags := flag.NewFlagSet("test", flag.ContinueOnError)
		b.Define(flags)
		if err := Parse(flags, strings.Fields(args)); err != nil {
			return kafka.Config{}, nil, err
		}
		c, err := b.Config()
		return c, b.Create(), err
	}

	c, create, err := parse("-bus kafka://a,b:1/t")
	if err != nil || c.TLS != nil || c.SASL != "" || create != nil || len(c.Brokers) != 2 || c.Topic != "t" {
		t.Errorf("plain: %+v, %v, %v", c, create, err)
	}
	c, create, err = parse("-bus kafka://u@a/t -create-topic 12,3 -kafka-sasl plain -kafka-password-file " + password +
		" -kafka-ca " + cert + " -kafka-cert " + cert + " -kafka-key " + private)
	if err != nil || c.Password != "hunter2" || c.User != "u" || c.TLS == nil || c.TLS.RootCAs == nil || *create != (kafka.Create{Partitions: 12, Replication: 3}) {
		t.Fatalf("all: %+v, %+v, %v", c, create, err)
	}
	if pair, err := c.TLS.GetClientCertificate(nil); err != nil || len(pair.Certificate) != 1 {
		t.Errorf("client's certificate: %v, %v", pair, err)
	}
	if c, _, err = parse("-bus kafka://a/t -kafka-tls"); err != nil || c.TLS == nil {
		t.Errorf("TLS: %+v, %v", c, err)
	}
	for _, tt := range []struct{ args, want string }{
		{"-bus http://a/t", "-bus"},
		{"-bus kafka://u:hunter2@a/t", "password"},
		{"-bus kafka://u@a/t", "-kafka-sasl"},
		{"-bus kafka://a/t -kafka-sasl plain", "no user"},
		{"-bus kafka://u@a/t -kafka-sasl plain", "no password"},
		{"-bus kafka://u@a/t -kafka-sasl plain -kafka-password-file " + password + "2", "no such file"},
		{"-bus kafka://a/t -kafka-timeout 0s", "must be positive"},
		{"-bus kafka://a/t -kafka-ca " + password, "no certificate"},
		{"-bus kafka://a/t -kafka-cert " + cert, "go together"},
		{"-bus kafka://a/t -kafka-cert " + cert + " -kafka-key " + password, "PEM"},
		{"-bus kafka://a/t -create-topic 12", "two numbers"},
		{"-bus kafka://a/t -create-topic 0,3", "two numbers"},
	} {
		if _, _, err := parse(tt.args); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %s", tt.args, err, tt.want)
		}
	}
}
