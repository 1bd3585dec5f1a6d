package store

import (
	"strings"

	"github.com/google/uuid"
)

// IDArray writes identifiers as an array for a query parameter.
func IDArray(ids []uuid.UUID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return textArray(texts)
}

// textArray writes texts as an array for a query parameter.
func textArray(values []string) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	var b strings.Builder
	b.WriteByte('[')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("'" + quote.Replace(v) + "'")
	}
	b.WriteByte(']')
	return b.String()
}
