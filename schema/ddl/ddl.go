// Package ddl reads the CREATE TABLE statements of package schema's migrations:
// as much of their form as these have, one column a line. It serves the
// generator of the Go types and of the views, not SQL from elsewhere.
package ddl

import (
	"fmt"
	"strings"
)

// Suffix is what a storage table's name has beyond its view's.
const Suffix = "_store"

// Table is a storage table.
type Table struct {
	// Name is that of the view: messages for messages_store.
	Name string
	// Comment is the table's.
	Comment string
	Columns []Column
}

// Column is a column of a storage table.
type Column struct {
	Name    string
	Type    string
	Comment string
	// GoName is the field of the row, perhaps within a group: Originator.Key.
	GoName string
	// Null, List and Hex say how the view shows the column; Hidden, that it does
	// not.
	Null, List, Hex, Hidden bool
	// Default says that the engine fills it.
	Default bool
	// GoString says that the row has a string rather than octets.
	GoString bool
}

// Store returns the name of the storage table.
func (t *Table) Store() string { return t.Name + Suffix }

// Parse returns the tables that the migration creates, in order.
func Parse(sql string) ([]Table, error) {
	var tables []Table
	var t *Table
	inside := false
	number := 0
	for line := range strings.Lines(sql) {
		number++
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "CREATE TABLE {{table "):
			_, rest, _ := strings.Cut(line, `"`)
			name, _, _ := strings.Cut(rest, `"`)
			base, ok := strings.CutSuffix(name, Suffix)
			if !ok {
				return nil, fmt.Errorf("line %d: table %q does not end in %s", number, name, Suffix)
			}
			tables = append(tables, Table{Name: base})
			t = &tables[len(tables)-1]
		case t != nil && line == "(":
			inside = true
		case t != nil && line == ")":
			inside = false
		case t != nil && !inside && strings.HasPrefix(line, "COMMENT "):
			c, _, err := quoted(strings.TrimPrefix(line, "COMMENT "))
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
			t.Comment = c
			t = nil
		case t != nil && inside && !strings.HasPrefix(line, "    INDEX "):
			c, err := column(strings.TrimSpace(line))
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
			t.Columns = append(t.Columns, c)
		}
	}
	if t != nil {
		return nil, fmt.Errorf("table %s has no COMMENT", t.Name)
	}
	return tables, nil
}

func column(line string) (Column, error) {
	var c Column
	name, rest, ok := strings.Cut(line, " ")
	at := strings.Index(rest, " COMMENT ")
	if !ok || at < 0 {
		return c, fmt.Errorf("no column with a COMMENT: %q", line)
	}
	c.Name, c.Type = name, rest[:at]
	comment, rest, err := quoted(rest[at+len(" COMMENT "):])
	if err != nil {
		return c, err
	}
	c.Comment = comment
	c.Type, _, _ = strings.Cut(c.Type, " DEFAULT ")
	c.GoName = camel(name)
	if _, notes, ok := strings.Cut(rest, "--"); ok {
		for note := range strings.FieldsSeq(notes) {
			switch {
			case note == "null":
				c.Null = true
			case note == "list":
				c.List = true
			case note == "hex":
				c.Hex = true
			case note == "hidden":
				c.Hidden = true
			case note == "default":
				c.Default = true
			case note == "string":
				c.GoString = true
			case strings.HasPrefix(note, "go:"):
				c.GoName = note[len("go:"):]
			default:
				return c, fmt.Errorf("unknown note %q", note)
			}
		}
	}
	return c, nil
}

// quoted reads the string literal that s begins with, and returns what follows.
func quoted(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, "'") {
		return "", "", fmt.Errorf("no string literal: %q", s)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), s[i+1:], nil
	}
	return "", "", fmt.Errorf("string literal without an end: %q", s)
}

// Quote returns s as a string literal.
func Quote(s string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), "'", "''") + "'"
}

var initialisms = map[string]string{
	"id": "ID", "oid": "OID", "mta": "MTA", "eits": "EITs", "tcp": "TCP",
	"tsap": "TSAP", "ssap": "SSAP", "psap": "PSAP", "tpdu": "TPDU",
	"sha256": "SHA256", "admd": "ADMD", "prmd": "PRMD",
}

func camel(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		if s, ok := initialisms[word]; ok {
			b.WriteString(s)
		} else {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
