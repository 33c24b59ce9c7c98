package wire

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

var (
	oddStrings = []string{"", "plain", "quote \" and \\", "\b\f\n\r\t\x00\x1f\x7f", "é 日本 😀 e\u0301", "<script>&amp;", "\u2028\u2029\ufeff"}
	oddDoubles = []float64{0, math.Copysign(0, -1), 1, -0.5, 71.4, 1e-6, 9.9e-7, -1e-9, 1e20, 1e21, 1.5e300, 5e-324, math.NaN(), math.Inf(1), math.Inf(-1)}
)

// scatter fills some of the fields of m with odd values.
func scatter(r *rand.Rand, m protoreflect.Message) {
	value := func(fd protoreflect.FieldDescriptor, fresh func() protoreflect.Value) protoreflect.Value {
		switch fd.Kind() {
		case protoreflect.StringKind:
			return protoreflect.ValueOfString(oddStrings[r.IntN(len(oddStrings))])
		case protoreflect.BoolKind:
			return protoreflect.ValueOfBool(r.IntN(2) == 0)
		case protoreflect.Int32Kind:
			return protoreflect.ValueOfInt32(int32(r.Uint32()))
		case protoreflect.DoubleKind:
			return protoreflect.ValueOfFloat64(oddDoubles[r.IntN(len(oddDoubles))])
		case protoreflect.EnumKind:
			return protoreflect.ValueOfEnum(protoreflect.EnumNumber(r.IntN(12)))
		case protoreflect.BytesKind:
			return protoreflect.ValueOfBytes([]byte("bytes"))
		case protoreflect.MessageKind:
			v := fresh()
			scatter(r, v.Message())
			return v
		default:
			panic("no value for " + fd.FullName())
		}
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch {
		case r.IntN(3) == 0, fd.Message() != nil && fd.Message().FullName().Parent() != "grader.v1":
		case fd.IsList():
			list := m.Mutable(fd).List()
			for range r.IntN(3) {
				list.Append(value(fd, list.NewElement))
			}
		default:
			m.Set(fd, value(fd, func() protoreflect.Value { return m.NewField(fd) }))
		}
	}
}

func TestMarshalWritesWhatProtojsonDoes(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	known := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("grader.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Messages().Len() {
			d := file.Messages().Get(i)
			if formOf(d).known {
				known++
			}
			for range 200 {
				m := dynamicpb.NewMessage(d)
				scatter(r, m)
				want, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
				require.NoError(t, err)
				got, err := Marshal(m)
				require.NoError(t, err)
				require.Equal(t, string(compact(want)), string(got))
			}
		}
		return true
	})
	require.Greater(t, known, 30, "messages that are written without protojson")
	require.True(t, formOf((&graderv1.Critique{}).ProtoReflect().Descriptor()).known)
}

func BenchmarkMarshal(b *testing.B) {
	critique := &graderv1.Critique{}
	scatter(rand.New(rand.NewPCG(3, 4)), critique.ProtoReflect())
	writers := map[string]func(proto.Message) ([]byte, error){"wire": Marshal, "protojson": protojson.MarshalOptions{EmitDefaultValues: true}.Marshal}
	for name, marshal := range writers {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				data, err := marshal(critique)
				require.NoError(b, err)
				b.SetBytes(int64(len(data)))
			}
		})
	}
}
