package store

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"x400flow/engine"
	"x400flow/pipeline/tlsfiles"
	"x400flow/schema"
)

// authority signs certificates.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.issue(t, name, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue writes NAME.pem and NAME.key.
func (a *authority) issue(t *testing.T, name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(a.file(name+file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed, key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

const secret = "correct horse"

// guarded is an archive behind a proxy that ends TLS, wants a client's
// certificate, and knows one user.
func guarded(t *testing.T, a *authority) (direct *Store, address string) {
	t.Helper()
	direct = archive(t)
	next := engine.Proxy(direct.name, engineOptions)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password := r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
		if basicUser, basicPassword, ok := r.BasicAuth(); ok {
			user, password = basicUser, basicPassword
		}
		if user != "ann" || password != secret {
			w.Header().Set("X-ClickHouse-Exception-Code", "516")
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, "Code: 516. DB::Exception: "+user+": Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)")
			return
		}
		next.ServeHTTP(w, r)
	}))
	a.issue(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	a.issue(t, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	pair, err := tls.LoadX509KeyPair(a.file("server.pem"), a.file("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(a.cert)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	return direct, server.Listener.Addr().String()
}

// A server that ends the connection when the client takes the handshake to be over gives
// no reason, and the error says what it may be.
func TestEndedWithoutReason(t *testing.T) {
	a := newAuthority(t, "ca")
	a.issue(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	pair, err := tls.LoadX509KeyPair(a.file("server.pem"), a.file("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			c.(*tls.Conn).Handshake()
			c.(*tls.Conn).NetConn().Close()
		}
	}()
	s, err := Open(Options{Target: "clickhouse://ann@" + listener.Addr().String() + "/default", TLS: tlsfiles.Files{CA: a.file("ca.pem")}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(t.Context(), MigrateOptions{}); err == nil || !strings.Contains(err.Error(), "does not take this client's certificate") {
		t.Errorf("got %v", err)
	}
}

// The archive behind TLS and a password takes rows and gives them back, and
// what is not as it should be is refused, with errors that say so and hold no
// password.
func TestTLSAndPassword(t *testing.T) {
	a, other := newAuthority(t, "ca"), newAuthority(t, "ca")
	direct, address := guarded(t, a)
	other.issue(t, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	server := tlsfiles.Files{CA: a.file("ca.pem")}
	both := tlsfiles.Files{CA: a.file("ca.pem"), Certificate: a.file("client.pem"), Key: a.file("client.key")}
	target := "clickhouse://ann@" + address + "/default"
	for _, test := range []struct {
		name, target, password string
		tls                    tlsfiles.Files
		fails                  string
	}{
		{"right", target, secret, both, ""},
		{"https", strings.Replace(target, "clickhouse", "https", 1), secret, both, ""},
		{"wrong password", target, "swordfish", both, "Authentication failed"},
		{"no password", target, "", both, "Authentication failed"},
		{"unknown server", target, secret, tlsfiles.Files{CA: other.file("ca.pem"), Certificate: both.Certificate, Key: both.Key}, "certificate"},
		{"no certificate", target, secret, server, "certificate"},
		{"another's certificate", target, secret, tlsfiles.Files{CA: server.CA, Certificate: other.file("client.pem"), Key: other.file("client.key")}, "certificate"},
		{"no key", target, secret, tlsfiles.Files{Certificate: both.Certificate}, "go together"},
		{"no CA", target, secret, tlsfiles.Files{CA: both.Key}, "holds no certificate"},
		{"CA not there", target, secret, tlsfiles.Files{CA: a.file("nothing")}, "no such file"},
		{"without TLS", target, secret, tlsfiles.Files{}, "HTTPS server"},
		{"without TLS on purpose", strings.Replace(target, "clickhouse", "http", 1), secret, both, "http:// is without TLS"},
		{"directory", t.TempDir(), secret, both, "certificates go with a server"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := func() error {
				s, err := Open(Options{Target: test.target, Password: test.password, TLS: test.tls})
				if err != nil {
					return err
				}
				defer s.Close()
				if err := s.Migrate(t.Context(), MigrateOptions{}); err != nil {
					return err
				}
				insert(t, s, func(b *schema.Batch) { oneOfEach(b, 1) })
				if got := query(t, s, "SELECT count() FROM messages"); got[0] != "1" {
					t.Errorf("%s messages", got[0])
				}
				return nil
			}()
			if test.fails == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Fatalf("got %v, want an error with %q", err, test.fails)
			}
			for _, password := range []string{secret, "swordfish", "correct%20horse", "correct+horse"} {
				if strings.Contains(err.Error(), password) {
					t.Errorf("the error holds a password: %v", err)
				}
			}
		})
	}
	if got := query(t, direct, "SELECT count() FROM messages"); got[0] != "1" {
		t.Errorf("%s messages in the archive, want 1", got[0])
	}
}

// Of several servers the first that answers is used.
func TestSeveralServers(t *testing.T) {
	direct := archive(t)
	server := httptest.NewServer(engine.Proxy(direct.name, engineOptions))
	t.Cleanup(server.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s, err := Open(Options{Target: "clickhouse://ann@" + gone.Listener.Addr().String() + "," + server.Listener.Addr().String() + "/default"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	insert(t, s, func(b *schema.Batch) { oneOfEach(b, 1) })
	if got := query(t, s, "SELECT count() FROM messages"); got[0] != "1" {
		t.Errorf("%s messages", got[0])
	}
}
