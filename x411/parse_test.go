package x411

import (
	"errors"
	"strings"
	"testing"
)

func TestParseAttributes(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"S=Smith;O=ACME;C=GB", "/s=smith/ /o=acme/ /c=gb/"},
		{"s=Smith; o=ACME  Ltd ; p=X; a= ; c=234", "/s=smith/ /o=acme ltd/ /prmd=x/ /admd=/ /c=gb/"},
		{"/C=GB/ADMD=BT/PRMD=X/O=A\\/B/OU1=C/S=D/", "/c=gb/ /admd=bt/ /prmd=x/ /o=a\\/b/ /ou1=c/ /s=d/"},
		{"/O=A$/B/S=D", "/o=a\\/b/ /s=d/"},
		{"G=Ann;Q=Jr;I=J", "/g=ann/ /gq=jr/ /i=j/"},
		{"DDA:RFC-822=ann(a)x.org", "/dda:rfc-822=ann(a)x.org/"},
		{"DD.RFC-822=a=b;S=x", "/dda:rfc-822=a=b/ /s=x/"},
		{"X.121=1234;N-ID=5;T-ID=6", "/x121=1234/ /n-id=5/ /t-id=6/"},
		{"OU=sales", "/ou1=sales/"},
		{"S=Smi*", "/s=smi"},
		{"S=Müller", "/s=müller/"},
		{"smith", "not"}, {"s smith=x", "not"}, {"", "not"}, {"a/s=x", "not"},
		{"S=a;X=b", `OR-address: "X" is no attribute`}, {"/S=a/b/", `OR-address: "b" has no "="`},
	} {
		list, err := ParseAttributes(test.text)
		var got []string
		for i := range list {
			got = append(got, string(list[i].AppendKeyPart(nil)))
		}
		switch {
		case errors.Is(err, ErrNoAttributes):
			got = []string{"not"}
		case err != nil:
			got = []string{err.Error()[:min(len(err.Error()), len(test.want))]}
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("%q: %s, want %s", test.text, s, test.want)
		}
	}
}

// What is parsed from the text of a real name is found in its key.
func TestParseAttributesOfTexts(t *testing.T) {
	for _, name := range realNames(t) {
		var a APDU
		a.Decode(realOctets(t, name))
		for i := range a.Recipients {
			n := &a.Recipients[i].Name
			list, err := ParseAttributes(string(n.Text))
			if err != nil {
				t.Errorf("%s: %v", n.Text, err)
			}
			for k := range list {
				if part := string(list[k].AppendKeyPart(nil)); !strings.Contains(string(n.Key), part) {
					t.Errorf("%s is not in %s", part, n.Key)
				}
			}
		}
	}
}

func FuzzParseAttributes(f *testing.F) {
	f.Add("/C=GB/O=A\\/B/DDA:x=y/")
	f.Add("S=Smith;O=ACME")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseAttributes(text)
		if err == nil && len(list) == 0 {
			t.Fatal("neither attributes nor an error")
		}
		for i := range list {
			list[i].AppendKeyPart(nil)
		}
	})
}
