package main

import (
	"errors"
	"strings"

	"x400flow/x411"
)

// namePatterns returns what the key of an OR-name is LIKE when it has the
// attributes in text, or where text is none, when it has that part: an array of
// patterns as ClickHouse writes one.
func namePatterns(text string) (string, error) {
	list, err := x411.ParseAttributes(text)
	if errors.Is(err, x411.ErrNoAttributes) {
		return arrayOf([]string{"%" + likeEscape(strings.ToLower(text)) + "%"}), nil
	}
	if err != nil {
		return "[]", err
	}
	var patterns []string
	for i := range list {
		p := likeEscape(string(list[i].AppendKeyPart(nil)))
		if list[i].Number == x411.AnyUnit {
			// Any one of OU1 to OU4.
			p = strings.Replace(p, "ou1", "ou_", 1)
		}
		patterns = append(patterns, "%"+p+"%")
	}
	return arrayOf(patterns), nil
}

// likeEscape makes a pattern of LIKE that stands for s itself.
func likeEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(s)
}

func arrayOf(list []string) string {
	quote := strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", " ", "\t", " ")
	for i, s := range list {
		list[i] = "'" + quote.Replace(s) + "'"
	}
	return "[" + strings.Join(list, ",") + "]"
}
