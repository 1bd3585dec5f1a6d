package engine

import "errors"

// LibraryVersion is the version of libchdb this package is written for.
const LibraryVersion = "26.5.3"

// Library returns the path of libchdb.so: CHDB_LIB_PATH if set, else the copy
// that `make libchdb` puts into the user's cache. If there is none the error
// names the place looked at and the command to type.
func Library() (string, error) { return "", errors.New("not yet") }
