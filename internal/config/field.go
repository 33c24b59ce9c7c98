package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Field is one setting of Serve that a variable, and mostly a flag, can give.
type Field struct {
	// Path in the file, such as limits.in_flight.
	Path string
	// Flag without its dashes; empty where there is none. Own says that the flag belongs to every command.
	Flag string
	Own  bool
	// Env is the variable.
	Env string
	// Kind is bool, int, float64, duration, string or stringArray.
	Kind string
	// Default as text, and what the setting does.
	Default, Doc string

	index []int
}

// Fields lists the settings in the order of the struct.
func Fields() []Field {
	return fields(reflect.ValueOf(DefaultServe()), "", nil)
}

func fields(v reflect.Value, prefix string, index []int) []Field {
	var out []Field
	for i := range v.NumField() {
		f, at := v.Type().Field(i), append(append([]int(nil), index...), i)
		path := prefix + f.Tag.Get("yaml")
		if f.Type.Kind() == reflect.Struct {
			out = append(out, fields(v.Field(i), path+".", at)...)
			continue
		}
		kind := kindOf(f.Type)
		if kind == "" {
			continue // only in the file
		}
		flag := f.Tag.Get("flag")
		switch flag {
		case "":
			flag = strings.NewReplacer(".", "-", "_", "-").Replace(path)
		case "-":
			flag = ""
		}
		out = append(out, Field{Path: path, Flag: flag, Own: f.Tag.Get("own") != "", Env: "GRADER_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_")),
			Kind: kind, Default: text(v.Field(i)), Doc: f.Tag.Get("doc"), index: at})
	}
	return out
}

func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t == reflect.TypeFor[[]string]():
		return "stringArray"
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Float64, reflect.String:
		return t.Kind().String()
	default:
		return ""
	}
}

func text(v reflect.Value) string {
	if list, ok := reflect.TypeAssert[[]string](v); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(v.Interface())
}

// Check reports whether a text is a value of the field.
func (f Field) Check(value string) error {
	var s Serve
	return f.set(&s, value)
}

// set gives the field of s a value that came as text. Lists are separated by commas.
func (f Field) set(s *Serve, value string) error {
	v := reflect.ValueOf(s).Elem().FieldByIndex(f.index)
	switch f.Kind {
	case "bool":
		b, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		v.SetBool(b)
	case "int":
		n, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("%q is no whole number", value)
		}
		v.SetInt(int64(n))
	case "float64":
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return fmt.Errorf("%q is no number", value)
		}
		v.SetFloat(n)
	case "duration":
		d, err := time.ParseDuration(value)
		if err != nil {
			return fmt.Errorf("%q is no time such as 30s", value)
		}
		v.SetInt(int64(d))
	case "stringArray":
		v.Set(reflect.ValueOf(split(value)))
	default:
		v.SetString(value)
	}
	return nil
}

func split(value string) []string {
	var out []string
	for s := range strings.SplitSeq(value, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}
