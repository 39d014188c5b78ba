// Package sealpage is the page by which a reporter seals who reports in the
// browser: one HTML file, one script, one style sheet, no third party. The
// source stands here, what is served in dist; `go test -update` makes dist anew
// with esbuild. The script is bound by its digest in the HTML file, so that the
// digest of that file is the digest of the page.
package sealpage

import (
	"embed"
	"io/fs"
)

//go:embed dist
var dist embed.FS

// Files returns what is served: index.html, and a script and a style sheet whose
// names change with their content.
func Files() (fs.FS, error) { return fs.Sub(dist, "dist") }
