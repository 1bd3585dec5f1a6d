package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Bounds of the wait before an attempt is repeated.
const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 10 * time.Second
)

// backoff returns the longest wait before attempt n is repeated, n counting from
// 1. The wait is a random part of it, so that several writers do not come back
// together.
func backoff(n int) time.Duration {
	if n > 16 {
		return lastBackoff
	}
	return min(firstBackoff<<(n-1), lastBackoff)
}

// wait waits before attempt n is repeated.
func wait(ctx context.Context, n int) error {
	d := backoff(n)
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// permanentCodes are exceptions that repeating the same statement cannot mend:
// the table is not what this program takes it for, or this user may not write.
var permanentCodes = map[int32]string{
	8:   "THERE_IS_NO_COLUMN",
	10:  "NOT_FOUND_COLUMN_IN_BLOCK",
	16:  "NO_SUCH_COLUMN_IN_TABLE",
	20:  "NUMBER_OF_COLUMNS_DOESNT_MATCH",
	36:  "BAD_ARGUMENTS",
	43:  "ILLEGAL_TYPE_OF_ARGUMENT",
	46:  "UNKNOWN_FUNCTION",
	47:  "UNKNOWN_IDENTIFIER",
	48:  "NOT_IMPLEMENTED",
	50:  "UNKNOWN_TYPE",
	53:  "TYPE_MISMATCH",
	60:  "UNKNOWN_TABLE",
	62:  "SYNTAX_ERROR",
	70:  "CANNOT_CONVERT_TYPE",
	73:  "UNKNOWN_FORMAT",
	81:  "UNKNOWN_DATABASE",
	115: "UNKNOWN_SETTING",
	131: "TOO_LARGE_STRING_SIZE",
	164: "READONLY",
	192: "UNKNOWN_USER",
	193: "WRONG_PASSWORD",
	194: "REQUIRED_PASSWORD",
	344: "SUPPORT_IS_DISABLED",
	452: "SETTING_CONSTRAINT_VIOLATION",
	497: "ACCESS_DENIED",
	516: "AUTHENTICATION_FAILED",
}

// permanent reports whether repeating cannot mend err. What is not known to be
// so is repeated: a network that fails, memory, parts or disk that are short, a
// server that starts or stops.
func permanent(err error) bool {
	_, ok := permanentCodes[exceptionCode(err)]
	return ok
}

// RefusedError is what stops a writer: the archive refuses rows, and would again.
type RefusedError struct {
	// Table is the table whose rows were refused.
	Table string
	Err   error
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("store: %s does not take rows, and repeating cannot mend it: %v", e.Table, e.Err)
}

// Unwrap returns ClickHouse's exception.
func (e *RefusedError) Unwrap() error { return e.Err }

// errClosed is what Write and Flush return after Close.
var errClosed = errors.New("store: the writer is closed")
