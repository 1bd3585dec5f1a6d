package decode

import (
	"testing"

	"x400flow/schema"
)

// Each part of an OR-name is in the column that is called after it.
func TestNameColumns(t *testing.T) {
	text := func(tag byte, s string) []byte { return element(tag, []byte(s)) }
	choice := func(tag byte, s string) []byte { return element(tag, text(0x13, s)) }
	extension := func(number byte, value []byte) []byte {
		return element(0x30, element(0x80, []byte{number}), element(0xa1, value))
	}
	name := element(0x60,
		element(0x30, choice(0x61, "GB"), choice(0x62, "admd"), text(0x80, "234"), text(0x81, "terminal"), choice(0xa2, "prmd"),
			text(0x83, "organization"), text(0x84, "567"),
			element(0xa5, text(0x80, "surname"), text(0x81, "given"), text(0x82, "GI"), text(0x83, "Jr")),
			element(0xa6, text(0x13, "one"), text(0x13, "two"), text(0x13, "three"), text(0x13, "four"))),
		element(0x30, element(0x30, text(0x13, "type"), text(0x13, "value")), element(0x30, text(0x13, "t"), text(0x13, "v"))),
		element(0x31, extension(1, text(0x13, "common")), extension(23, element(2, []byte{7}))))
	w := contentWorker(Config{})
	bare := element(0x60, element(0x30, text(0x83, "other")))
	for _, n := range [][]byte{name, bare, name} {
		w.rows(&schema.Message{}, apduWith(t, element(0xa0, interpersonal(element(0xa0, n), ia5("text")))), nil)
	}
	for column, want := range map[string]string{
		"country": "GB", "admd": "admd", "prmd": "prmd", "x121": "234", "terminal_id": "terminal", "organization": "organization",
		"numeric_id": "567", "surname": "surname", "given_name": "given", "initials": "GI", "generation": "Jr",
		"ou1": "one", "ou2": "two", "ou3": "three", "ou4": "four", "common_name": "common", "terminal_type": "ia5-terminal",
		"dda": "type=value/t=v",
	} {
		other := ""
		if column == "organization" {
			other = "other"
		}
		got := texts(&w.batch.IPMs, "originator_"+column)
		if len(got) != 3 || got[0] != want || got[1] != other || got[2] != want {
			t.Errorf("originator_%s is %q, want %q, %q and the first again", column, got, want, other)
		}
	}
}
