package store

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"x400flow/engine"
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

// The archive behind TLS and a password takes rows and gives them back, and
// what is not as it should be is refused, with errors that say so and hold no
// password.
func TestTLSAndPassword(t *testing.T) {
	a, other := newAuthority(t, "ca"), newAuthority(t, "ca")
	direct, address := guarded(t, a)
	other.issue(t, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	word := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(word, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := []string{"-store-cert", a.file("client.pem"), "-store-key", a.file("client.key")}
	target := "clickhouse://ann@" + address + "/default"
	for _, test := range []struct {
		name, password string
		args           []string
		fails          string
	}{
		{"from the environment", secret, append(client, "-store-ca", a.file("ca.pem")), ""},
		{"from a file", "wrong", append(client, "-store-ca", a.file("ca.pem"), "-store-password-file", word), ""},
		{"wrong password", "swordfish", append(client, "-store-ca", a.file("ca.pem")), "Authentication failed"},
		{"no password", "", append(client, "-store-ca", a.file("ca.pem")), "Authentication failed"},
		{"unknown server", secret, append(client, "-store-ca", other.file("ca.pem")), "certificate"},
		{"no certificate", secret, []string{"-store-ca", a.file("ca.pem")}, "certificate"},
		{"another's certificate", secret, []string{"-store-ca", a.file("ca.pem"), "-store-cert", other.file("client.pem"), "-store-key", other.file("client.key")}, "certificate"},
		{"no key", secret, []string{"-store-ca", a.file("ca.pem"), "-store-cert", a.file("client.pem")}, "go together"},
		{"no CA", secret, []string{"-store-ca", a.file("client.key")}, "holds no certificate"},
		{"CA not there", secret, []string{"-store-ca", a.file("nothing")}, "no such file"},
		{"password file not there", secret, []string{"-store-password-file", a.file("nothing")}, "no such file"},
		{"without TLS", secret, nil, "HTTPS server"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(passwordVariable, test.password)
			err := func() error {
				s, err := openFlags(append([]string{"-store", target}, test.args...))
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

// openFlags opens what the arguments of a command say.
func openFlags(args []string) (*Store, error) {
	var f Flags
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	f.Define(flags)
	f.DefineSchema(flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o, err := f.Options()
	if err != nil {
		return nil, err
	}
	return Open(o)
}

func TestFlags(t *testing.T) {
	t.Setenv(passwordVariable, "")
	for _, test := range []struct {
		args  string
		want  Options
		keep  schema.Retention
		fails string
	}{
		{"", Options{Target: "./archive"}, nil, ""},
		{"-store x -partition day -retention contents=90,messages=730", Options{Target: "x", Form: schema.Form{Partition: "day"}}, schema.Retention{"contents": 90, "messages": 730}, ""},
		{"-store clickhouse://db -cluster c -retention contents=0", Options{Target: "clickhouse://db", Form: schema.Form{Cluster: "c"}}, schema.Retention{"contents": 0}, ""},
		{"-retention contents", Options{}, nil, "it is written like contents=90"},
		{"-retention contents=1,contents=2", Options{}, nil, "there twice"},
		{"-retention content=1", Options{}, nil, "it is one of associations, contents, coverage, messages, problems"},
		{"-retention contents=99999", Options{}, nil, "up to 65535"},
	} {
		var f Flags
		flags := flag.NewFlagSet("test", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		f.Define(flags)
		f.DefineSchema(flags)
		err := flags.Parse(strings.Fields(test.args))
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: %v, want an error with %q", test.args, err, test.fails)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.args, err)
			continue
		}
		got, err := f.Options()
		if err != nil || !reflect.DeepEqual(got, test.want) || !reflect.DeepEqual(f.Migration().Retention, test.keep) {
			t.Errorf("%s: %+v, %v, %v", test.args, got, f.Migration(), err)
		}
	}
}
