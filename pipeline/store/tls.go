package store

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS names the files (PEM) for TLS with a server. Naming any makes TLS a must;
// so does secure=true among the target's parameters.
type TLS struct {
	// CA holds the certificates that sign the server's; empty means the system's.
	CA string
	// Certificate and Key are the client's.
	Certificate, Key string
}

func (t *TLS) wanted() bool { return t.CA != "" || t.Certificate != "" || t.Key != "" }

// apply puts the files' contents into c.
func (t *TLS) apply(c *tls.Config) error {
	c.MinVersion = tls.VersionTLS12
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return fmt.Errorf("store: certificates of the server's CA: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("store: %s holds no certificate in PEM", t.CA)
		}
	}
	if t.Certificate == "" && t.Key == "" {
		return nil
	}
	if t.Certificate == "" || t.Key == "" {
		return errors.New("store: a client's certificate and its key go together (-store-cert, -store-key)")
	}
	// Read anew for each connection, so that a renewed certificate is used.
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, fmt.Errorf("store: the client's certificate: %w", err)
		}
		return &pair, nil
	}
	if _, err := load(); err != nil {
		return err
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return nil
}
