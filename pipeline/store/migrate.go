package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"x400flow/schema"
)

// VersionError says that an archive has another schema than this program.
type VersionError struct {
	// Store names the archive.
	Store string
	// Have and Want are numbers of migrations; Have is 0 where there is no
	// archive.
	Have, Want int
}

// Error implements error.
func (e *VersionError) Error() string {
	switch {
	case e.Have == 0:
		return fmt.Sprintf("%s holds no archive yet; ingest or decode make one", e.Store)
	case e.Have < e.Want:
		return fmt.Sprintf("%s has schema %d, this program needs %d; run ingest or decode of this version once", e.Store, e.Have, e.Want)
	}
	return fmt.Sprintf("%s has schema %d, this program knows %d; use a newer version", e.Store, e.Have, e.Want)
}

// MigrateOptions says what Migrate makes.
type MigrateOptions struct {
	// Retention, if not nil, is set on every table; what it does not name stays
	// for ever.
	Retention schema.Retention
}

// Codes of ClickHouse's exceptions.
const (
	codeUnknownTable       = 60
	codeUnknownDatabase    = 81
	codeTableAlreadyExists = 57
)

// Attempts of a statement of a migration that meets another starter's.
const (
	migrationAttempts = 20
	migrationPause    = 25 * time.Millisecond
)

// Migrate brings the archive to the schema of this program. Several programs may
// try at once: each statement changes nothing when repeated.
func (s *Store) Migrate(ctx context.Context, o MigrateOptions) error {
	all, err := schema.Migrations()
	if err != nil {
		return err
	}
	// An archive that is as it should be is not written to: there may be no room.
	applied, have, err := s.applied(ctx)
	if code := exceptionCode(err); code == codeUnknownTable || code == codeUnknownDatabase {
		create, err := s.form.MigrationsTable()
		if err != nil {
			return err
		}
		err = s.migrationStep(ctx, create)
		if exceptionCode(err) == codeUnknownDatabase && s.database != "" {
			if err = s.createDatabase(ctx); err == nil {
				err = s.migrationStep(ctx, create)
			}
		}
		if err != nil {
			return fmt.Errorf("store %s: %w", s.name, err)
		}
		applied, have, err = s.applied(ctx)
		if err != nil {
			return fmt.Errorf("store %s: %w", s.name, err)
		}
	} else if err != nil {
		return fmt.Errorf("store %s: %w", s.name, err)
	}
	if have > len(all) {
		return &VersionError{Store: s.name, Have: have, Want: len(all)}
	}
	for i := range all {
		m := &all[i]
		if digest, ok := applied[m.Number]; ok {
			if digest != m.Digest {
				return fmt.Errorf("store %s: migration %d (%s) is not the one that was applied here", s.name, m.Number, m.Name)
			}
			continue
		}
		statements, err := m.Statements(s.form)
		if err != nil {
			return err
		}
		for _, sql := range statements {
			if err := s.migrationStep(ctx, sql); err != nil {
				line, _, _ := strings.Cut(sql, "\n")
				return fmt.Errorf("store %s: migration %d (%s), %s: %w", s.name, m.Number, m.Name, line, err)
			}
		}
		record := fmt.Sprintf("INSERT INTO schema_migrations (number, name, digest) SELECT %d, '%s', '%s'", m.Number, m.Name, m.Digest)
		if err := s.migrationStep(ctx, record); err != nil {
			return fmt.Errorf("store %s: migration %d (%s): %w", s.name, m.Number, m.Name, err)
		}
	}
	if err := s.checkForm(ctx); err != nil {
		return err
	}
	if o.Retention != nil {
		return s.retain(ctx, o.Retention)
	}
	return nil
}

// checkForm returns an error where the archive was made in another form than
// the one asked for: no migration turns one into the other.
func (s *Store) checkForm(ctx context.Context) error {
	ask := func(sql string) (answer string, err error) {
		if err := s.conn.QueryRow(ctx, sql).Scan(&answer); err != nil {
			return "", fmt.Errorf("store %s: %w", s.name, err)
		}
		return answer, nil
	}
	const tables = " FROM system.tables WHERE database = currentDatabase() AND name = "
	made, err := ask("SELECT if(engine = 'Distributed', extract(engine_full, '^Distributed\\(\\'([^\\']*)'), '')" + tables + "'messages_store'")
	switch {
	case err != nil:
		return err
	case made != s.form.Cluster && made == "":
		return fmt.Errorf("store %s: was not made for a cluster: leave out -cluster %s, or take another database", s.name, s.form.Cluster)
	case made != s.form.Cluster:
		return fmt.Errorf("store %s: was made with -cluster %s: give it here too", s.name, made)
	case s.form.Partition == "":
		return nil
	}
	if made, err = ask("SELECT if(startsWith(partition_key, 'toYYYYMMDD('), 'day', 'month')" + tables + "'" + s.form.Local("messages_store") + "'"); err != nil {
		return err
	}
	if made != s.form.Partition {
		return fmt.Errorf("store %s: was made with partitions of a %s, which stays so: leave out -partition, or take another database", s.name, made)
	}
	return nil
}

// migrationStep runs a statement, and again where another starter was quicker.
func (s *Store) migrationStep(ctx context.Context, sql string) error {
	var err error
	for range migrationAttempts {
		if err = s.conn.Exec(ctx, sql); exceptionCode(err) != codeTableAlreadyExists {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(migrationPause + rand.N(migrationPause)):
		}
	}
	return err
}

func (s *Store) createDatabase(ctx context.Context) error {
	o := s.options
	o.Auth.Database = "default"
	conn, err := clickhouse.Open(&o)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS `"+strings.ReplaceAll(s.database, "`", "")+"`"+s.form.OnCluster())
}

// applied returns the digests of the migrations applied, and the highest number.
func (s *Store) applied(ctx context.Context) (map[int]string, int, error) {
	rows, err := s.conn.Query(ctx, "SELECT number, digest FROM schema_migrations FINAL ORDER BY number")
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	applied := map[int]string{}
	have := 0
	for rows.Next() {
		var n uint32
		var digest string
		if err := rows.Scan(&n, &digest); err != nil {
			return nil, 0, err
		}
		applied[int(n)] = digest
		have = max(have, int(n))
	}
	return applied, have, rows.Err()
}

// CheckVersion returns a *VersionError unless the archive has the schema of this
// program.
func (s *Store) CheckVersion(ctx context.Context) error {
	all, err := schema.Migrations()
	if err != nil {
		return err
	}
	_, have, err := s.applied(ctx)
	if code := exceptionCode(err); code == codeUnknownTable || code == codeUnknownDatabase {
		have, err = 0, nil
	}
	if err != nil {
		return fmt.Errorf("store %s: %w", s.name, err)
	}
	if have != len(all) {
		return &VersionError{Store: s.name, Have: have, Want: len(all)}
	}
	return nil
}

// retain sets the TTL of the tables where it is not as asked for.
func (s *Store) retain(ctx context.Context, r schema.Retention) error {
	ttls, err := r.TTLs()
	if err != nil {
		return err
	}
	for _, t := range ttls {
		table := s.form.Local(t.Table)
		var made string
		if err := s.conn.QueryRow(ctx, "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = '"+table+"'").Scan(&made); err != nil {
			return fmt.Errorf("store %s: retention: %w", s.name, err)
		}
		has := strings.Contains(made, " TTL ")
		change := " MODIFY TTL " + t.Expression
		switch {
		case t.Expression == "" && !has, t.Expression != "" && strings.Contains(made, " TTL "+t.Expression+" "):
			continue
		case t.Expression == "":
			change = " REMOVE TTL"
		}
		if err := s.conn.Exec(ctx, "ALTER TABLE "+table+s.form.OnCluster()+change); err != nil {
			return fmt.Errorf("store %s: retention: %w", s.name, err)
		}
	}
	return nil
}

// exceptionCode returns the code of ClickHouse's exception in err, 0 when it
// holds none.
func exceptionCode(err error) int32 {
	var e *clickhouse.Exception
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}
