package engine

import (
	"fmt"
	"strings"
)

// The engine reads SQL only as far as it must: to find where the data of an
// INSERT begin, which output format a query names, that there is one statement,
// and the few things which libchdb, being the client as well as the server,
// would do with the server's files.

type tokenKind byte

const (
	tokEnd    tokenKind = iota
	tokWord             // Bare identifier or keyword.
	tokQuoted           // Identifier in back quotes or double quotes.
	tokString           // String literal or heredoc.
	tokNumber
	tokMark // Any other single octet.
	tokBad  // Unterminated string, identifier or comment, or what is not ASCII.
)

type token struct {
	kind     tokenKind
	text     string // As written.
	pos, end int
}

func (t token) is(keyword string) bool {
	return t.kind == tokWord && strings.EqualFold(t.text, keyword)
}

func (t token) mark(c byte) bool { return t.kind == tokMark && t.text[0] == c }

// lexer splits ClickHouse SQL into tokens, skipping space and comments. Since
// what is refused depends on it, it must never see a string where ClickHouse
// sees none, nor the other way round; where it cannot be sure it gives tokBad.
// So it does with octets beyond ASCII outside quotes: ClickHouse takes some for
// space, a minus, or quotation marks, and the rest for errors. A number is its
// digits alone, which shows no fewer words than there are.
type lexer struct {
	src string
	pos int
}

func isWordStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func (l *lexer) next() token {
	for {
		for l.pos < len(l.src) && isSpace(l.src[l.pos]) {
			l.pos++
		}
		rest := l.src[l.pos:]
		switch {
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "# "), strings.HasPrefix(rest, "#!"):
			if i := strings.IndexByte(rest, '\n'); i >= 0 {
				l.pos += i + 1
			} else {
				l.pos = len(l.src)
			}
			continue
		case strings.HasPrefix(rest, "/*"):
			if i := strings.Index(rest[2:], "*/"); i >= 0 {
				l.pos += 2 + i + 2
				continue
			}
			return l.take(tokBad, len(rest))
		}
		break
	}
	rest := l.src[l.pos:]
	if rest == "" {
		return token{kind: tokEnd, pos: l.pos, end: l.pos}
	}
	switch c := rest[0]; {
	case isWordStart(c):
		n := 1
		for n < len(rest) && (isWordStart(rest[n]) || isDigit(rest[n]) || rest[n] == '$') {
			n++
		}
		return l.take(tokWord, n)
	case isDigit(c):
		n := 1
		for n < len(rest) && isDigit(rest[n]) {
			n++
		}
		return l.take(tokNumber, n)
	case c >= 0x80 || c == 0:
		return l.take(tokBad, len(rest))
	case c == '\'':
		return l.quoted(tokString, c)
	case c == '`' || c == '"':
		return l.quoted(tokQuoted, c)
	case c == '$':
		// A heredoc: $tag$ ... $tag$.
		n := 1
		for n < len(rest) && (isWordStart(rest[n]) || isDigit(rest[n])) {
			n++
		}
		if n < len(rest) && rest[n] == '$' {
			tag := rest[:n+1]
			if i := strings.Index(rest[n+1:], tag); i >= 0 {
				return l.take(tokString, n+1+i+len(tag))
			}
		}
		return l.take(tokMark, 1)
	default:
		return l.take(tokMark, 1)
	}
}

func (l *lexer) take(k tokenKind, n int) token {
	t := token{kind: k, text: l.src[l.pos : l.pos+n], pos: l.pos, end: l.pos + n}
	l.pos += n
	return t
}

// quoted takes a quoted token: a backslash escapes, a doubled quote stands for
// itself.
func (l *lexer) quoted(k tokenKind, q byte) token {
	rest := l.src[l.pos:]
	for n := 1; n < len(rest); n++ {
		switch rest[n] {
		case '\\':
			n++
		case q:
			if n+1 < len(rest) && rest[n+1] == q {
				n++
				continue
			}
			return l.take(k, n+1)
		}
	}
	return l.take(tokBad, len(rest))
}

// statement is what the engine knows of the SQL it was sent.
type statement struct {
	// sql is the statement without what follows it; of an INSERT with data only
	// the part before VALUES or FORMAT.
	sql string
	// first is the first keyword, in capitals.
	first string
	// outFormat is the format its FORMAT clause names, if any, which starts at
	// formatAt.
	outFormat string
	formatAt  int
	// data tells that it is an INSERT whose data follow at dataAt, in inFormat.
	// settings is its SETTINGS clause, which is then not in sql: with data in a
	// file it has another place.
	data     bool
	inFormat string
	settings string
	dataAt   int
}

// reads tells whether the statement is one that libchdb can stream the result of.
func (s statement) reads() bool {
	return s.first == "SELECT" || s.first == "WITH" || s.first == "(" || s.first == "FROM"
}

// writes tells that a statement needs room on the disk.
func (s statement) writes() bool {
	switch s.first {
	case "INSERT", "CREATE", "ALTER", "OPTIMIZE", "RENAME", "EXCHANGE", "DELETE", "UPDATE", "SYSTEM":
		return true
	}
	return s.data
}

func denied(format string, a ...any) *exception {
	return &exception{code: 497, text: "Code: 497. DB::Exception: " + fmt.Sprintf(format, a...) + " (ACCESS_DENIED)"}
}

func syntaxError(format string, a ...any) *exception {
	return &exception{code: 62, text: "Code: 62. DB::Exception: Syntax error: " + fmt.Sprintf(format, a...) + " (SYNTAX_ERROR)"}
}

// analyse reads one statement. bodyFollows tells that the data of an INSERT come
// after src, so that it need not name VALUES or FORMAT.
func analyse(src string, bodyFollows bool) (statement, error) {
	l := lexer{src: src}
	t := l.next()
	if t.kind == tokEnd || t.mark(';') {
		return statement{}, syntaxError("Empty query.")
	}
	s := statement{first: strings.ToUpper(t.text)}
	if t.is("INSERT") {
		done, err := s.insertHead(src, bodyFollows)
		if done || err != nil {
			return s, err
		}
	}
	l.pos = 0
	depth, end := 0, len(src)
	// The two tokens before, so that two-word clauses are seen whatever comments
	// stand between.
	var b, c token
	for {
		t := l.next()
		if t.kind == tokBad {
			return s, syntaxError("failed at position %d: unterminated string, identifier or comment, or a character that must be in quotes.", t.pos+1)
		}
		if err := forbidden(b, c, t); err != nil {
			return s, err
		}
		switch {
		case t.mark('(') || t.mark('[') || t.mark('{'):
			depth++
		case t.mark(')') || t.mark(']') || t.mark('}'):
			depth--
		}
		// After a column named format a direction may stand.
		if c.kind == tokWord && b.is("FORMAT") && !c.is("ASC") && !c.is("DESC") && (t.kind == tokEnd || t.mark(';') || t.is("SETTINGS")) && depth == 0 {
			s.outFormat, s.formatAt = c.text, b.pos
		}
		if t.mark(';') {
			end = t.pos
			// ClickHouse's HTTP interface takes one statement; so must the engine,
			// because it looks at one only.
			for t = l.next(); t.mark(';'); t = l.next() {
			}
			if t.kind != tokEnd {
				return s, syntaxError("(Multi-statements are not allowed): failed at position %d (end of query).", end+1)
			}
		}
		if t.kind == tokEnd {
			s.sql = src[:end]
			return s, nil
		}
		b, c = c, t
	}
}

// forbidden refuses what libchdb as a client would do with files of the machine,
// and the one function that reads them without asking for a privilege.
func forbidden(b, c, t token) error {
	// The text of a quoted identifier may hide behind escapes.
	isFile := func(t token) bool {
		switch t.kind {
		case tokWord:
			return strings.EqualFold(t.text, "file")
		case tokQuoted:
			return strings.EqualFold(t.text[1:len(t.text)-1], "file") || strings.Contains(t.text, `\`)
		}
		return false
	}
	switch {
	case t.kind == tokString && c.is("OUTFILE") && b.is("INTO"):
		return denied("INTO OUTFILE is not allowed over the HTTP interface.")
	case t.kind == tokString && c.is("INFILE"):
		return denied("FROM INFILE is not allowed over the HTTP interface.")
	case isFile(c) && t.mark('('), isFile(t) && c.is("APPLY"), isFile(t) && c.mark('(') && b.is("APPLY"):
		return denied("the function file is not allowed: the engine reads nothing outside the archive.")
	}
	return nil
}

// suspicious tells whether a statement might hold what forbidden refuses, even in
// a way that the lexer does not see.
func suspicious(sql string) bool {
	return strings.Contains(strings.ToLower(sql), "file") || strings.Contains(sql, `\`)
}

// forbiddenIn looks for what forbidden refuses in the data of an INSERT in the
// Values format, which may hold expressions. It returns false if it cannot tell.
func forbiddenIn(values string) (known bool, err error) {
	l := lexer{src: values}
	var b, c token
	for {
		t := l.next()
		if t.kind == tokEnd || t.kind == tokBad {
			return t.kind == tokEnd, nil
		}
		if err := forbidden(b, c, t); err != nil {
			return true, err
		}
		b, c = c, t
	}
}

// insertHead looks for the data of an INSERT. It returns false if there are
// none, because a query follows.
func (s *statement) insertHead(src string, bodyFollows bool) (bool, error) {
	l := lexer{src: src}
	l.next() // INSERT
	t := l.next()
	if t.is("INTO") {
		t = l.next()
	}
	for t.is("TABLE") || t.is("FUNCTION") {
		t = l.next()
	}
	// The table's name: it may be spelt like a keyword.
	for {
		t = l.next()
		if !t.mark('.') {
			break
		}
		l.next()
	}
	depth, settingsAt := 0, -1
	found := func(format string, headEnd, dataAt int) (bool, error) {
		s.data, s.inFormat, s.sql, s.dataAt = true, format, src[:headEnd], dataAt
		if settingsAt >= 0 {
			s.sql, s.settings = src[:settingsAt], " "+src[settingsAt:headEnd]
		}
		return true, nil
	}
	for {
		switch {
		case t.kind == tokEnd:
			if !bodyFollows {
				return false, nil
			}
			return found("Values", len(src), len(src))
		case t.kind == tokBad:
			return false, syntaxError("failed at position %d: unterminated string, identifier or comment, or a character that must be in quotes.", t.pos+1)
		case t.mark(';') && depth == 0 && bodyFollows:
			return found("Values", t.pos, len(src))
		case t.mark('('):
			depth++
		case t.mark(')'):
			depth--
		case depth == 0 && (t.is("SELECT") || t.is("WITH") || t.is("WATCH") || t.is("FROM") || t.is("EXECUTE")):
			return false, nil
		case depth == 0 && t.is("SETTINGS") && settingsAt < 0:
			settingsAt = t.pos
		case depth == 0 && t.is("VALUES"):
			return found("Values", t.pos, t.end)
		case depth == 0 && t.is("FORMAT"):
			f := l.next()
			if f.kind != tokWord {
				return false, syntaxError("failed at position %d: expected the name of a format.", f.pos+1)
			}
			at := f.end
			for at < len(src) && (src[at] == ' ' || src[at] == '\t' || src[at] == '\f' || src[at] == '\v') {
				at++
			}
			if at < len(src) && src[at] == ';' {
				at++
			}
			if at < len(src) && src[at] == '\r' {
				at++
			}
			if at < len(src) && src[at] == '\n' {
				at++
			}
			return found(f.text, t.pos, at)
		}
		t = l.next()
	}
}

// quote writes a string literal.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for i := range len(s) {
		if s[i] == '\'' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('\'')
	return b.String()
}

// quoteName writes an identifier.
func quoteName(s string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(s) + "`"
}
