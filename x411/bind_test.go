package x411

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"x400flow/osi/ber"
)

// The binds of the captures p20 (normal mode, in its ROSE alternative) and p31
// (X.410-1984 mode) of testdata/mta, and the published one of
// x400-ping-success-rebuilt.
var (
	p20Argument = "b019a1178009616c7068612d6d7461a10a040870772d616c706861"
	p20Result   = "b117a1158008626574612d6d7461a109040770772d62657461"
	p31Argument = "a1178009616c7068612d6d7461a10a160870772d616c706861"
	p31Result   = "a1158008626574612d6d7461a109160770772d62657461"
)

// The same in indefinite lengths, all and some.
var indefiniteBinds = []string{
	"b080a1808009616c7068612d6d7461a180040870772d616c706861000000000000",
	"b11ba1808008626574612d6d7461a180040770772d6265746100000000",
	"b080a1178009616c7068612d6d7461a10a040870772d616c7068610000",
	"a1808009616c7068612d6d7461a10a160870772d616c7068610000",
	"a1178008626574612d6d7461a180160770772d626574610000",
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// protected is a ProtectedPassword with signature, both times and both random
// numbers.
func protectedPassword(t testing.TB) []byte {
	return el(0xa1, el(seq, algorithm(t), el(3, []byte{0}, []byte("hash of pw-x"))),
		str(0x80, "9605010959Z"), str(0x81, "9605011059Z"), el(0x82, []byte{0}, []byte("pw-random1")), el(0x83, []byte{3}, []byte("pw-random2")))
}

func strongCredentials(t testing.TB) []byte {
	return el(0xa0, el(0xa0, oid(t, 0x80, 2, 6, 3, 6, 0), el(0xa1, el(seq))), el(0xa1, certificate(t)), el(0xa9, str(octs, "pw-other")))
}

// mtaBind is an MTA bind argument with credentials.
func mtaBind(credentials []byte, further ...[]byte) []byte {
	return el(0xa1, append([][]byte{str(0x80, "mta"), el(0xa1, credentials)}, further...)...)
}

func TestBind(t *testing.T) {
	tests := []struct {
		name        string
		octets      []byte
		role        BindRole
		status      Status
		wrapped     int32
		mta         string
		user        string
		credentials CredentialKind
		length      int
		bindError   BindErrorCode
	}{
		{"p20 argument", unhex(t, p20Argument), BindArgument, StatusOK, 16, "alpha-mta", "", CredentialsSimpleOctets, 8, -1},
		{"p20 result", unhex(t, p20Result), BindResult, StatusOK, 17, "beta-mta", "", CredentialsSimpleOctets, 7, -1},
		{"p31 argument", unhex(t, p31Argument), BindArgument, StatusOK, -1, "alpha-mta", "", CredentialsSimpleIA5, 8, -1},
		{"p31 result", unhex(t, p31Result), BindResult, StatusOK, -1, "beta-mta", "", CredentialsSimpleIA5, 7, -1},
		{"p31 argument in the tag of RTSE", el(0xa0, unhex(t, p31Argument)), BindArgument, StatusOK, -1, "alpha-mta", "", CredentialsSimpleIA5, 8, -1},
		{"password of 1984", el(0xa1, str(0x80, "mta"), str(0x81, "pw-84")), BindArgument, StatusOK, -1, "mta", "", CredentialsSimpleIA5, 5, -1},
		{"unauthenticated", el(0xb0, el(5)), BindArgument, StatusOK, 16, "", "", CredentialsNone, 0, -1},
		{"error", el(0xb2, num(2, 2)), BindError, StatusOK, 18, "", "", CredentialsNone, 0, 2},
		{"bare error", num(2, 0), BindError, StatusOK, -1, "", "", CredentialsNone, 0, 0},
		{"constructed password", mtaBind(el(0x24, str(octs, "pw-"), str(octs, "x"))), BindArgument, StatusOK, -1, "mta", "", CredentialsSimpleOctets, 4, -1},
		{"strong", mtaBind(strongCredentials(t)), BindArgument, StatusOK, -1, "mta", "", CredentialsStrong, len(strongCredentials(t)), -1},
		{"protected", mtaBind(protectedPassword(t), el(0xa2, label(t, set))), BindArgument, StatusOK, -1, "mta", "", CredentialsProtected, len(protectedPassword(t)), -1},
		{"unknown credentials", mtaBind(num(2, 1)), BindArgument, StatusPartial, -1, "mta", "", CredentialsUnknown, 3, -1},
		{"no credentials", el(0xa1, str(0x80, "mta")), BindArgument, StatusPartial, -1, "mta", "", CredentialsNone, 0, -1},
		{"MTS bind of a user agent", el(set, orName("Smith"), el(0xa1, el(0xa0, num(0x80, 3))), el(0xa2, str(ia5, "pw-x"))), BindArgument, StatusOK, -1, "", "/C=GB/ADMD= /PRMD=X/S=Smith/", CredentialsSimpleIA5, 4, -1},
		{"MTS bind of a message store", el(set, el(0xa4, standard("Smith")), el(0xa2, str(ia5, "pw-x"))), BindArgument, StatusOK, -1, "", "/C=GB/ADMD= /PRMD=X/S=Smith/", CredentialsSimpleIA5, 4, -1},
		{"MTS bind result of an MTA", el(0xb1, el(set, str(0x80, "mta"), el(0xa2, str(ia5, "pw-x")))), BindResult, StatusOK, 17, "mta", "", CredentialsSimpleIA5, 4, -1},
		{"empty", nil, BindArgument, StatusFailed, -1, "", "", CredentialsNone, 0, -1},
		{"garbage", []byte("GET / HTTP/1.0"), BindArgument, StatusFailed, -1, "", "", CredentialsNone, 0, -1},
		{"trailing octets", append(unhex(t, p31Argument), 0x05, 0x00), BindArgument, StatusPartial, -1, "alpha-mta", "", CredentialsSimpleIA5, 8, -1},
	}
	var b Bind
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := b.Decode(tt.octets, tt.role); got != tt.status {
				t.Errorf("status %v, %s", got, b.Failure.Error())
			}
			if b.Role != tt.role || b.Wrapped != tt.wrapped || string(b.Name) != tt.mta || string(b.User.Text) != tt.user {
				t.Errorf("role %v, wrapped %d, name %q, user %q", b.Role, b.Wrapped, b.Name, b.User.Text)
			}
			if b.Credentials != tt.credentials || b.CredentialLength != tt.length || b.Error != tt.bindError {
				t.Errorf("credentials %v of %d, error %d", b.Credentials, b.CredentialLength, b.Error)
			}
		})
	}
	b.Decode(el(0xb2, num(2, 5)), BindError)
	if b.Error.Name() != "inadequate-association-confidentiality" {
		t.Errorf("error %q", b.Error.Name())
	}
	b.Decode(mtaBind(protectedPassword(t), el(0xa2, label(t, set))), BindArgument)
	if string(b.SecurityContext) != labelText {
		t.Errorf("security context %q", b.SecurityContext)
	}
}

func TestBindAllocations(t *testing.T) {
	in := unhex(t, p20Argument)
	var b Bind
	b.Decode(in, BindArgument)
	if n := testing.AllocsPerRun(20, func() { b.Decode(in, BindArgument) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkBind(b *testing.B) {
	in := unhex(b, p20Argument)
	var x Bind
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		x.Decode(in, BindArgument)
	}
}

// redacted returns a copy of in with the ranges overwritten.
func redacted(in []byte, ranges []Range) []byte {
	out := bytes.Clone(in)
	for _, r := range ranges {
		for i := r.Start; i < r.End; i++ {
			out[i] = '*'
		}
	}
	return out
}

func TestAppendCredentials(t *testing.T) {
	tests := []struct {
		name   string
		octets []byte
		want   []string
	}{
		{"p20 argument", unhex(t, p20Argument), []string{"pw-alpha"}},
		{"p20 result", unhex(t, p20Result), []string{"pw-beta"}},
		{"p31 argument", unhex(t, p31Argument), []string{"pw-alpha"}},
		{"p31 result", unhex(t, p31Result), []string{"pw-beta"}},
		{"in the tag of RTSE", el(0xa0, unhex(t, p20Argument)), []string{"pw-alpha"}},
		{"1984", el(0xa1, str(0x80, "mta"), str(0x81, "pw-84")), []string{"pw-84"}},
		{"unauthenticated", el(0xb0, el(5)), nil},
		{"error", el(0xb2, num(2, 2)), nil},
		{"empty password", mtaBind(str(ia5, "")), nil},
		{"constructed", mtaBind(el(0x24, str(octs, "pw-a"), el(0x24, str(octs, "pw-b"), str(octs, "pw-c")))), []string{"pw-a", "pw-b", "pw-c"}},
		{"indefinite", []byte("\xa1\x80\x80\x03mta\xa1\x80\x24\x80\x04\x03pw1\x04\x03pw2\x00\x00\x00\x00\x00\x00"), []string{"pw1", "pw2"}},
		{"protected", mtaBind(protectedPassword(t)), []string{"hash of pw-x", "pw-random1", "pw-random2"}},
		{"strong", mtaBind(strongCredentials(t)), []string{"pw-other"}},
		{"credentials twice", el(0xa1, el(0xa1, str(ia5, "pw-a")), el(0xa1, str(ia5, "pw-b"))), []string{"pw-a", "pw-b"}},
		{"MTS bind", el(set, orName("Smith"), el(0xa1, el(0xa0, num(0x80, 3))), el(0xa2, str(ia5, "pw-x"))), []string{"pw-x"}},
		{"MTS bind result", el(0xb1, el(set, str(0x80, "mta"), el(0xa2, str(octs, "pw-x")))), []string{"pw-x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kept := []Range{{7, 8}}
			ranges, ok := AppendCredentials(kept, tt.octets)
			if !ok || len(ranges) == 0 || ranges[0] != kept[0] {
				t.Fatalf("%v, %v", ranges, ok)
			}
			var got []string
			for _, r := range ranges[1:] {
				got = append(got, string(r.Of(tt.octets)))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			out := redacted(tt.octets, ranges[1:])
			if bytes.Contains(out, []byte("pw")) {
				t.Errorf("left: %q", out)
			}
			var before, after Bind
			before.Decode(tt.octets, BindArgument)
			after.Decode(out, BindArgument)
			if before.Status != after.Status || before.Credentials != after.Credentials ||
				before.CredentialLength != after.CredentialLength || string(before.Name) != string(after.Name) {
				t.Errorf("reads otherwise: %v %v", before.Status, after.Status)
			}
		})
	}
	for name, octets := range map[string][]byte{
		"empty":               nil,
		"garbage":             []byte("pw GET /"),
		"cut":                 unhex(t, p20Argument)[:20],
		"trailing octets":     append(unhex(t, p20Argument), "pw"...),
		"unknown credentials": mtaBind(str(0x0c, "pw")),
		"two credentials":     el(0xa1, el(0xa1, str(ia5, "pw-a"), str(ia5, "pw-b"))),
		"unknown field":       mtaBind(str(ia5, "pw"), str(0x87, "pw")),
		"untagged password":   el(set, str(0x80, "mta"), str(ia5, "pw")),
		"wrong tag":           el(0xb3, unhex(t, p31Argument)),
		"bare string":         str(ia5, "pw"),
		"primitive strong":    mtaBind(str(0x80, "pw")),
	} {
		t.Run(name, func(t *testing.T) {
			if ranges, ok := AppendCredentials(nil, octets); ok || len(ranges) != 0 {
				t.Errorf("%v, %v", ranges, ok)
			}
		})
	}
}

// No field of a decoded bind holds the password, whatever the bind.
func TestBindHoldsNoPassword(t *testing.T) {
	for _, in := range [][]byte{
		unhex(t, p20Argument), unhex(t, p31Result), mtaBind(protectedPassword(t)), mtaBind(strongCredentials(t)),
		el(0xa1, str(0x80, "mta"), str(0x81, "pw-84")),
		el(set, str(0x80, "mta"), el(0xa2, str(ia5, "pw-x"))),
		mtaBind(str(0x0c, "pw-unknown")),
		mtaBind(el(0x24, str(0x16, "pw-wrong segment"))),
	} {
		var b Bind
		b.Decode(in, BindArgument)
		all := bytes.Join([][]byte{b.Name, b.User.Text, b.User.Key, b.SecurityContext, b.Text,
			b.FirstUnknown, []byte(b.Failure.Error()), b.d.arena, b.d.out, b.d.line}, nil)
		if bytes.Contains(all, []byte("pw")) {
			t.Errorf("%q holds a password", all)
		}
	}
}

// TestSimplePassword: where the password of a usual bind stands is where it is found
// element by element, also where an octet is another or missing.
func TestSimplePassword(t *testing.T) {
	for _, s := range append([]string{p20Argument, p20Result, p31Argument, p31Result}, indefiniteBinds...) {
		bind := unhex(t, s)
		if r, ok := simplePassword(bind); !ok || !bytes.HasPrefix(bind[r.Start:r.End], []byte("pw-")) {
			t.Errorf("%x: %v, %t", bind, r, ok)
		}
		check := func(bind []byte) {
			got, ok := AppendCredentials(nil, bind)
			want, understood := redact(nil, bind, true, inBind)
			if ok != understood || !slices.Equal(got, want) {
				t.Fatalf("%x: %v, %t; want %v, %t", bind, got, ok, want, understood)
			}
		}
		for i, was := range bind {
			for octet := range 256 {
				bind[i] = byte(octet)
				check(bind)
			}
			bind[i] = was
			check(bind[:i])
			check(bind[i:])
			check(append(bind[:i:i], 0))
			check(append(bind[:i:i], 0, 0))
			check(slices.Delete(slices.Clone(bind), i, i+1))
		}
	}
}

func FuzzBind(f *testing.F) {
	for _, s := range append([]string{p20Argument, p20Result, p31Argument, p31Result}, indefiniteBinds...) {
		f.Add(unhex(f, s))
	}
	f.Add(mtaBind(protectedPassword(f)))
	f.Add(mtaBind(strongCredentials(f)))
	f.Add(el(set, orName("Smith"), el(0xa2, str(ia5, "pw-x"))))
	f.Fuzz(func(t *testing.T, in []byte) {
		var b Bind
		status := b.Decode(in, BindArgument)
		ranges, ok := AppendCredentials(nil, in)
		if !ok && len(ranges) != 0 {
			t.Error("ranges without ok")
		}
		if want, understood := redact(nil, in, true, inBind); understood != ok || !slices.Equal(ranges, want) {
			t.Errorf("%v, %t; by elements %v, %t", ranges, ok, want, understood)
		}
		last := 0
		for _, r := range ranges {
			if r.Start < last || r.End <= r.Start || r.End > len(in) {
				t.Fatalf("range %v of %d", r, len(in))
			}
			last = r.End
		}
		if !ok {
			return
		}
		// Simple credentials are covered by the ranges to the last octet.
		covered := 0
		for _, r := range ranges {
			covered += r.Len()
		}
		simple := b.Credentials == CredentialsSimpleIA5 || b.Credentials == CredentialsSimpleOctets
		if status == StatusOK && simple && covered < b.CredentialLength {
			t.Errorf("%d of %d octets", covered, b.CredentialLength)
		}
		again, ok := AppendCredentials(nil, redacted(in, ranges))
		if !ok || !slices.Equal(again, ranges) {
			t.Errorf("after redaction %v, %v; before %v", again, ok, ranges)
		}
	})
}

func TestNames(t *testing.T) {
	for n, want := range map[NonDeliveryReason]string{0: "transfer-failure", 1: "unable-to-transfer",
		8: "transfer-failure-for-security-reason", 9: "", -1: ""} {
		if got := n.Name(); got != want {
			t.Errorf("reason %d is %q, want %q", n, got, want)
		}
	}
	// The numbers are those of X.411 Figure 2; each is typed with its name to
	// catch a line left out of the table.
	for n, want := range map[NonDeliveryDiagnostic]string{0: "unrecognised-OR-name", 5: "maximum-time-expired",
		10: "implicit-conversion-not-subscribed", 15: "content-type-not-supported", 20: "line-too-long",
		26: "recipient-reassignment-prohibited", 31: "physical-rendition-attributes-not-supported",
		36: "undeliverable-mail-recipient-deceased", 42: "undeliverable-mail-recipient-changed-temporary-address",
		45: "undeliverable-mail-originator-prohibited-forwarding", 46: "secure-messaging-error",
		49: "transfer-attempts-limit-reached", 52: "forbidden-alternate-recipient", 55: "unauthorised-dl-member",
		60: "unreliable-system", 63: "decryption-key-unobtainable", 66: "failure-of-proof-of-message",
		70: "mandatory-parameter-absence", 74: "token-decryption-failed", 78: "unsupported-security-policy", 79: ""} {
		if got := n.Name(); got != want {
			t.Errorf("diagnostic %d is %q, want %q", n, got, want)
		}
	}
	for _, tt := range []struct{ got, want string }{
		{PriorityUrgent.Name(), "urgent"}, {PriorityNonUrgent.Name(), "non-urgent"}, {Priority(3).Name(), ""},
		{RoutingRerouted.Name(), "rerouted"}, {MTSUserType(5).Name(), "physical-recipient"},
		{ExplicitConversion(16).Name(), "videotex-to-ia5-text"}, {ExplicitConversion(1).Name(), ""},
		{BindErrorCode(1).Name(), ""}, {BindErrorCode(3).Name(), "unacceptable-dialogue-mode"},
		{ContentTypeName(35), "edi-messaging"}, {ContentTypeName(3), ""},
		{string(EITBits(0x205).AppendNames(nil)), "unknown,ia5-text,mixed-mode"},
		{string(EITBits(1 << 12).AppendNames(nil)), "bit-12"},
		{string(PerRecipientIndicators(0xe1).AppendNames(nil)), "responsibility,reserved-5,reserved-6,reserved-7"},
		{string(PerMessageIndicators(0x8a).AppendNames(nil)), "implicit-conversion-prohibited,content-return-request,service-message"},
		{OutcomeDelivered.Name(), "delivery"}, {KindProbe.String(), "probe"}, {StatusPartial.String(), "partial"},
		{CodeMissing.String(), "mandatory field absent"}, {berCode(ber.TooDeep).String(), ber.TooDeep.String()},
		{CredentialsProtected.String(), "protected"}, {BindResult.String(), "result"}, {FormTeletex.String(), "teletex"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	for k := range AttrUnknown {
		if k.Label() == "" || strings.ContainsAny(k.Label(), "/= ") {
			t.Errorf("label of %d is %q", k, k.Label())
		}
	}
}

func TestMSBind(t *testing.T) {
	restrictions := el(0xa4, el(0xa0, oid(t, 6, 2, 6, 1, 10, 1)), num(0x82, 3, 0xe8))
	for _, tt := range []struct {
		name   string
		octets []byte
		role   BindRole
		user   string
		creds  CredentialKind
		err    string
	}{
		{"argument", el(0xb0, el(set, orName("Smith"), el(0xa2, str(ia5, "pw-x")), restrictions, num(0x85, 0xff))), BindArgument, "/C=GB/ADMD= /PRMD=X/S=Smith/", CredentialsSimpleIA5, ""},
		{"result", el(0xb1, el(set, el(0xa2, str(octs, "pw-x")), el(0xa4, oid(t, 6, 2, 6, 4, 3, 1)), num(0x85, 0))), BindResult, "", CredentialsSimpleOctets, ""},
		{"error", el(0xb2, num(10, 1)), BindError, "", CredentialsNone, "unacceptable-security-context"},
		{"qualified error", el(0xb2, el(set, num(0x80, 3), str(0x81, "more"))), BindError, "", CredentialsNone, "bind-extension-problem"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b Bind
			if b.DecodeMS(tt.octets, tt.role) != StatusOK || b.UnknownFields != 0 || b.Role != tt.role {
				t.Errorf("%v %v %s, unknown %s", b.Role, b.Status, b.Failure.Error(), b.FirstUnknown)
			}
			if string(b.User.Text) != tt.user || b.Credentials != tt.creds || b.ErrorName() != tt.err {
				t.Errorf("user %s, credentials %v, error %s", b.User.Text, b.Credentials, b.ErrorName())
			}
			ranges, ok := AppendCredentials(nil, tt.octets)
			if out := redacted(tt.octets, ranges); !ok || strings.Contains(string(out), "pw-") {
				t.Errorf("redacted: %v %q", ok, out)
			}
		})
	}
}

func TestAppendArgumentCredentials(t *testing.T) {
	change := el(set, el(0xa0, str(ia5, "pw-old")), el(0xa1, el(0xa1, el(seq, algorithm(t), el(3, []byte{0}, []byte("pw-hash"))))))
	register := el(set, el(0xa0, str(ia5, "keep")), el(0xa4, el(0xa0, str(ia5, "pw-old")), el(0xa1, str(0x24, string(str(octs, "pw-new"))))),
		el(0xaa, el(seq, oid(t, 6, 2, 6, 4, 9, 4), str(octs, "pw-delta"))))
	for _, tt := range []struct {
		name     string
		code     int64
		argument []byte
		kept     string
	}{{"change-credentials", 8, change, ""}, {"register-MS", 24, register, "keep"}, {"octets behind", 8, append(change[:len(change):len(change)], 0, 0), ""}} {
		t.Run(tt.name, func(t *testing.T) {
			ranges, ok := AppendArgumentCredentials(nil, tt.code, tt.argument)
			out := string(redacted(tt.argument, ranges))
			if !ok || strings.Contains(out, "pw-") || !strings.Contains(out, tt.kept) || len(out) != len(tt.argument) {
				t.Errorf("%v %q", ok, out)
			}
		})
	}
	if _, ok := AppendArgumentCredentials(nil, 8, change[:20]); ok {
		t.Error("a truncated argument is read")
	}
	if ranges, ok := AppendArgumentCredentials(nil, 3, change); !ok || len(ranges) != 0 {
		t.Error("another operation's argument is overwritten")
	}
}

func TestAppendCredentialsDoesNotAllocate(t *testing.T) {
	bind := mtaBind(protectedPassword(t))
	ranges := make([]Range, 0, 16)
	if n := testing.AllocsPerRun(100, func() {
		var ok bool
		if ranges, ok = AppendCredentials(ranges[:0], bind); !ok {
			t.Fatal("not a bind")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
