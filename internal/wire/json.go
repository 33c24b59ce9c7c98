package wire

import (
	"math"
	"strconv"
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// form is how the messages of a type are written, worked out once. protojson sorts the fields of every message anew and
// takes longer to write a critique than it takes to grade one; a test holds the two against each other. Types must not
// hold themselves.
type form struct {
	fields []fieldForm
	known  bool // false: there is something in it that only protojson can write
}

type fieldForm struct {
	protoreflect.FieldDescriptor
	key      string // with quotes and colon
	list     bool
	optional bool // left out where it is absent
	message  *form
}

// forms holds the form of every type that was written, by its name.
var forms sync.Map

func formOf(d protoreflect.MessageDescriptor) *form {
	if f, ok := forms.Load(d.FullName()); ok {
		return f.(*form)
	}
	f := &form{known: d.FullName().Parent() == "grader.v1"}
	if !f.known { // its fields are none of our business, and may hold themselves
		return f
	}
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		field := fieldForm{FieldDescriptor: fd, key: strconv.Quote(fd.JSONName()) + ":", list: fd.IsList(), optional: fd.HasPresence()}
		switch fd.Kind() {
		case protoreflect.StringKind, protoreflect.BoolKind, protoreflect.Int32Kind, protoreflect.DoubleKind, protoreflect.EnumKind:
		case protoreflect.MessageKind:
			field.message = formOf(fd.Message())
			f.known = f.known && field.message.known && !fd.IsMap()
		default:
			f.known = false
		}
		f.fields = append(f.fields, field)
	}
	forms.Store(d.FullName(), f)
	return f
}

// append writes m behind b, or reports that it holds text that is not UTF-8.
func (f *form) append(b []byte, m protoreflect.Message) ([]byte, bool) {
	var ok bool
	b = append(b, '{')
	first := true
	for i := range f.fields {
		field := &f.fields[i]
		if field.optional && !m.Has(field.FieldDescriptor) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, field.key...)
		value := m.Get(field.FieldDescriptor)
		if !field.list {
			if b, ok = field.append(b, value); !ok {
				return b, false
			}
			continue
		}
		b = append(b, '[')
		list := value.List()
		for k := range list.Len() {
			if k > 0 {
				b = append(b, ',')
			}
			if b, ok = field.append(b, list.Get(k)); !ok {
				return b, false
			}
		}
		b = append(b, ']')
	}
	return append(b, '}'), true
}

func (f *fieldForm) append(b []byte, v protoreflect.Value) ([]byte, bool) {
	switch f.Kind() {
	case protoreflect.StringKind:
		return appendString(b, v.String())
	case protoreflect.BoolKind:
		return strconv.AppendBool(b, v.Bool()), true
	case protoreflect.Int32Kind:
		return strconv.AppendInt(b, v.Int(), 10), true
	case protoreflect.DoubleKind:
		return appendDouble(b, v.Float()), true
	case protoreflect.EnumKind:
		if name := f.Enum().Values().ByNumber(v.Enum()); name != nil {
			return append(append(append(b, '"'), name.Name()...), '"'), true
		}
		return strconv.AppendInt(b, int64(v.Enum()), 10), true
	default:
		return f.message.append(b, v.Message())
	}
}

func appendString(b []byte, s string) ([]byte, bool) {
	if !utf8.ValidString(s) {
		return b, false
	}
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, s[from:]...), '"'), true
}

// appendDouble writes numbers as JavaScript does.
func appendDouble(b []byte, v float64) []byte {
	switch size := math.Abs(v); {
	case math.IsNaN(v):
		return append(b, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(b, `"-Infinity"`...)
	case size != 0 && (size < 1e-6 || size >= 1e21):
		b = strconv.AppendFloat(b, v, 'e', -1, 64)
		if n := len(b); b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
			b[n-2] = b[n-1]
			b = b[:n-1]
		}
		return b
	default:
		return strconv.AppendFloat(b, v, 'f', -1, 64)
	}
}
