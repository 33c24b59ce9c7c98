// Command protodeps writes the third-party .proto files that our contract
// imports below a folder, so that buf works without a schema registry. The text
// is printed from the descriptors linked into this program, hence it always
// matches the Go packages pinned in go.mod.
//
//	go run ./internal/protodeps .proto-deps
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// Each import registers the descriptors of the files that it defines.
	_ "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	_ "google.golang.org/genproto/googleapis/api/annotations"
	_ "google.golang.org/genproto/googleapis/rpc/code"
	_ "google.golang.org/genproto/googleapis/rpc/status"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: protodeps FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "protodeps:", err)
		os.Exit(1)
	}
}

// write replaces dir by the files that our contract imports and what these
// import in turn.
func write(dir string) error {
	// These are the imports of proto/grader/v1 that are not ours.
	roots := []string{
		"buf/validate/validate.proto",
		"google/api/annotations.proto",
		"google/api/field_behavior.proto",
		"google/rpc/code.proto",
		"google/rpc/status.proto",
	}
	files := map[string]protoreflect.FileDescriptor{}
	for _, path := range roots {
		fd, err := protoregistry.GlobalFiles.FindFileByPath(path)
		if err != nil {
			return fmt.Errorf("find %s: %w", path, err)
		}
		collect(fd, files)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for path, fd := range files {
		text, err := (&protoprint.Printer{}).PrintProtoToString(fd)
		if err != nil {
			return fmt.Errorf("print %s: %w", path, err)
		}
		target := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// collect adds fd and its imports to files, except google/protobuf, which buf
// brings along.
func collect(fd protoreflect.FileDescriptor, files map[string]protoreflect.FileDescriptor) {
	if strings.HasPrefix(fd.Path(), "google/protobuf/") || files[fd.Path()] != nil {
		return
	}
	files[fd.Path()] = fd
	for i := range fd.Imports().Len() {
		collect(fd.Imports().Get(i).FileDescriptor, files)
	}
}
