// Package rubrics puts the bank of questions into the binary.
package rubrics

import (
	"embed"
	"io/fs"
)

//go:embed nodejs
var files embed.FS

// NodeJS is the folder of the Node.js bank.
func NodeJS() fs.FS {
	sub, err := fs.Sub(files, "nodejs")
	if err != nil { // the folder is compiled in
		panic(err)
	}
	return sub
}
