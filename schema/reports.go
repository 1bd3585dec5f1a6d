package schema

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

//go:embed reports/*.sql
var reportFiles embed.FS

// A Report is a ready-made report: statements with ClickHouse's query parameters
// ({name:Type}).
type Report struct {
	// Name is that of its file: flows.
	Name string
	// Title says what it shows in a few words, About in a sentence or two.
	Title, About string
	// Example is a command that shows it.
	Example string
	Params  []Param
	// Statements are run one after the other with the same parameters.
	Statements []Statement
}

// Param is a parameter of a report.
type Param struct {
	Name, Type string
	// Default is what it is when not given; Required says that there is none.
	Default  string
	Required bool
	About    string
}

// Statement is a statement of a report.
type Statement struct {
	// Title is empty where there is one statement only.
	Title, SQL string
}

// Reports returns the ready-made reports in order of name.
func Reports() ([]Report, error) {
	files, err := fs.Glob(reportFiles, "reports/*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var all []Report
	for _, f := range files {
		b, err := reportFiles.ReadFile(f)
		if err != nil {
			return nil, err
		}
		r, err := parseReport(strings.TrimSuffix(strings.TrimPrefix(f, "reports/"), ".sql"), string(b))
		if err != nil {
			return nil, fmt.Errorf("report %s: %w", f, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// parseReport reads a report's file: a header of comments, an empty line, and
// statements, each of which may stand behind a comment with its title.
func parseReport(name, text string) (Report, error) {
	r := Report{Name: name}
	header, body, _ := strings.Cut(text, "\n\n")
	for line := range strings.Lines(header) {
		key, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "-- "), " ")
		if !ok {
			return r, fmt.Errorf("header %q", line)
		}
		switch key {
		case "title:":
			r.Title = value
		case "about:":
			r.About = value
		case "example:":
			r.Example = value
		case "param":
			declared, about, ok := strings.Cut(value, ": ")
			if !ok {
				return r, fmt.Errorf("parameter %q", line)
			}
			p := Param{About: about}
			declared, p.Default, ok = strings.Cut(declared, " =")
			p.Required = !ok
			p.Default = strings.TrimSpace(p.Default)
			if p.Name, p.Type, ok = strings.Cut(declared, " "); !ok {
				return r, fmt.Errorf("parameter %q", line)
			}
			r.Params = append(r.Params, p)
		default:
			return r, fmt.Errorf("header %q", line)
		}
	}
	for part := range strings.SplitSeq(body+"\n", ";\n") {
		var s Statement
		s.SQL = strings.TrimSpace(part)
		if rest, ok := strings.CutPrefix(s.SQL, "-- statement: "); ok {
			s.Title, s.SQL, _ = strings.Cut(rest, "\n")
		}
		if s.SQL != "" {
			r.Statements = append(r.Statements, s)
		}
	}
	if r.Title == "" || r.About == "" || r.Example == "" || len(r.Statements) == 0 {
		return r, fmt.Errorf("title, about, example or statements are missing")
	}
	return r, nil
}
