package engine

import (
	"fmt"
	"os"
	"path/filepath"
)

// LibraryVersion is the version of libchdb this package is written for.
const LibraryVersion = "26.5.3"

// libraryVariable names another libchdb.so than the cached one.
const libraryVariable = "CHDB_LIB_PATH"

// Library returns the path of libchdb.so: CHDB_LIB_PATH if set, else the copy
// that `make libchdb` puts into the user's cache. If there is none the error
// names the place looked at and the command to type.
func Library() (string, error) {
	if p := os.Getenv(libraryVariable); p != "" {
		if !isFile(p) {
			return "", fmt.Errorf("no libchdb at %s, which %s names; unset it and type: make libchdb", p, libraryVariable)
		}
		return p, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("looking for libchdb: %w; set %s to the path of libchdb.so", err, libraryVariable)
	}
	p := filepath.Join(cache, "x400flow", "libchdb-"+LibraryVersion, "libchdb.so")
	if !isFile(p) {
		return "", fmt.Errorf("no libchdb at %s; type: make libchdb", p)
	}
	return p, nil
}

func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}
