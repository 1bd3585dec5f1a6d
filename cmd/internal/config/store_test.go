package config

import (
	"flag"
	"io"
	"reflect"
	"strings"
	"testing"

	"x400flow/pipeline/store"
	"x400flow/schema"
)

func TestStore(t *testing.T) {
	for _, test := range []struct {
		args  string
		want  store.Options
		keep  schema.Retention
		fails string
	}{
		{"", store.Options{Target: "./archive"}, nil, ""},
		{"-store x -partition day -retention contents=90,messages=730", store.Options{Target: "x", Form: schema.Form{Partition: "day"}}, schema.Retention{"contents": 90, "messages": 730}, ""},
		{"-store clickhouse://db -cluster c -retention contents=0", store.Options{Target: "clickhouse://db", Form: schema.Form{Cluster: "c"}}, schema.Retention{"contents": 0}, ""},
		{"-retention contents", store.Options{}, nil, "it is written like contents=90"},
		{"-retention contents=1,contents=2", store.Options{}, nil, "there twice"},
		{"-retention content=1", store.Options{}, nil, "it is one of associations, contents, coverage, messages, problems"},
		{"-retention contents=99999", store.Options{}, nil, "up to 65535"},
	} {
		var f Store
		flags := flag.NewFlagSet("test", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		f.Define(flags)
		f.DefineSchema(flags)
		err := flags.Parse(strings.Fields(test.args))
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: %v, want an error with %q", test.args, err, test.fails)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.args, err)
			continue
		}
		got, err := f.Options()
		if err != nil || !reflect.DeepEqual(got, test.want) || !reflect.DeepEqual(f.Migration().Retention, test.keep) {
			t.Errorf("%s: %+v, %v, %v", test.args, got, f.Migration(), err)
		}
	}
}
