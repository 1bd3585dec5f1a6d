package engine

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// exception is an error as ClickHouse tells it.
type exception struct {
	code int
	text string
}

func (e *exception) Error() string { return e.text }

var (
	exceptionCode = regexp.MustCompile(`^Code: (\d+)\. `)
	// libchdb, its own client, wraps what the server said into itself.
	exceptionTwice = regexp.MustCompile(`(?s)^Code: \d+\. DB::Exception: (Code: \d+\. DB::.*) \(version [^()]*\)\. \([A-Z0-9_]+\)$`)
)

// unknownException is UNKNOWN_EXCEPTION.
const unknownException = 1002

// parseException reads ClickHouse's own error text.
func parseException(text string) *exception {
	text = strings.TrimPrefix(strings.TrimSpace(text), "Error: ")
	if m := exceptionTwice.FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	m := exceptionCode.FindStringSubmatch(text)
	if m == nil {
		return &exception{code: unknownException, text: "Code: 1002. DB::Exception: " + text + " (UNKNOWN_EXCEPTION)"}
	}
	code, _ := strconv.Atoi(m[1])
	return &exception{code: code, text: text}
}

// asException makes an exception of any error.
func asException(err error) *exception {
	if e, ok := err.(*exception); ok {
		return e
	}
	return parseException(err.Error())
}

// status is the HTTP status that ClickHouse answers with.
func (e *exception) status() int {
	switch e.code {
	case 62, 26, 27, 41, 43, 53, 38, 6, 42, 69, 70, 72, 117, 130, 131, 184, 190, 215, 386, 457:
		return http.StatusBadRequest
	case 46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 336:
		return http.StatusNotFound
	case 497, 291:
		return http.StatusForbidden
	case 159:
		return http.StatusRequestTimeout
	case 48:
		return http.StatusNotImplemented
	case 307:
		return http.StatusRequestEntityTooLarge
	case 202:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
