package store

import (
	"fmt"
	"strings"
	"testing"

	"x400flow/schema"
)

// A search for part of a text, and one for a word, read the granule that has it,
// though the view reads the newest readings only.
func TestTextIndex(t *testing.T) {
	s := archive(t)
	insert(t, s, func(b *schema.Batch) {
		for i := range 40_000 {
			text := fmt.Sprintf("The weather at the port, report %d\r\n", i)
			if i == 20_000 {
				text = "A Überraschung for once\r\n"
			}
			b.BodyParts.Append(&schema.BodyPart{
				APDU: [16]byte{byte(i), byte(i >> 8)}, OriginTime: 1.7e18 + int64(i)*1e9, Version: 1, Position: 1, Kind: "ia5-text", IsText: true, Text: []byte(text),
			})
		}
	})
	for _, condition := range []string{
		"lowerUTF8(text) LIKE '%errasch%'", "hasToken(lowerUTF8(text), 'once')", "hasAllTokens(lowerUTF8(text), 'once überraschung')",
		// As the report search asks.
		"lowerUTF8(text) LIKE concat('%', arraySort(x -> -length(x), extractAll(lowerUTF8('Überrasch* f'), '[a-z0-9]+'))[1], '%')",
	} {
		if got := query(t, s, "SELECT count() FROM body_parts WHERE "+condition); got[0] != "1" {
			t.Errorf("%s finds %s texts", condition, got[0])
		}
		explained := strings.Join(query(t, s, "EXPLAIN indexes = 1 SELECT apdu FROM body_parts WHERE "+condition), "\n")
		if !strings.Contains(explained, "Granules: 1/") {
			t.Errorf("%s reads more than one granule:\n%s", condition, explained)
		}
	}
}
