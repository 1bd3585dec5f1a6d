// Package tlsfiles configures a TLS client from PEM files.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Files names the files (PEM).
type Files struct {
	// CA holds the certificates that sign the server's; empty means the system's.
	CA string
	// Certificate and Key are the client's.
	Certificate, Key string
}

// Any reports whether a file is named.
func (f *Files) Any() bool { return f.CA != "" || f.Certificate != "" || f.Key != "" }

// Apply puts the files' contents into c.
func (f *Files) Apply(c *tls.Config) error {
	c.MinVersion = tls.VersionTLS12
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return fmt.Errorf("certificates of the server's CA: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s holds no certificate in PEM", f.CA)
		}
	}
	if f.Certificate == "" && f.Key == "" {
		return nil
	}
	if f.Certificate == "" || f.Key == "" {
		return errors.New("a client's certificate and its key go together")
	}
	// Read anew for each connection, so that a renewed certificate is used.
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
		if err != nil {
			return nil, fmt.Errorf("the client's certificate: %w", err)
		}
		return &pair, nil
	}
	if _, err := load(); err != nil {
		return err
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return nil
}
